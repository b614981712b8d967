package extract

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
	"github.com/gonas/gonas/repro/runs/runstest"
	"github.com/gonas/gonas/repro/verdict"
)

// sigmoids is a search whose every edge ended with these weights.
func sigmoids(weights ...float64) (r run.Result) {
	runstest.Weigh(&r, run.Sigmoid, weights...)
	return r
}

// derived is a search that kept 16 edges, so many of them skip connections.
func derived(skips int) (r run.Result) {
	runstest.Derive(&r, skips)
	return r
}

// kept is a search that kept edges of these operations in its normal cell, and none in the other.
func kept(ops ...string) (r run.Result) {
	r.Genotype = &arch.Genotype{}
	for _, op := range ops {
		r.Genotype.Normal.Edges = append(r.Genotype.Normal.Edges, arch.Edge{Op: op, From: 0, To: 2})
	}
	return r
}

// onGrid is a search on NAS-Bench-201 that derived a cell of these operations, its skip connections at a weight of 1/4.
func onGrid(ops ...string) (r run.Result) {
	g := arch.Grid{Cell: [6]string(ops), Cells: 5, Channels: 16}
	r.Network = &arch.Network{Input: [3]int{32, 32, 3}, Classes: 10, Grid: &g}
	r.Tables = []run.Table{{Name: space.GridTable, Kind: run.Softmax, Rows: []string{"0→1"}, Columns: [][]string{{"none", "skip_connect"}},
		Epochs: []run.Snapshot{{Weights: [][]float64{{0.75, 0.25}}}}}}
	return r
}

// ranked is a supernet that ranked networks of NAS-Bench-Macro.
func ranked(t *testing.T, of func(truth []float64) run.Ranking) (r run.Result) {
	codes := []string{"00000000", "11111111", "22222222", "01201201"}
	truth, err := space.TrueAccuracies(space.NASBenchMacroName, codes)
	require.NoError(t, err)
	k := of(truth)
	k.Codes = codes
	r.Spec.Space, r.Ranking = space.NASBenchMacroName, &k
	return r
}

// logged is a run whose log has a column of these numbers.
func logged(column string, x ...float64) (r run.Result) {
	r.Log.Columns = []string{"epoch", column}
	for i, v := range x {
		r.Log.Rows = append(r.Log.Rows, []float64{float64(i + 1), v})
	}
	return r
}

func TestQuantities(t *testing.T) {
	softmax := run.Result{}
	runstest.Weigh(&softmax, run.Softmax, 0.1, 0.2, 0.3, 0.4)
	uneven := softmax
	uneven.Tables = []run.Table{{Name: "normal", Kind: run.Softmax, Rows: []string{"a", "b", "c"},
		Columns: [][]string{{"skip_connect", "none"}, {"none", "sep_conv_3x3"}, {"sep_conv_3x3", "skip_connect"}},
		Epochs:  []run.Snapshot{{Weights: [][]float64{{0.25, 0.75}, {1, 0}, {0.5, 0.5}}}}}}
	paths := run.Result{Log: run.Log{Columns: []string{"lowest", "highest"}, Rows: [][]float64{{0, 1}, {0.1, 0.7}, {0.2, 0.4}}}}
	tested := run.Result{Numbers: run.Values{{Name: "test_accuracy", Number: 0.4125}}}
	instead := tested
	instead.Spec.Instead = "two edges a node"
	size := space.Size{Cells: 1, Channels: 16, Classes: 12, InputChannels: 40}
	words, err := space.TCResNet(size, 98)
	require.NoError(t, err)
	network, err := words.Network([]int{8, 3, 8})
	require.NoError(t, err)
	chain := run.Result{Spec: run.Spec{Space: space.TCResNetName}, Network: &network, Tables: []run.Table{{Name: space.ChainTable, Kind: run.Softmax,
		Rows: []string{"1", "2", "3"}, Columns: [][]string{{"k3", "skip_connect"}}, Epochs: []run.Snapshot{{Weights: [][]float64{{0.25, 0.75}, {0.5, 0.5}, {0.9, 0.1}}}}}}}
	elsewhereChain := run.Result{Network: &network}
	detected := run.Result{ROC: &run.ROC{Words: 1, FalseAlarms: []float64{0, 0.5, 1}, FalseRejects: []float64{0.4, 0, 0}}}
	otherDetected := detected
	otherDetected.Spec.Instead = "two edges a node"
	alike := func(x float64) []float64 { return []float64{x, x, x, x} }
	upside := func(truth []float64) (out []float64) {
		for _, x := range truth {
			out = append(out, -x)
		}
		return out
	}
	taus := ranked(t, func(truth []float64) run.Ranking { return run.Ranking{Untrained: upside(truth), Trained: truth} })
	elsewhere := taus
	elsewhere.Spec.Space = space.CIFARMobileName
	for _, c := range []struct {
		name, quantity string
		r              run.Result
		want           float64
		lacks          string
	}{
		{"halves", "polarisation", sigmoids(0.5, 0.5, 0.5, 0.5), 0, ""},
		{"halves", "bimodal_share", sigmoids(0.5, 0.5, 0.5, 0.5), 0, ""},
		{"ends", "polarisation", sigmoids(0, 1, 1, 0), 1, ""},
		{"ends", "bimodal_share", sigmoids(0, 1, 1, 0), 1, ""},
		{"at the ends' edges", "polarisation", sigmoids(0.15, 0.85, 0.16, 0.84), 0.69, ""},
		{"at the ends' edges", "bimodal_share", sigmoids(0.15, 0.85, 0.16, 0.84), 0.5, ""},
		{"one mode", "polarisation", sigmoids(0.01, 0.02, 0.03, 0.04), 0.95, ""},
		{"one mode", "bimodal_share", sigmoids(0.01, 0.02, 0.03, 0.04), 0, ""},
		{"other mode", "polarisation", sigmoids(0.99, 0.98, 0.97, 0.96), 0.95, ""},
		{"other mode", "bimodal_share", sigmoids(0.99, 0.98, 0.97, 0.96), 0, ""},
		{"no sigmoids", "polarisation", softmax, 0, "no table of sigmoids"},
		{"no sigmoids", "bimodal_share", softmax, 0, "no table of sigmoids"},
		{"skips of both cells", "skips", derived(9), 9, ""},
		{"no cells", "skips", softmax, 0, "derived no cells"},
		{"skips of a chain", "skips", chain, 2, ""},
		{"of its layers", "skip_share", chain, 2.0 / 3, ""},
		{"of all layers", "skip_weight", chain, 0.45, ""},
		{"a chain of another space", "skips", elsewhereChain, 0, "derived no cells"},
		{"words", "false_reject_area_percent", detected, 10, ""},
		{"other words", "false_reject_area_percent", otherDetected, 0, "trained instead"},
		{"no words", "false_reject_area_percent", tested, 0, "not tested on words"},
		{"skips of all edges", "skip_share", derived(4), 0.25, ""},
		{"skips of few edges", "skip_share", kept("skip_connect", "sep_conv_3x3", "skip_connect", "skip_connect"), 0.75, ""},
		{"no skips", "skip_share", kept("sep_conv_3x3"), 0, ""},
		{"nothing kept", "skip_share", kept(), 0, "its cells keep no edge"},
		{"no cells", "skip_share", softmax, 0, "derived no cells"},
		{"of every edge", "skip_weight", softmax, 0.4, ""},
		{"of those edges that have one", "skip_weight", uneven, 0.375, ""},
		{"no normal cell", "skip_weight", paths, 0, "no weights of skip connections"},
		{"of a grid", "skips", onGrid("skip_connect", "none", "nor_conv_3x3", "skip_connect", "none", "avg_pool_3x3"), 2, ""},
		{"of a grid", "skip_share", onGrid("skip_connect", "none", "nor_conv_3x3", "skip_connect", "none", "avg_pool_3x3"), 0.5, ""},
		{"nothing but none", "skip_share", onGrid("none", "none", "none", "none", "none", "none"), 0, "its cells keep no edge"},
		{"of a grid", "skip_weight", onGrid("none", "none", "none", "none", "none", "none"), 0.25, ""},
		{"skips alone", "true_accuracy_percent", onGrid("skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect"), 54.2967, ""},
		{"skips alone", "true_accuracy_cifar100_percent", onGrid("skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect"), 15.6067, ""},
		{"skips alone", "true_accuracy_imagenet16_percent", onGrid("skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect", "skip_connect"), 16.3222, ""},
		{"no grid", "true_accuracy_percent", derived(3), 0, "derived no cell of NAS-Bench-201"},
		{"last", "val_loss_last", logged("val_loss", 2, 1.5, 1.75), 1.75, ""},
		{"last", "train_loss_last", logged("train_loss", 2, 1.5, 1.25), 1.25, ""},
		{"another log", "val_loss_last", logged("train_loss", 2), 0, "its log has no val_loss"},
		{"no epochs", "val_loss_last", run.Result{}, 0, "its log has no val_loss"},
		{"as the truth", "one_shot_tau", taus, 1, ""},
		{"against the truth", "untrained_tau", taus, -1, ""},
		{"all alike", "one_shot_tau", ranked(t, func([]float64) run.Ranking { return run.Ranking{Trained: alike(0.5)} }), math.NaN(), ""},
		{"no truth", "one_shot_tau", elsewhere, 0, "not known"},
		{"no ranking", "one_shot_tau", softmax, 0, "ranked no networks"},
		{"mean", "one_shot_percent", ranked(t, func([]float64) run.Ranking { return run.Ranking{Trained: []float64{0.25, 0.5, 0.5, 0.75}} }), 50, ""},
		{"mean", "untrained_percent", ranked(t, func([]float64) run.Ranking { return run.Ranking{Untrained: alike(0.125), Trained: alike(0)} }), 12.5, ""},
		{"trained only", "untrained_percent", ranked(t, func([]float64) run.Ranking { return run.Ranking{Trained: alike(0)} }), 0, "measured none"},
		{"last half of the epochs", "path_range_percent", paths, 40, ""},
		{"no paths", "path_range_percent", logged("train_loss", 2), 0, "no range"},
		{"tested", "test_accuracy_percent", tested, 41.25, ""},
		{"another network", "test_accuracy_percent", instead, 0, "trained instead: two edges a node"},
		{"not tested", "test_accuracy_percent", softmax, 0, "not tested"},
	} {
		t.Run(c.quantity+" "+c.name, func(t *testing.T) {
			q, err := lookup(c.quantity)
			require.NoError(t, err)
			got, lacks := q.of(c.r)
			if c.lacks != "" {
				assert.Contains(t, lacks, c.lacks)
				return
			}
			assert.Empty(t, lacks)
			if math.IsNaN(c.want) {
				assert.True(t, math.IsNaN(got))
			} else {
				assert.InDelta(t, c.want, got, 1e-12)
			}
		})
	}
}

func TestEveryRecordCanBeMeasured(t *testing.T) {
	list, err := claims.All()
	require.NoError(t, err)
	for _, c := range list {
		m, err := Measure(c, Runs{})
		require.NoError(t, err, c.ID)
		assert.Len(t, m, len(c.Assertions()), c.ID)
	}
	for _, what := range []claims.Measure{{Check: "none"}, {Quantity: "none", Of: "darts"}, {Quantity: "skips", Of: "darts", Than: "darts", ThanQuantity: "none"}} {
		_, err := Measure(claims.Claim{ID: "p-one", Assertion: claims.Assertion{Measure: &what}}, Runs{})
		assert.ErrorContains(t, err, `"none"`)
		assert.ErrorContains(t, err, "p-one")
	}
}

func TestMeasurePairs(t *testing.T) {
	runs := Runs{Search: map[string]map[uint64]run.Result{
		"darts":     {0: derived(6), 2: derived(8), 3: derived(2)},
		"fairdarts": {0: derived(2), 1: derived(3), 2: derived(4)},
	}}
	a := claims.Part{Assertion: claims.Assertion{Kind: claims.Order, Measure: &claims.Measure{Quantity: "skips", Of: "darts", Than: "fairdarts"}}}
	m, err := measure(a, runs)
	require.NoError(t, err)
	assert.Equal(t, []uint64{0, 2}, m.Seeds)
	assert.Equal(t, []float64{6, 8}, m.A)
	assert.Equal(t, []float64{2, 4}, m.B)
	assert.True(t, m.Counts)
	assert.Contains(t, m.Note, "darts-seed3")
	assert.Contains(t, m.Note, "fairdarts-seed1")

	a.Kind = claims.Rank
	m, err = measure(a, runs)
	require.NoError(t, err)
	assert.Equal(t, []float64{6, 8, 2}, m.A)
	assert.Equal(t, []float64{2, 3, 4}, m.B)

	a.Measure = &claims.Measure{Quantity: "test_accuracy_percent", Of: "random"}
	m, err = measure(a, runs)
	require.NoError(t, err)
	assert.Empty(t, m.A)
	assert.False(t, m.Counts)
	assert.Contains(t, m.Missing, "train runs of random")
}

// TestMeasureOneAgainstAnotherQuantity of the same runs: a supernet against itself before it was trained.
func TestMeasureOneAgainstAnotherQuantity(t *testing.T) {
	r := ranked(t, func([]float64) run.Ranking {
		return run.Ranking{Untrained: []float64{0, 0, 0, 0.5}, Trained: []float64{1, 1, 1, 0}}
	})
	m, err := measure(claims.Part{Assertion: claims.Assertion{Kind: claims.Rank, Measure: &claims.Measure{Quantity: "one_shot_percent", Of: "s", Than: "s", ThanQuantity: "untrained_percent"}}},
		Runs{Search: map[string]map[uint64]run.Result{"s": {4: r}}})
	require.NoError(t, err)
	assert.Equal(t, verdict.Measured{Seeds: []uint64{4}, A: []float64{75}, B: []float64{12.5}, Missing: "finished search runs of s"}, m)
}

// TestWhatLacksTheQuantityIsLeftOut: a search that keeps no edge has no skips to be praised for, and a network that was
// trained in the place of what was found says nothing of it.
func TestWhatLacksTheQuantityIsLeftOut(t *testing.T) {
	instead := run.Result{Spec: run.Spec{Instead: "two edges a node"}, Numbers: run.Values{{Name: "test_accuracy", Number: 0.9}}}
	tested := run.Result{Numbers: run.Values{{Name: "test_accuracy", Number: 0.5}}}
	runs := Runs{
		Search: map[string]map[uint64]run.Result{"darts": {0: derived(8), 1: derived(8)}, "fairdarts": {0: kept(), 1: kept("skip_connect", "sep_conv_3x3")}},
		Train:  map[string]map[uint64]run.Result{"fairdarts": {0: instead, 1: tested}, "random": {0: tested, 1: tested}},
	}
	for quantity, c := range map[string]struct {
		of, than string
		value    float64
		note     string
	}{
		"skip_share":            {"darts", "fairdarts", 0.5, "left out: fairdarts-seed0 (its cells keep no edge); left out for want of a partner: darts-seed0"},
		"test_accuracy_percent": {"fairdarts", "random", 50, "left out: fairdarts-seed0 (trained instead: two edges a node); left out for want of a partner: random-seed0"},
	} {
		m, err := measure(claims.Part{Assertion: claims.Assertion{Kind: claims.Order, Measure: &claims.Measure{Quantity: quantity, Of: c.of, Than: c.than}}}, runs)
		require.NoError(t, err)
		assert.Equal(t, []uint64{1}, m.Seeds)
		assert.Equal(t, []float64{c.value, c.value}, append(m.A, m.B...))
		assert.Equal(t, c.note, m.Note)
	}
}

// write makes an evidence folder at quick of a search and a training each of FairDARTS, and of a random network.
func write(t *testing.T) (dir string, search, trained, random run.Result) {
	t.Helper()
	dir, data := t.TempDir(), runstest.Data()
	runstest.Evidence(t, dir, profile.Quick, data)
	search = runstest.Search(t, "fairdarts-no01", profile.Quick, 7, data)
	runstest.Weigh(&search, run.Sigmoid, 0.1, 0.2, 0.3, 0.4)
	runstest.Derive(&search, 1)
	trained = runstest.Train(t, "fairdarts-no01", profile.Quick, 7, data, &search, 0.5)
	random = runstest.Train(t, runs.Random, profile.Quick, 7, data, nil, 0.5)
	for _, r := range []run.Result{search, trained, random} {
		runstest.Write(t, dir, r)
	}
	return dir, search, trained, random
}

func TestLoad(t *testing.T) {
	dir, search, trained, random := write(t)
	require.NoError(t, os.MkdirAll(runs.Dir(dir, run.Search, "darts", 7), 0o755)) // killed before its end
	require.NoError(t, os.WriteFile(filepath.Join(dir, "search", "notes.txt"), []byte("x"), 0o600))
	got, err := Load(dir, profile.Quick)
	require.NoError(t, err)
	assert.Empty(t, got.Strangers)
	same := func(want, got run.Result) {
		differ, err := want.Spec.Differences(got.Spec)
		require.NoError(t, err)
		assert.Empty(t, differ)
		want.Spec, got.Spec = run.Spec{}, run.Spec{}
		assert.Equal(t, want, got)
	}
	require.Len(t, got.Search, 1)
	same(search, got.Search["fairdarts-no01"][7])
	require.Len(t, got.Train, 2)
	same(trained, got.Train["fairdarts-no01"][7])
	same(random, got.Train["random"][7])

	_, err = Load(filepath.Join(dir, "none"), profile.Quick)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(dir, "quicker")
	assert.ErrorContains(t, err, `profile "quicker"`)
}

// TestLoadNamesStrangers: a run is its whole specification, not the folder that it lies in.
func TestLoadNamesStrangers(t *testing.T) {
	other := runstest.Data()
	other.SHA256 = "6"
	for name, c := range map[string]struct {
		profile string
		change  func(t *testing.T, dir string)
		want    []string
	}{
		"another profile": {profile.GPU, func(*testing.T, string) {}, []string{
			"search/fairdarts-no01-seed7: config.arch.learning_rate (0.1, not 0.02), ",
			"train/fairdarts-no01-seed7: the search that found what is trained is not there",
			"train/random-seed7: config.batch (32, not 96), "}},
		"another setting": {profile.Quick, func(t *testing.T, dir string) {
			_, c, _, err := runs.Search("darts", profile.Quick, 1, runstest.Data())
			require.NoError(t, err)
			c.Shared().Epochs++
			m, _, _, err := runs.Search("darts", profile.Quick, 1, runstest.Data())
			require.NoError(t, err)
			spec, _, err := m.Spec(c, "", runstest.Data())
			require.NoError(t, err)
			runstest.Write(t, dir, run.Result{Spec: spec})
		}, []string{`search/darts-seed1: config.epochs (11, not 10), config.profile ("custom", not "quick"), profile ("custom", not "quick")`}},
		"another seed": {profile.Quick, func(t *testing.T, dir string) {
			runstest.WriteIn(t, runs.Dir(dir, run.Search, "darts", 1), runstest.Search(t, "darts", profile.Quick, 2, runstest.Data()))
		}, []string{"search/darts-seed1: config.seed (2, not 1), seed (2, not 1)"}},
		"another method": {profile.Quick, func(t *testing.T, dir string) {
			runstest.WriteIn(t, runs.Dir(dir, run.Search, "darts-noise", 1), runstest.Search(t, "darts", profile.Quick, 1, runstest.Data()))
		}, []string{`search/darts-noise-seed1: config.skip_noise (none, not {"epochs":0}), variant (none, not "noise")`}},
		"other data": {profile.Quick, func(t *testing.T, dir string) {
			runstest.Write(t, dir, runstest.Search(t, "darts", profile.Quick, 1, other))
		}, []string{`search/darts-seed1: data.sha256 ("6", not "5")`}},
		"of no method": {profile.Quick, func(t *testing.T, dir string) {
			runstest.WriteIn(t, runs.Dir(dir, run.Search, "dorts", 1), runstest.Search(t, "darts", profile.Quick, 1, runstest.Data()))
		}, []string{`search/dorts-seed1: no search is called "dorts"`}},
		"no configuration": {profile.Quick, func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(runs.Dir(dir, run.Train, "random", 7), evidence.ConfigFile)))
		}, []string{"train/random-seed7: there is no config.json"}},
		"another result": {profile.Quick, func(t *testing.T, dir string) {
			runstest.Write(t, dir, runstest.Search(t, "darts", profile.Quick, 1, runstest.Data()))
			another := runstest.Search(t, "darts", profile.Quick, 2, runstest.Data())
			require.NoError(t, evidence.WriteConfig(runs.Dir(dir, run.Search, "darts", 1), evidence.Config{Spec: another.Spec}))
		}, []string{"search/darts-seed1: config.json and result.json: config.seed (2, not 1)"}},
		"a training of what another search found": {profile.Quick, func(t *testing.T, dir string) {
			r, err := evidence.ReadResult(runs.Dir(dir, run.Search, "fairdarts-no01", 7))
			require.NoError(t, err)
			runstest.Derive(&r, 9)
			runstest.Write(t, dir, r)
		}, []string{"train/fairdarts-no01-seed7: network.cells.genotype.normal.edges"}},
		"a training without its search": {profile.Quick, func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(runs.Dir(dir, run.Search, "fairdarts-no01", 7)))
		}, []string{"train/fairdarts-no01-seed7: the search that found what is trained is not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, _, _ := write(t)
			c.change(t, dir)
			got, err := Load(dir, c.profile)
			require.NoError(t, err)
			require.Len(t, got.Strangers, len(c.want), "%v", got.Strangers)
			for i, want := range c.want {
				assert.Contains(t, got.Strangers[i].String(), want)
			}
			finished, err := filepath.Glob(filepath.Join(dir, "*", "*", evidence.ResultFile))
			require.NoError(t, err)
			taken := 0
			for _, list := range []map[string]map[uint64]run.Result{got.Search, got.Train} {
				for label, bySeed := range list {
					taken += len(bySeed)
					assert.Contains(t, []string{"fairdarts-no01", "random"}, label)
				}
			}
			assert.Equal(t, len(finished), taken+len(c.want))
		})
	}
}

// TestGranularityIsNoDifference: it changes speed and rounding, so that a runner may choose it.
func TestGranularityIsNoDifference(t *testing.T) {
	dir, _, _, _ := write(t)
	m, c, config, err := runs.Search("darts", profile.Quick, 1, runstest.Data())
	require.NoError(t, err)
	c.Shared().Granularity = "operation"
	config.Spec, _, err = m.Spec(c, "", runstest.Data())
	require.NoError(t, err)
	runstest.Write(t, dir, run.Result{Spec: config.Spec})
	got, err := Load(dir, profile.Quick)
	require.NoError(t, err)
	assert.Empty(t, got.Strangers)
	assert.Len(t, got.Search["darts"], 1)
}

// TestThePublishedProtocolOnOtherData is custom: its runs count, and what is measured says on what they are.
func TestThePublishedProtocolOnOtherData(t *testing.T) {
	few := datasets.Identity{Name: datasets.EmbeddedName, Train: 4000, Test: 1000, SHA256: "7"}
	for _, c := range []struct {
		data datasets.Identity
		want string
	}{{few, "embedded (4000 training and 1000 test samples)"}, {runstest.Data(), ""}} {
		dir := t.TempDir()
		runstest.Evidence(t, dir, profile.Paper, c.data)
		r := runstest.Search(t, "fairdarts", profile.Paper, 0, c.data)
		runstest.Weigh(&r, run.Sigmoid, 0.1, 0.9)
		runstest.Write(t, dir, r)
		runs, err := Load(dir, profile.Paper)
		require.NoError(t, err)
		require.Empty(t, runs.Strangers)
		record, err := claims.Get("fd-weights")
		require.NoError(t, err)
		m, err := Measure(record, runs)
		require.NoError(t, err)
		assert.Equal(t, []float64{1}, m[0].A)
		assert.Equal(t, c.want, m[0].OtherData)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"another name": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(runs.Dir(dir, run.Train, "random", 7), filepath.Join(dir, "train", "random_1")))
		}, "random_1: expected a folder name <label>-seed<number>"},
		"a number so big": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(runs.Dir(dir, run.Train, "random", 7), filepath.Join(dir, "train", "random-seed99999999999999999999")))
		}, "random-seed99999999999999999999: seed"},
		"a seed twice": {func(t *testing.T, dir string) {
			r, err := evidence.ReadResult(runs.Dir(dir, run.Train, "random", 7))
			require.NoError(t, err)
			runstest.WriteIn(t, filepath.Join(dir, "train", "random-seed07"), r)
		}, "random-seed7: seed 7 is there twice"},
		"a result that can't be read": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(runs.Dir(dir, run.Search, "fairdarts-no01", 7), evidence.ResultFile), []byte("{"), 0o600))
		}, evidence.ResultFile},
		"a configuration that can't be read": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(runs.Dir(dir, run.Search, "fairdarts-no01", 7), evidence.ConfigFile), []byte("{"), 0o600))
		}, evidence.ConfigFile},
		"runs on who knows what": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, evidence.RunFile)))
		}, "evidence of runs needs to say on which data they are"},
		"data without an identity": {func(t *testing.T, dir string) {
			require.NoError(t, evidence.WriteRun(dir, evidence.Run{}))
		}, "run.json: data_set: expected the data that the runs are on, found none"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, _, _ := write(t)
			c.change(t, dir)
			_, err := Load(dir, profile.Quick)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, dir)
		})
	}
}
