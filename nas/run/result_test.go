package run_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/run"
)

// Values are an object whose fields keep their order, whatever their names.
func TestValuesKeepTheirOrder(t *testing.T) {
	v := run.Values{{Name: "z", Number: 1}, {Name: "a", Number: 0.1}, {Name: `"m"`, Number: -2e-30}}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	assert.Equal(t, `{"z":1,"a":0.1,"\"m\"":-2e-30}`, string(text))
	var back run.Values
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, v, back)
	require.NoError(t, json.Unmarshal([]byte(`{}`), &back))
	assert.Empty(t, back, "reading takes the place of what was there")
	for _, bad := range []string{`[1]`, `{"a": "b"}`, `{"a": null, "b": [1]}`, `3`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
	_, err = json.Marshal(run.Values{{Name: "loss", Number: math.NaN()}})
	assert.ErrorContains(t, err, "loss")

	x, ok := v.Get("a")
	assert.True(t, ok)
	assert.Equal(t, 0.1, x)
	_, ok = v.Get("b")
	assert.False(t, ok)
	assert.True(t, math.IsNaN(v.Of("b")))
}

func TestLog(t *testing.T) {
	l := run.Log{Columns: []string{"epoch", "loss"}, Rows: [][]float64{{1, 3}, {2, 0.5}}}
	require.NoError(t, l.Validate())
	assert.Equal(t, []float64{3, 0.5}, l.Column("loss"))
	assert.Nil(t, l.Column("accuracy"))
	assert.Equal(t, run.Values{{Name: "epoch", Number: 1}, {Name: "loss", Number: 3}}, l.Row(0))
	assert.Equal(t, l.Row(1), l.Row(-1))
	assert.Nil(t, l.Row(2))
	assert.Nil(t, l.Row(-3))
	assert.Equal(t, 0.5, l.Last("loss"))
	assert.True(t, math.IsNaN(l.Last("accuracy")))
	assert.True(t, math.IsNaN(run.Log{}.Last("loss")))
	l.Rows[1] = []float64{2}
	assert.ErrorContains(t, l.Validate(), "log: rows[1]: expected a number for each of 2 columns, got 1")
}

func TestTable(t *testing.T) {
	table := run.Table{Name: "normal", Kind: run.Softmax, Rows: []string{"0→2", "1→2"}, Columns: [][]string{{"skip", "conv"}},
		Epochs: []run.Snapshot{{Values: [][]float64{{1, 2}, {3, 4}}, Weights: [][]float64{{0.5, 0.5}, {0.5, 0.5}}}}}
	require.NoError(t, table.Validate())
	assert.Equal(t, []string{"skip", "conv"}, table.Ops(1))
	assert.Equal(t, table.Epochs[0], table.Last())
	assert.Equal(t, run.Snapshot{}, run.Table{}.Last())
	uneven := run.Table{Name: "updates", Kind: run.Counts, Rows: []string{"a", "b"}, Columns: [][]string{{"0"}, {"0", "1"}}, Epochs: []run.Snapshot{{Values: [][]float64{{1}, {2, 3}}}}}
	require.NoError(t, uneven.Validate())
	assert.Equal(t, []string{"0", "1"}, uneven.Ops(1))
	for want, change := range map[string]func(*run.Table){
		"table normal: columns: expected one list or one for each of 2 rows, got 3": func(t *run.Table) { t.Columns = make([][]string, 3) },
		"table normal: epochs[0].values: expected 2 rows, got 1":                    func(t *run.Table) { t.Epochs = []run.Snapshot{{Values: [][]float64{{1, 2}}}} },
		"table normal: epochs[0].values[1]: expected 2 columns, got 1":              func(t *run.Table) { t.Epochs = []run.Snapshot{{Values: [][]float64{{1, 2}, {3}}}} },
		"table normal: epochs[1].weights: expected 2 rows, got 0": func(t *run.Table) {
			t.Epochs = append(t.Epochs[:1:1], run.Snapshot{Values: t.Epochs[0].Values, Weights: [][]float64{}})
		},
	} {
		broken := table
		change(&broken)
		assert.ErrorContains(t, broken.Validate(), want)
	}
}

func TestResultValidate(t *testing.T) {
	good := func() run.Result {
		return run.Result{Spec: run.Spec{Command: run.Search}, Log: run.Log{Columns: []string{"epoch"}, Rows: [][]float64{{1}}},
			Tables:  []run.Table{{Name: "updates", Kind: run.Counts, Columns: [][]string{{}}}, {Name: "normal", Kind: run.Sigmoid, Columns: [][]string{{}}}},
			Ranking: &run.Ranking{Codes: []string{"00", "01"}, Trained: []float64{0.1, 0.2}},
			Front:   &run.Front{Objectives: make([]run.Objective, 2), Members: []run.Member{{Code: "00", Values: []float64{1, 2}}}}}
	}
	g := good()
	require.NoError(t, g.Validate())
	table, ok := g.Table("normal")
	assert.True(t, ok)
	assert.Equal(t, []run.Table{table}, g.Weights(), "counts are no weights")
	_, ok = g.Table("reduce")
	assert.False(t, ok)
	assert.Equal(t, "00", g.Front.Best().Code)
	for want, change := range map[string]func(*run.Result){
		`spec: command: expected "search" or "train", got ""`: func(r *run.Result) { r.Spec.Command = "" },
		"log: rows[0]":                     func(r *run.Result) { r.Log.Rows[0] = nil },
		"table updates: columns":           func(r *run.Result) { r.Tables[0].Columns = make([][]string, 2) },
		"ranking: expected an accuracy":    func(r *run.Result) { r.Ranking.Trained = nil },
		"each of 2 codes, got 2, and 1":    func(r *run.Result) { r.Ranking.Untrained = []float64{1} },
		"front: chosen: expected one of 1": func(r *run.Result) { r.Front.Chosen = 1 },
		"front: chosen: expected one of 0": func(r *run.Result) { r.Front.Members = nil },
		"front: members[0]: expected a":    func(r *run.Result) { r.Front.Members[0].Values = []float64{1} },
		"network":                          func(r *run.Result) { r.Network = &arch.Network{} },
	} {
		g := good()
		change(&g)
		assert.ErrorContains(t, g.Validate(), want)
	}
}

func TestObjectiveLabel(t *testing.T) {
	assert.Equal(t, "multiply-adds, M", run.Objective{Name: "multiply-adds", Unit: "M", Scale: 1e-6, Direction: evolve.Minimise}.Label())
	assert.Equal(t, "depth", run.Objective{Name: "depth", Scale: 1}.Label())
}

func TestSpecLabel(t *testing.T) {
	for want, s := range map[string]run.Spec{
		"darts":          {Command: run.Search, Method: "darts"},
		"fairdarts-no01": {Command: run.Search, Method: "fairdarts", Variant: "no01"},
		"random":         {Command: run.Train, Name: "random", Method: "darts", Variant: "noise"},
	} {
		assert.Equal(t, want, s.Label())
	}
}

// Specifications differ by every field of theirs and of their configuration but the granularity; long values are cut.
func TestSpecDifferences(t *testing.T) {
	network := arch.Network{Input: [3]int{32, 32, 3}, Classes: 10}
	one := run.Spec{Command: run.Train, Name: "a", Network: &network, Config: json.RawMessage(`{"a": 1, "list": [1, 2], "in": {"x": 1, "y": 2}, "granularity": "edge"}`)}
	other := one
	changed := network
	changed.Classes = 100
	other.Network, other.Instead = &changed, "two edges"
	other.Config = json.RawMessage(`{"granularity": "cell", "in": {"x": 1, "y": 3, "z": null}, "list": [1, 3], "a": 1.0}`)
	got, err := one.Differences(other)
	require.NoError(t, err)
	assert.Equal(t, []string{"config.a (1, not 1.0)", "config.in.y (2, not 3)", "config.list ([1,2], not [1,3])", `instead (none, not "two edges")`, "network.classes (10, not 100)"}, got)
	same, err := one.Differences(one)
	require.NoError(t, err)
	assert.Empty(t, same)
	one.Config = json.RawMessage(`{`)
	_, err = one.Differences(other)
	assert.Error(t, err)
	_, err = other.Differences(one)
	assert.Error(t, err)
	long := run.Spec{Name: strings.Repeat("x", 80)}
	got, err = long.Differences(run.Spec{})
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Regexp(t, `^name \("x{56}\.\.\., not none\)$`, got[0])
}

// TestSpecAgreesWithItsConfig: what a specification says of itself, its configuration says too.
func TestSpecAgreesWithItsConfig(t *testing.T) {
	good := run.Spec{Command: run.Search, Profile: "quick", Seed: 3, Space: "S0", Config: []byte(`{"profile":"quick","seed":3,"space":"S0"}`)}
	require.NoError(t, good.Validate())
	for want, change := range map[string]func(*run.Spec){
		`profile: is "paper", but "quick" in config`:         func(s *run.Spec) { s.Profile = "paper" },
		`seed: is 4, but 3 in config`:                        func(s *run.Spec) { s.Seed = 4 },
		`space: is "S1", but "S0" in config`:                 func(s *run.Spec) { s.Space = "S1" },
		`command: expected "search" or "train", got "dance"`: func(s *run.Spec) { s.Command = "dance" },
		"config: ": func(s *run.Spec) { s.Config = []byte(`[]`) },
	} {
		s := good
		change(&s)
		require.ErrorContains(t, s.Validate(), want)
		require.ErrorContains(t, run.Result{Spec: s}.Validate(), "spec: "+want)
	}
	require.Error(t, run.Result{}.Validate(), "an empty result is none")
}
