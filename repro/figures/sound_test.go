package figures

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
)

// chainSearch is a search over TC-ResNet8's chain whose layers end with the choices of a path.
func chainSearch(t *testing.T, variant string, seed uint64, path ...int) run.Result {
	t.Helper()
	p, err := space.TCResNet(space.Size{Cells: 1, Channels: 16, Classes: 12, InputChannels: 40}, 98)
	require.NoError(t, err)
	n, err := p.Network(path)
	require.NoError(t, err)
	columns := space.TemporalColumns()
	columns[8] = nn.SkipConnect
	table := run.Table{Name: space.ChainTable, Kind: run.Softmax, Rows: p.LayerNames(), Columns: [][]string{columns}}
	for epoch := range 2 {
		s := run.Snapshot{Epoch: epoch}
		for _, k := range path {
			row := make([]float64, 9)
			for i := range row {
				row[i] = (1 - 0.1*float64(epoch)) / 9
			}
			row[k] += 0.1 * float64(epoch)
			s.Values, s.Weights = append(s.Values, row), append(s.Weights, row)
		}
		table.Epochs = append(table.Epochs, s)
	}
	return run.Result{Spec: run.Spec{Command: run.Search, Method: "autokws", Variant: variant, Profile: "smoke", Seed: seed, Space: space.TCResNetName, Config: json.RawMessage("{}")},
		Network: &n, Tables: []run.Table{table}}
}

// The figures of a search's weights know the layers of a chain, what it kept and its skips.
func TestFiguresOfAChain(t *testing.T) {
	r := chainSearch(t, "", 0, 3, 8, 5)
	s := Source{Profile: "smoke", Searches: []run.Result{r, chainSearch(t, "darts", 0, 8, 8, 8)}}
	for _, figure := range []string{"softmax", "alphas", "dominant", "network"} {
		list, err := named(t, figure).Draw(s)
		require.NoError(t, err, figure)
		require.Len(t, list, 2)
	}
	f, err := Final(r, "")
	require.NoError(t, err)
	data := csv(t, f)
	assert.Contains(t, data, "chain,0,1,k9,0.2,true,")
	assert.Contains(t, data, "chain,1,2,skip_connect,0.2,true,")
	assert.Contains(t, data, "chain,2,3,k5 gate,0.2,true,")
	assert.Contains(t, f.Description(), "for the layers of a chain")
	assert.Contains(t, f.Description(), "3 kept")
	f, err = Weights(r, "")
	require.NoError(t, err)
	assert.Contains(t, f.Description(), "chain 0 to 1: k9 0.20")

	skips, err := named(t, "skips").Draw(Source{Profile: "smoke", Searches: append(s.Searches, search("darts", run.Softmax, 0, three, three), search("fairdarts", run.Sigmoid, 0, three, three))})
	require.NoError(t, err)
	require.Len(t, skips, 2, "those of cells apart")
	assert.Equal(t, "skips-tcresnet", skips[1].Stem)
	assert.Contains(t, csv(t, skips[1].Figure), "0,AutoKWS by DARTS,3\n")
	assert.Contains(t, csv(t, skips[1].Figure), "0,AutoKWS,1\n")
}

// heard is a training on words.
func heard(name string, seed uint64, rejects ...float64) run.Result {
	return run.Result{Spec: run.Spec{Command: run.Train, Name: name, Profile: "smoke", Seed: seed},
		ROC: &run.ROC{Words: 2, FalseAlarms: []float64{0, 0.5, 1}, FalseRejects: rejects},
		Tables: []run.Table{{Name: train.ConfusionTable, Kind: run.Counts, Rows: []string{"yes", "no"}, Columns: [][]string{{"yes", "no"}},
			Epochs: []run.Snapshot{{Epoch: 2, Values: [][]float64{{3, 1}, {2, 2}}}}}}}
}

func TestFiguresOfWords(t *testing.T) {
	s := Source{Profile: "smoke", Evidence: true, Trainings: []run.Result{heard("autokws", 0, 0.5, 0, 0), heard("autokws", 1, 1, 0.5, 0), heard("tcresnet8", 0, 1, 1, 0)}}
	list, err := named(t, "confusion").Draw(s)
	require.NoError(t, err)
	require.Len(t, list, 3)
	assert.Equal(t, "confusion-autokws-seed1", list[1].Stem)
	assert.Contains(t, csv(t, list[0].Figure), "yes,no,1,0.25\n")
	list, err = named(t, "detection").Draw(s)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Contains(t, csv(t, list[0].Figure), "AutoKWS,2,0.5,0.25,0,0.5\n")
	assert.Contains(t, list[0].Figure.Description(), "tcresnet8: area 0.75")

	s.Trainings[1].ROC.FalseAlarms = []float64{0, 0.6, 1}
	_, err = Detections(s.Trainings...)
	assert.ErrorContains(t, err, "expected the rates of false alarms of")
	for _, figure := range []string{"confusion", "detection"} {
		for _, list := range [][]run.Result{nil, {{Spec: run.Spec{Command: run.Train, Name: "darts"}}}} {
			_, err := named(t, figure).Draw(Source{Trainings: list})
			var none NoData
			require.ErrorAs(t, err, &none)
			assert.Contains(t, none, "expected a training")
		}
	}
}
