package train_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
)

// A training on sound counts the samples of the test by class: the table has all of them, and accuracy and macro F1 are
// its. A training that was tested before is not tested again.
func TestConfusion(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	e := engine.New(b.Backend)
	data, err := datasets.OpenKind(datasets.KindScenes, "")
	require.NoError(t, err)
	features := audio.LogMel(16, 100, 200)
	p := space.SmallScenes().Heard(features, [3]int{25, 16, 1}, 10)
	p.Layers = p.Layers[:2]
	network, err := p.Network([]int{0, 4})
	require.NoError(t, err)
	c, network, err := train.At(profile.Smoke, network)
	require.NoError(t, err)
	c.Batch = 4 // of ten clips: the last batch is not full
	dir := t.TempDir()
	once := func() *run.Result {
		id, err := data.Identity()
		require.NoError(t, err)
		spec, _, err := train.Spec("scenes", network, c, id)
		require.NoError(t, err)
		r, err := train.Train(t.Context(), train.Env{Engine: e, Data: data, Spec: spec, Options: run.Options{Dir: dir}}, network, c)
		require.NoError(t, err)
		require.NoError(t, r.Validate())
		return r
	}
	r := once()
	table, ok := r.Table(train.ConfusionTable)
	require.True(t, ok)
	assert.Equal(t, data.Test.ClassNames(), table.Rows)
	var counts []float64
	for _, row := range table.Last().Values {
		assert.Equal(t, 1.0, sum(row), "each class has one clip in the binary's test")
		counts = append(counts, row...)
	}
	m := rank.FromCounts(counts, 10)
	correct, total := rank.Correct(m)
	assert.Equal(t, 10, total)
	assert.Equal(t, float64(correct)/10, r.Numbers.Of(train.TestAccuracy))
	assert.Equal(t, rank.MacroF1(m), r.Numbers.Of(train.TestMacroF1))
	assert.FileExists(t, dir+"/"+train.ConfusionFile)
	assert.NoFileExists(t, dir+"/"+train.TestFile)
	made := e.Stats().Executables
	assert.Equal(t, r, once())
	assert.Equal(t, made, e.Stats().Executables)
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

// Of words a training also measures how each is detected: a curve that falls, whose area is its number.
func TestDetectionOfWords(t *testing.T) {
	b, err := backend.Open()
	require.NoError(t, err)
	data, err := datasets.OpenKind(datasets.KindSpeech, "")
	require.NoError(t, err)
	n, err := zoo.Get("tcresnet8")
	require.NoError(t, err)
	c, network, err := train.At(profile.Smoke, n.Network)
	require.NoError(t, err)
	dir := t.TempDir()
	once := func() *run.Result {
		id, err := data.Identity()
		require.NoError(t, err)
		spec, _, err := train.Spec("tcresnet8", network, c, id)
		require.NoError(t, err)
		r, err := train.Train(t.Context(), train.Env{Engine: engine.New(b.Backend), Data: data, Spec: spec, Options: run.Options{Dir: dir}}, network, c)
		require.NoError(t, err)
		require.NoError(t, r.Validate())
		return r
	}
	r := once()
	require.NotNil(t, r.ROC)
	assert.Equal(t, 10, r.ROC.Words, "silence and unknown words are none")
	assert.Equal(t, []float64{0, 1}, []float64{r.ROC.FalseAlarms[0], r.ROC.FalseAlarms[len(r.ROC.FalseAlarms)-1]})
	assert.Equal(t, r.ROC.Area(), r.Numbers.Of(train.TestFalseRejects))
	table, ok := r.Table(train.ConfusionTable)
	require.True(t, ok)
	assert.Equal(t, datasets.SpeechClasses, table.Rows)
	assert.Equal(t, r, once(), "the test is done once")
}
