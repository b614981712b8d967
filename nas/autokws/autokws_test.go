package autokws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/autokws"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/noisydarts"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// What each relaxation does in the chain is what its method does there: the same functions, inputs, supernet and rule.
func TestRelaxationsAreTheirMethods(t *testing.T) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	require.NoError(t, err)
	e := engine.New(b.Backend)
	made, err := autokws.Method().Config(profile.Smoke, "")
	require.NoError(t, err)
	c := *made.(*autokws.Config)
	c.Noise.Factor, c.ZeroOneWeight = 0.3, 7
	fair := fairdarts.DefaultConfig()
	fair.Config, fair.Threshold, fair.ZeroOneWeight = c.Config, 0.8, 7
	noisy := noisydarts.DefaultConfig()
	noisy.Config, noisy.Noise.Factor = c.Config, 0.3
	seen := map[string]string{}
	for name, own := range map[string]diff.Method{
		darts.Name: darts.Search(&darts.Config{Config: c.Config}), fairdarts.Name: fairdarts.Search(&fair), noisydarts.Name: noisydarts.Search(&noisy),
	} {
		c.Relaxation = name
		require.NoError(t, c.Validate())
		want, err := own.Code(e, c.Config)
		require.NoError(t, err)
		got, err := autokws.Search(&c).Code(e, c.Config)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
		assert.Empty(t, seen[got], "%s is another", name)
		seen[got] = name
	}
}

// The default is what the sources at hand tell of the paper.
func TestDefaultConfig(t *testing.T) {
	c := autokws.DefaultConfig()
	require.NoError(t, c.Validate())
	assert.Equal(t, []any{noisydarts.Name, 0.8, 0.0}, []any{c.Relaxation, c.Threshold, c.Noise.Mean})
	in, err := c.Input()
	require.NoError(t, err)
	assert.Equal(t, [3]int{98, 1, 40}, in)
	over, err := c.Over()
	require.NoError(t, err)
	tables := over.Tables()
	require.Len(t, tables, 1)
	assert.Len(t, tables[0].Rows, 6)
	for _, ops := range tables[0].Ops {
		assert.Len(t, ops, 9)
	}
}

func TestValidate(t *testing.T) {
	for set, want := range map[string]string{
		`{"relaxation": "gdas"}`:       `config: relaxation: expected darts, fairdarts or noisydarts, got "gdas"`,
		`{"threshold": 1}`:             "config: threshold: expected between 0 and 1, got 1",
		`{"zero_one_weight": -1}`:      "config: zero_one_weight: expected at least 0, got -1",
		`{"noise": {"factor": -1}}`:    "config: noise.factor: expected at least 0, got -1",
		`{"size": {"channels": 0}}`:    "config: size: channels: expected at least 1, got 0",
		`{"sound": null}`:              "config: sound: the space tcresnet needs features of sound as channels",
		`{"noise": {"kind": "sharp"}}`: `config: noise.kind: expected "gaussian" or "uniform", got "sharp"`,
	} {
		c := autokws.DefaultConfig()
		require.NoError(t, json.Unmarshal([]byte(set), &c))
		assert.EqualError(t, c.Validate(), want)
	}
}

// A search on recordings of words, made small enough to take seconds.
// TestFullSizeStep: the published size, TC-ResNet14's chain at batch 64, takes a step on the words in the binary.
func TestFullSizeStep(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	words, err := datasets.OpenKind(datasets.KindSpeech, "")
	require.NoError(t, err)
	m := autokws.Method()
	c, err := m.Config(profile.Paper, "")
	require.NoError(t, err)
	c.Shared().Epochs, c.Shared().StepsPerEpoch = 1, 1
	require.NoError(t, m.Check(c))
	r, err := m.Search(t.Context(), method.Env{Engine: engine.New(b.Backend), Train: words.Train}, c)
	require.NoError(t, err)
	assert.Equal(t, 64, c.Shared().Batch)
	assert.InDelta(t, math.Log(12), r.Log.Column("train_loss")[0], 0.7, "twelve classes and a network that has not learned yet")
	require.NotNil(t, r.Network)
	assert.Len(t, r.Network.Chain.Blocks, 6)
}

func ExampleSearch() {
	b, err := backend.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	speech, err := datasets.Open(datasets.EmbeddedSpeechName, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	c := autokws.DefaultConfig()
	c.Size.Cells, c.Size.Channels, c.Batch = 1, 4, 8 // TC-ResNet8's chain, a quarter as wide
	c.Epochs, c.StepsPerEpoch = 2, 2
	env := method.Env{Engine: engine.New(b.Backend), Train: speech.Train}
	result, err := diff.Search(context.Background(), env, c.Config, autokws.Search(&c))
	if err != nil {
		fmt.Println(err)
		return
	}
	table, _ := result.Table(space.ChainTable)
	fmt.Println(len(result.Network.Chain.Blocks), "blocks,", len(table.Ops(0)), "choices each, derived by", result.DerivedBy)
	// Output: 3 blocks, 9 choices each, derived by the strongest operation of every layer
}
