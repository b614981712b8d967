package plots

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleChain is the history of a chain of layers.
func sampleChain() WeightHistory {
	h := history(6, 9, []string{"k3", "k5", "k7", "k9", "k3 gate", "k5 gate", "k7 gate", "k9 gate", "skip_connect"}, true)
	h.Layers = []string{"1: 16→24, /2", "2: 24→24", "3: 24→32, /2", "4: 32→32", "5: 32→48, /2", "6: 48→48"}
	for _, table := range h.Normal {
		h.Cell = append(h.Cell, table[:6])
	}
	h.Normal, h.Reduce = nil, nil
	return h
}

func finalChain() FinalWeights {
	h := sampleChain()
	return FinalWeights{Ops: h.Ops, Layers: h.Layers, Cell: h.Cell[5], KeptLayers: []string{"k3", "k5", "skip_connect", "k9 gate", "k9", "k3"}}
}

// sampleDetections are curves of so many networks and seeds, each better than the one before.
func sampleDetections(networks, seeds int) []Detection {
	names := []string{"TC-ResNet8", "TC-ResNet14", "AutoKWS", "AutoKWS by DARTS", "AutoKWS by FairDARTS"}
	var out []Detection
	for i := range networks {
		s := Detection{Name: names[i]}
		for k := range 41 {
			s.FalseAlarms = append(s.FalseAlarms, float64(k)/40)
		}
		for seed := range seeds {
			var values []float64
			for _, rate := range s.FalseAlarms {
				values = append(values, math.Pow(1-rate, float64(3+4*i+2*seed)))
			}
			s.FalseRejects = append(s.FalseRejects, values)
		}
		out = append(out, s)
	}
	return out
}

func sampleConfusion() ConfusionMatrix {
	m := ConfusionMatrix{Classes: []string{"_silence_", "_unknown_", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"}}
	for i := range m.Classes {
		row := make([]int, len(m.Classes))
		for k := range row {
			row[k] = max(0, (7*i+5*k)%11-8)
		}
		row[i] = 30 - i
		m.Counts = append(m.Counts, row)
	}
	return m
}

func TestDetectionsRefuse(t *testing.T) {
	for want, change := range map[string]func(*Detection){
		"expected at least 2 rates and one seed, got 0 and 2":          func(s *Detection) { s.FalseAlarms = nil },
		"expected at least 2 rates and one seed, got 41 and 0":         func(s *Detection) { s.FalseRejects = nil },
		"false alarms[1]: expected rates from 0 to 1 that rise, got 0": func(s *Detection) { s.FalseAlarms[1] = 0 },
		"false rejects[1]: expected 41 rates, got 1":                   func(s *Detection) { s.FalseRejects[1] = []float64{1} },
		"false rejects[0][3]: expected a rate from 0 to 1, got NaN":    func(s *Detection) { s.FalseRejects[0][3] = math.NaN() },
		"series[1]: name: expected one of its own":                     func(s *Detection) { s.Name = "" },
	} {
		list := sampleDetections(2, 2)
		change(&list[1])
		_, err := Detections(list, "")
		assert.ErrorContains(t, err, want)
	}
	_, err := Detections(nil, "")
	assert.Error(t, err)
	f, err := Detections([]Detection{{Name: "chance", FalseAlarms: []float64{0, 1}, FalseRejects: [][]float64{{1, 0}}}}, "")
	require.NoError(t, err)
	assert.Contains(t, f.Description(), "chance: area 0.5.")
}

func TestConfusionRefuses(t *testing.T) {
	for want, change := range map[string]func(*ConfusionMatrix){
		"counts: expected a row for each of 12 classes, got 1":       func(m *ConfusionMatrix) { m.Counts = m.Counts[:1] },
		"counts[2]: expected a number for each of 12 classes, got 1": func(m *ConfusionMatrix) { m.Counts[2] = []int{1} },
		"counts[0][1]: expected at least 0, got -1":                  func(m *ConfusionMatrix) { m.Counts[0][1] = -1 },
		"counts: expected at least one sample, got none": func(m *ConfusionMatrix) {
			m.Counts = make([][]int, 12)
			for i := range m.Counts {
				m.Counts[i] = make([]int, 12)
			}
		},
	} {
		m := sampleConfusion()
		change(&m)
		_, err := Confusion(m, "")
		assert.ErrorContains(t, err, want)
	}
	f, err := Confusion(ConfusionMatrix{Classes: []string{"a", "b"}, Counts: [][]int{{3, 1}, {0, 0}}}, "")
	require.NoError(t, err)
	assert.Contains(t, f.Description(), "Counts of 4 samples of 2 classes by what they were taken for: 3 right, 75 %.")
}

func TestChainIsChecked(t *testing.T) {
	for want, change := range map[string]func(*WeightHistory){
		"expected the weights of 6 epochs, got 5 of the cell": func(h *WeightHistory) { h.Cell = h.Cell[:5] },
		"chain[1]: expected 6 edges, got 5":                   func(h *WeightHistory) { h.Cell[1] = h.Cell[1][:5] },
		"layers: ":                                            func(h *WeightHistory) { h.Layers[1] = h.Layers[0] },
	} {
		h := sampleChain()
		change(&h)
		_, err := Softmax(h, "")
		assert.ErrorContains(t, err, want)
	}
	f, err := Softmax(sampleChain(), "")
	require.NoError(t, err)
	assert.Contains(t, f.Description(), "chain 0 to 1: ")
}
