package plots

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/arch"
)

var testOps = []string{"none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}

// history makes weights by a formula: parameters that drift apart, skip connections upward.
func history(epochs, edges int, ops []string, soft bool) WeightHistory {
	h := WeightHistory{Ops: ops}
	for t := range epochs {
		h.Epochs = append(h.Epochs, t)
		for cell := range 2 {
			var table [][]float64
			for e := range edges {
				row, sum := make([]float64, len(ops)), 0.0
				for k, op := range ops {
					a := 4 * float64(t) / float64(max(epochs-1, 1)) * math.Sin(float64(7*cell+3*e+5*k+1))
					if op == "skip_connect" && e%3 == cell {
						a += 3 * float64(t) / float64(max(epochs-1, 1))
					}
					if soft {
						row[k] = math.Exp(a)
					} else {
						row[k] = 1 / (1 + math.Exp(-a))
					}
					sum += row[k]
				}
				if soft {
					for k := range row {
						row[k] /= sum
					}
				}
				table = append(table, row)
			}
			if cell == 0 {
				h.Normal = append(h.Normal, table)
			} else {
				h.Reduce = append(h.Reduce, table)
			}
		}
	}
	if !soft {
		h.Threshold = 0.85
	}
	return h
}

func final(h WeightHistory) FinalWeights {
	last := len(h.Epochs) - 1
	return FinalWeights{Ops: h.Ops, Normal: h.Normal[last], Reduce: h.Reduce[last], Threshold: h.Threshold, Kept: sampleGenotype()}
}

// sampleCell is the history of NAS-Bench-201's one cell.
func sampleCell() WeightHistory {
	h := WeightHistory{Ops: []string{"none", "skip_connect", "nor_conv_3x3"}, Epochs: []int{0, 1, 2}}
	for epoch := range h.Epochs {
		w := 0.2 * float64(epoch)
		h.Cell = append(h.Cell, slices.Repeat([][]float64{{0.4 - w/2, 0.3 - w/2, 0.3 + w}}, 6))
	}
	return h
}

func sampleGenotype() arch.Genotype {
	return arch.Genotype{Style: arch.StyleThreshold,
		Normal: arch.Cell{Edges: []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 3}}, Concat: []int{2, 3}}}
}

func samplePairs() PairedCounts {
	return PairedCounts{Names: []string{"DARTS", "FairDARTS"}, Seeds: []uint64{0, 1, 2, 3}, Counts: [][]int{{5, 4, 2, 8}, {1, 2, 2, 3}}}
}

// uneven is a history whose edges have two operations each, others from edge to edge, as in space S1.
func uneven(soft bool) WeightHistory {
	h := history(6, 14, testOps[3:], soft)
	for _, table := range slices.Concat(h.Normal, h.Reduce) {
		for e, row := range table {
			sum := 0.0
			for k := range row {
				if has := k == e%len(row) || k == (e+1+e/5)%len(row); !has {
					row[k] = math.NaN()
				} else {
					sum += row[k]
				}
			}
			for k := range row {
				if soft {
					row[k] /= sum
				}
			}
		}
	}
	return h
}

// sampleTraces are losses of runs and a number that is scheduled.
func sampleTraces(runs, epochs int, panels ...string) []EpochPanel {
	var out []EpochPanel
	for i, name := range panels {
		p := EpochPanel{Name: name}
		for r := range runs {
			s := EpochSeries{Name: fmt.Sprintf("β from %g", float64(r)/4)}
			for e := range epochs {
				s.Epochs = append(s.Epochs, e+1)
				s.Values = append(s.Values, 2.3/(1+float64(e)/float64(5+2*r+i))+0.03*math.Sin(float64(3*e+r)))
				if name == "beta" {
					s.Values[e] = float64(r) / 4 * (1 - float64(e)/float64(epochs))
				}
			}
			p.Series = append(p.Series, s)
		}
		out = append(out, p)
	}
	return out
}

func sampleCurves() []LossCurve {
	l2, l1 := LossCurve{Name: "L2", Formula: "−(σ(α) − ½)²"}, LossCurve{Name: "L1"}
	for i := -60; i <= 60; i++ {
		a := float64(i) / 10
		s := 1 / (1 + math.Exp(-a))
		l2.Alphas, l2.Losses, l2.Gradients = append(l2.Alphas, a), append(l2.Losses, -(s-0.5)*(s-0.5)), append(l2.Gradients, -2*(s-0.5)*s*(1-s))
		l1.Alphas, l1.Losses, l1.Gradients = append(l1.Alphas, a), append(l1.Losses, -math.Abs(s-0.5)), append(l1.Gradients, -math.Copysign(s*(1-s), a))
	}
	return []LossCurve{l2, l1}
}

func samplePanels() []MACsPanel {
	return []MACsPanel{
		{"Trained here", []MACsSeries{{"FairDARTS", []MACsPoint{{"seed 0", 2.5, 35.8}, {"seed 1", 2.7, 33.9}}}, {"random", []MACsPoint{{"seed 0", 2.35, 36.9}}}}},
		{"As published", []MACsSeries{{"FairDARTS A to G", []MACsPoint{{"B", 536, 97.49}, {"D", 532, 97.51}, {"G", 453, 97.46}}}, {"its baselines", []MACsPoint{{"P-DARTS", 532, 97.53}}}}},
	}
}

// sampleFigures are one of each kind.
func sampleFigures(t *testing.T) map[string]Figure {
	t.Helper()
	fair, soft := history(6, 14, testOps[1:], false), history(6, 14, testOps, true)
	out := map[string]Figure{}
	for name, draw := range map[string]func() (Figure, error){
		"sigmoids":    func() (Figure, error) { return Sigmoids(fair, "FairDARTS, seed 0") },
		"softmax":     func() (Figure, error) { return Softmax(soft, "DARTS, seed 0") },
		"alphas":      func() (Figure, error) { return Alphas(final(fair), "Final weights") },
		"alphas-soft": func() (Figure, error) { return Alphas(final(soft), "") },
		"dominant":    func() (Figure, error) { return Dominant(soft, "Dominant operations") },
		"skips":       func() (Figure, error) { return Skips(samplePairs(), "Skip connections") },
		"skips-four": func() (Figure, error) {
			p := samplePairs()
			p.Names, p.Counts = append(p.Names, "DARTS with noise on skips", "FairDARTS with L1 loss"), append(p.Counts, []int{0, 3, 4, 2}, []int{2, 2, 1, 5})
			return Skips(p, "Skip connections of four")
		},
		"sigmoids-uneven": func() (Figure, error) { return Sigmoids(uneven(false), "Sigmoids of uneven edges") },
		"softmax-uneven":  func() (Figure, error) { return Softmax(uneven(true), "Softmax of uneven edges") },
		"alphas-uneven": func() (Figure, error) {
			w := final(uneven(true))
			w.Kept.Normal.Edges = []arch.Edge{{Op: "skip_connect", From: 0, To: 2}, {Op: "dil_conv_3x3", From: 0, To: 3}}
			return Alphas(w, "Final weights of uneven edges")
		},
		"dominant-uneven": func() (Figure, error) { return Dominant(uneven(true), "Dominant operations of uneven edges") },
		"sound":           func() (Figure, error) { return Sound(sampleClip(16000, 16000), "A tone that rises") },
		"waveform": func() (Figure, error) {
			return Sound(Clip{Samples: sampleClip(400, 4000).Samples, Rate: 4000}, "Waveform")
		},
		"epochs": func() (Figure, error) {
			return Epochs(sampleTraces(4, 30, "training loss", "validation loss", "beta"), "Losses, seed 0")
		},
		"blocks":        func() (Figure, error) { return Blocks(network(t, "tcresnet8"), "TC-ResNet8") },
		"zero-one-loss": func() (Figure, error) { return ZeroOneLoss(sampleCurves(), "Zero-one loss") },
		"macs":          func() (Figure, error) { return MACs(samplePanels(), "Accuracy against multiply-adds") },
		"cells":         func() (Figure, error) { return Cells(sampleGenotype(), "Cells") },
		"ranking":       func() (Figure, error) { return Ranking(sampleRanking(400, 1, 3, 8), "One-shot against true accuracy") },
		"histograms":    func() (Figure, error) { return Histograms(sampleSamples(), "One-shot accuracy") },
		"updates":       func() (Figure, error) { return UpdateCounts(sampleUpdates(19, 6, 12000), nil, "Updates by choice") },
		"ranges":        func() (Figure, error) { return AccuracyRanges(sampleAccuracies(30), "Training accuracy of paths") },
		"spreads": func() (Figure, error) {
			return Spreads(sampleSpreads(3, 10), "largest eigenvalue", "Largest eigenvalue")
		},
		"latency-scatter": func() (Figure, error) {
			return LatencyScatter(sampleLatencies(120), "Latency against multiply-adds")
		},
		"latency-shares": func() (Figure, error) { return LatencyShares(sampleParts(3, 15), "Latency by kind of block") },
		"similarities":   func() (Figure, error) { return Similarities(sampleSimilarities(3, 4, 13), "Similarity of choices") },
		"landscapes":     func() (Figure, error) { return Landscapes(sampleLandscapes(3, 11), "Landscapes") },
		"detections":     func() (Figure, error) { return Detections(sampleDetections(3, 3), "Detection of words") },
		"confusion":      func() (Figure, error) { return Confusion(sampleConfusion(), "Confusion of TC-ResNet8") },
		"softmax-chain":  func() (Figure, error) { return Softmax(sampleChain(), "Softmax of a chain") },
		"alphas-chain":   func() (Figure, error) { return Alphas(finalChain(), "Final weights of a chain") },
		"dominant-chain": func() (Figure, error) { return Dominant(sampleChain(), "Dominant operations of a chain") },
		"pareto":         func() (Figure, error) { return Pareto(sampleEvolution(12, 20), "First fronts of a search") },
	} {
		f, err := draw()
		require.NoError(t, err, name)
		out[name] = f
	}
	return out
}

// Nothing overlaps, a page holds every figure, and each has its alternatives in words.
func TestFigures(t *testing.T) {
	again := sampleFigures(t)
	for name, f := range sampleFigures(t) {
		assert.Empty(t, problems(f.Drawing), name)
		width, height := f.Size()
		assert.LessOrEqual(t, width, float64(pageWidth), name)
		assert.LessOrEqual(t, height, 640.0, name)

		var first, second, data bytes.Buffer
		require.NoError(t, f.WriteSVG(&first))
		require.NoError(t, again[name].WriteSVG(&second))
		assert.Equal(t, first.String(), second.String(), name)
		var svg struct {
			Title string `xml:"title"`
			Desc  string `xml:"desc"`
		}
		require.NoError(t, xml.Unmarshal(first.Bytes(), &svg))
		assert.NotEmpty(t, svg.Title, name)
		assert.Equal(t, f.Description(), svg.Desc)
		assert.NotContains(t, first.String(), "NaN", name)
		assert.Equal(t, strings.Count(first.String(), "<text "), strings.Count(first.String(), " textLength="), name)

		require.NoError(t, f.WriteCSV(&data))
		rows, err := csv.NewReader(&data).ReadAll()
		require.NoError(t, err, name)
		assert.Greater(t, len(rows), 2, name)
	}
}

// Many seeds, epochs and odd operations fit too.
func TestFiguresOfOtherSizes(t *testing.T) {
	many := PairedCounts{Counts: make([][]int, 2)}
	for seed := range uint64(60) {
		many.Seeds = append(many.Seeds, 1000+seed)
		many.Counts[0], many.Counts[1] = append(many.Counts[0], int(seed%9)), append(many.Counts[1], 0)
	}
	many.Names = []string{"a", "b"}
	one := PairedCounts{Names: many.Names, Seeds: []uint64{math.MaxUint64}, Counts: [][]int{{0}, {0}}}
	lots := PairedCounts{Seeds: []uint64{0, 1, 2}}
	for i := range 9 {
		lots.Names, lots.Counts = append(lots.Names, "FairDARTS with variant "+strconv.Itoa(i)), append(lots.Counts, []int{i, 8 - i, 4})
	}
	long := history(51, 14, testOps[1:], false)
	for i := range long.Epochs {
		long.Epochs[i] = 20 * i
	}
	odd := append(slices.Clone(testOps), "conv_7x1_1x7", "conv 3x1", "nor_conv_1x1", "sep_conv_7x7", "a")
	crowd := MACsPanel{Series: []MACsSeries{{Name: "same"}}}
	for i := range 12 {
		crowd.Series[0].Points = append(crowd.Series[0].Points, MACsPoint{"point " + strconv.Itoa(i), 100 + float64(i%3), 50})
	}
	for name, draw := range map[string]func() (Figure, error){
		"many seeds":         func() (Figure, error) { return Skips(many, "") },
		"one seed":           func() (Figure, error) { return Skips(one, "") },
		"many names":         func() (Figure, error) { return Skips(lots, "") },
		"one epoch":          func() (Figure, error) { return Epochs(sampleTraces(1, 1, "loss"), "") },
		"one cell":           func() (Figure, error) { return Softmax(sampleCell(), "Softmax on NAS-Bench-201") },
		"one cell, dominant": func() (Figure, error) { return Dominant(sampleCell(), "") },
		"compared with lines": func() (Figure, error) {
			panels := sampleTraces(2, 12, "DARTS", "DARTS-")
			for i := range panels {
				panels[i].Lines = []EpochLine{{"optimum", 6}, {"random: quartiles", 1}, {"random: quartiles", 2}, {"random: mean", 1.5}}
			}
			return Epochs(panels, "")
		},
		"two panels": func() (Figure, error) { return Epochs(sampleTraces(2, 2, "training loss", "beta"), "") },
		"many runs":  func() (Figure, error) { return Epochs(sampleTraces(12, 600, "a", "b", "c", "d"), "") },
		"seven":      func() (Figure, error) { return Epochs(sampleTraces(3, 50, "a", "b", "c", "d", "e", "f", "g"), "") },
		"long":       func() (Figure, error) { return Sigmoids(long, "") },
		"long stack": func() (Figure, error) { return Dominant(long, "") },
		"two edges":  func() (Figure, error) { return Softmax(history(2, 2, odd, true), "") },
		"twenty":     func() (Figure, error) { return Sigmoids(history(3, 20, odd, false), "") },
		"heat":       func() (Figure, error) { return Alphas(final(history(3, 5, testOps[:5], false)), "") },
		"one point": func() (Figure, error) {
			return MACs([]MACsPanel{{"", []MACsSeries{{"a", []MACsPoint{{"", 1, 0}}}}}}, "")
		},
		"crowd":                   func() (Figure, error) { return MACs([]MACsPanel{crowd}, "") },
		"three":                   func() (Figure, error) { return MACs(append(samplePanels(), crowd), "") },
		"one latency":             func() (Figure, error) { return LatencyScatter([]LatencySeries{{"a", []LatencyPoint{{"a", 1, 0}}}}, "") },
		"one part":                func() (Figure, error) { return LatencyShares(sampleParts(1, 1), "") },
		"many parts":              func() (Figure, error) { return LatencyShares(sampleParts(12, 30), "") },
		"empty cell":              func() (Figure, error) { return Cells(sampleGenotype(), "") },
		"one map":                 func() (Figure, error) { return Landscapes(sampleLandscapes(1, 51), "") },
		"four maps":               func() (Figure, error) { return Landscapes(sampleLandscapes(4, 3), "") },
		"one seed over one epoch": func() (Figure, error) { return Spreads(sampleSpreads(1, 1), "number", "") },
		"flat curves": func() (Figure, error) {
			return ZeroOneLoss([]LossCurve{{Name: "a", Alphas: []float64{0, 1}, Losses: []float64{0, 0}, Gradients: []float64{0, 0}}}, "")
		},
	} {
		f, err := draw()
		require.NoError(t, err, name)
		assert.Empty(t, problems(f.Drawing), name)
		width, _ := f.Size()
		assert.LessOrEqual(t, width, float64(pageWidth), name)
		var b bytes.Buffer
		require.NoError(t, f.WritePNG(&b, 72))
	}
}

// Operations can be told apart: no two have the same colour and dashes.
func TestLooksDiffer(t *testing.T) {
	ops := append(slices.Clone(testOps), "conv_7x1_1x7", "conv_3x1_1x3", "nor_conv_1x1", "sep_conv_7x7", "dil_conv_7x7", "max_pool_5x5", "noise")
	looks := opLooks(ops)
	for i, a := range looks {
		for k, b := range looks[:i] {
			assert.False(t, a.color == b.color && slices.Equal(a.dash, b.dash), "%s and %s", ops[i], ops[k])
		}
	}
	assert.Equal(t, blue, looks[4].color)
	assert.Nil(t, looks[4].dash)
	assert.Equal(t, blue, looks[5].color)
	assert.NotNil(t, looks[5].dash)
}

func TestScales(t *testing.T) {
	assert.Equal(t, []float64{0, 0.5, 1}, fixedScale(0, 1, 2, false).ticks)
	assert.Equal(t, []float64{0, 25, 50}, fixedScale(0, 50, 2, true).ticks)
	assert.Equal(t, []float64{0, 2}, fixedScale(0, 3, 2, true).ticks)
	s := roundScale(-0.25, 0.25, 5, false)
	assert.InDeltaSlice(t, []float64{-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3}, s.ticks, 1e-12)
	assert.InDelta(t, 0.5, s.share(0), 1e-12)
	assert.Equal(t, []string{"−0.3", "0"}, []string{tickText(s.ticks[0]), tickText(s.ticks[3])})
	assert.Less(t, roundScale(7, 7, 5, false).low, 7.0)
}

// Equal weights share an edge.
func TestDominantShares(t *testing.T) {
	assert.Equal(t, []float64{1.5, 0.5, 1}, dominant([][]float64{{0.5, 0.5, 0.1}, {0.9, 0.1, 0.2}, {0, 0.1, 0.2}}, 3))
}

func TestFigureData(t *testing.T) {
	read := func(f Figure) string {
		var b bytes.Buffer
		require.NoError(t, f.WriteCSV(&b))
		return b.String()
	}
	figures := sampleFigures(t)
	assert.Equal(t, "cell,from,to,op\nnormal,c_{k-2},0,sep_conv_3x3\nnormal,c_{k-1},1,skip_connect\nnormal,0,c_{k},concat\nnormal,1,c_{k},concat\n", read(figures["cells"]))
	assert.True(t, strings.HasPrefix(read(figures["skips"]), "seed,method,skip_connections\n0,DARTS,5\n0,FairDARTS,1\n"))
	assert.True(t, strings.HasPrefix(read(figures["sigmoids"]), "epoch,cell,from,to,op,weight\n0,normal,c_{k-2},0,max_pool_3x3,0.5\n"))
	assert.Equal(t, 1+6*2*14*7, strings.Count(read(figures["sigmoids"]), "\n"))
	assert.Contains(t, read(figures["alphas"]), "cell,from,to,op,weight,kept,bin\n")
	assert.Equal(t, 2, strings.Count(read(figures["alphas"]), ",true,"))
	assert.Contains(t, read(figures["macs"]), "As published,its baselines,P-DARTS,532,97.53\n")
	assert.Contains(t, read(figures["zero-one-loss"]), "L2,0,0,")
	assert.Equal(t, 1+6*2*14*2, strings.Count(read(figures["softmax-uneven"]), "\n"), "what an edge does not have is left out")
	assert.Equal(t, 1+2*14*2, strings.Count(read(figures["alphas-uneven"]), "\n"))
	assert.NotContains(t, read(figures["alphas-uneven"])+figures["alphas-uneven"].Description(), "NaN")
	assert.Contains(t, figures["alphas-uneven"].Description(), "Normal cell: weights from 0.", "of all edges")
	assert.True(t, strings.HasPrefix(read(figures["skips-four"]), "seed,method,skip_connections\n0,DARTS,5\n0,FairDARTS,1\n0,DARTS with noise on skips,0\n"))
	assert.Contains(t, figures["skips-four"].Description(), "Seed 0: 5, 1, 0 and 2; ")
	assert.True(t, strings.HasPrefix(read(figures["epochs"]), "panel,series,epoch,value\ntraining loss,β from 0,1,2.3\n"))
	// The shares of every epoch and cell are all edges.
	sum := 0.0
	for _, line := range strings.Split(strings.TrimSpace(read(figures["dominant"])), "\n")[1:] {
		v, err := strconv.ParseFloat(line[strings.LastIndex(line, ",")+1:], 64)
		require.NoError(t, err)
		sum += v
	}
	assert.InDelta(t, 6*2*14, sum, 1e-6)
	assert.Contains(t, figures["skips"].Description(), "Seed 0: 5 and 1; seed 1: 4 and 2")
	assert.Contains(t, figures["alphas"].Description(), "Normal cell: weights from 0.018")
}

func TestBadFigures(t *testing.T) {
	good := func() WeightHistory { return history(3, 5, testOps[:4], false) }
	changed := func(change func(*WeightHistory)) WeightHistory {
		h := good()
		change(&h)
		return h
	}
	nan := math.NaN()
	for want, h := range map[string]WeightHistory{
		"ops: expected at least one operation":                            changed(func(h *WeightHistory) { h.Ops = nil }),
		`ops[1]: expected a name of its own, got "none"`:                  changed(func(h *WeightHistory) { h.Ops = []string{"none", "none", "a", "b"} }),
		"epochs: expected at least 2, got 0":                              {Ops: testOps},
		"epochs: expected at least 2, got 1":                              changed(func(h *WeightHistory) { h.Epochs = h.Epochs[:1] }),
		"epochs[2]: expected more than 1, got 1":                          changed(func(h *WeightHistory) { h.Epochs[2] = 1 }),
		"threshold: expected from 0 to 1, got NaN":                        changed(func(h *WeightHistory) { h.Threshold = nan }),
		"weights of 3 epochs, got 2 of the normal and 3 of the reduction": changed(func(h *WeightHistory) { h.Normal = h.Normal[:2] }),
		"normal[0]: expected 2, 5, 9, 14, … edges, got 4":                 changed(func(h *WeightHistory) { h.Normal[0] = h.Normal[0][:4] }),
		"reduce[1]: expected 5 edges, got 2":                              changed(func(h *WeightHistory) { h.Reduce[1] = h.Reduce[1][:2] }),
		"reduce[1][4]: expected the weights of 4 operations, got 3":       changed(func(h *WeightHistory) { h.Reduce[1][4] = h.Reduce[1][4][:3] }),
		"normal[2][0][1]: expected a weight from 0 to 1, got NaN":         changed(func(h *WeightHistory) { h.Normal[2][0][1] = nan }),
		"normal[2][0][1]: expected a weight from 0 to 1, got 1.5":         changed(func(h *WeightHistory) { h.Normal[2][0][1] = 1.5 }),
		"reduce[0][0][0]: expected a weight from 0 to 1, got -0.1":        changed(func(h *WeightHistory) { h.Reduce[0][0][0] = -0.1 }),
		"normal[1][0][1]: expected none, as in the first epoch, got 0.5":  changed(func(h *WeightHistory) { h.Normal[0][0][1], h.Normal[1][0][1] = nan, 0.5 }),
		"reduce[0][2]: expected the weight of at least one operation, got none": changed(func(h *WeightHistory) {
			h.Reduce[0][2] = []float64{nan, nan, nan, nan}
		}),
	} {
		for name, draw := range map[string]func(WeightHistory, string) (Figure, error){"sigmoids": Sigmoids, "softmax": Softmax, "dominant": Dominant} {
			_, err := draw(h, "")
			assert.ErrorContains(t, err, "plots: "+name+": ", want)
			assert.ErrorContains(t, err, want, name)
		}
	}
	_, err := Softmax(good(), "")
	assert.ErrorContains(t, err, "softmax: normal[0][0]: expected weights that sum to 1, got [0.5 0.5 0.5 0.5]")
	w := final(good())
	w.Reduce[1][2] = math.Inf(1)
	_, err = Alphas(w, "")
	assert.ErrorContains(t, err, "alphas: reduce[0][1][2]: expected a weight from 0 to 1, got +Inf")
	_, err = Alphas(FinalWeights{Ops: testOps}, "")
	assert.ErrorContains(t, err, "alphas: normal[0]: expected 2, 5, 9, 14, … edges, got 0")

	for want, change := range map[string]func(*PairedCounts){
		"seeds: expected at least one":                          func(p *PairedCounts) { p.Seeds = nil },
		"names: expected different ones":                        func(p *PairedCounts) { p.Names[1] = "DARTS" },
		"names: expected at least two, and counts for each":     func(p *PairedCounts) { p.Names = p.Names[:1] },
		"counts of FairDARTS: expected one for each of 4 seeds": func(p *PairedCounts) { p.Counts[1] = p.Counts[1][:3] },
		"counts of DARTS[2]: expected at least 0, got -1":       func(p *PairedCounts) { p.Counts[0][2] = -1 },
		"seeds[3]: expected each once, got 0 again":             func(p *PairedCounts) { p.Seeds[3] = 0 },
	} {
		p := samplePairs()
		change(&p)
		_, err := Skips(p, "")
		assert.ErrorContains(t, err, "plots: skips: "+want)
	}
	for want, change := range map[string]func([]LossCurve){
		"curves[1]: name: expected one of its own, got \"L2\"":                                 func(c []LossCurve) { c[1].Name = "L2" },
		"L2: expected at least 2 parameters, as many losses and gradients, got 121, 121 and 0": func(c []LossCurve) { c[0].Gradients = nil },
		"L1: alphas[1]: expected ascending finite numbers, got NaN":                            func(c []LossCurve) { c[1].Alphas[1] = nan },
		"L1: alphas[1]: expected ascending finite numbers, got -6":                             func(c []LossCurve) { c[1].Alphas[1] = -6 },
		"L1: [0]: expected a finite loss and gradient, got NaN and ":                           func(c []LossCurve) { c[1].Losses[0] = nan },
	} {
		c := sampleCurves()
		change(c)
		_, err := ZeroOneLoss(c, "")
		assert.ErrorContains(t, err, "plots: zero-one-loss: "+want)
	}
	_, err = ZeroOneLoss(nil, "")
	assert.ErrorContains(t, err, "expected at least one curve, got none")
	for want, change := range map[string]func([]MACsPanel){
		`panels[1] "As published": expected points, got none`:                                                          func(p []MACsPanel) { p[1].Series = nil },
		"panels[0].series[1]: name: expected one, got none":                                                            func(p []MACsPanel) { p[0].Series[1].Name = "" },
		"Trained here: random[0]: expected positive":                                                                   func(p []MACsPanel) { p[0].Series[1].Points[0].MACs = 0 },
		"Trained here: FairDARTS[1]: expected positive multiply-adds and an accuracy from 0 to 100 %, got 2.7 and NaN": func(p []MACsPanel) { p[0].Series[0].Points[1].Accuracy = nan },
	} {
		p := samplePanels()
		change(p)
		_, err := MACs(p, "")
		assert.ErrorContains(t, err, "plots: macs: "+want)
	}
	_, err = MACs(nil, "")
	assert.ErrorContains(t, err, "expected at least one panel, got none")
	for want, change := range map[string]func([]EpochPanel){
		`panels[1]: name: expected one of its own, got "loss"`:                           func(p []EpochPanel) { p[1].Name = "loss" },
		`loss: series[1]: name: expected one of its own, got "β from 0"`:                 func(p []EpochPanel) { p[0].Series[1].Name = p[0].Series[0].Name },
		"beta: series: expected at least one, got none":                                  func(p []EpochPanel) { p[1].Series = nil },
		"loss: β from 0: expected at least one epoch, and a value for each, got 3 and 2": func(p []EpochPanel) { p[0].Series[0].Values = p[0].Series[0].Values[:2] },
		"loss: β from 0.25: epochs[1]: expected more than 1, got 1":                      func(p []EpochPanel) { p[0].Series[1].Epochs[1] = 1 },
		`beta: lines[0]: expected a name and a finite number, got "" and 1`:              func(p []EpochPanel) { p[1].Lines = []EpochLine{{"", 1}} },
		"beta: β from 0: values[2]: expected a finite number, got NaN":                   func(p []EpochPanel) { p[1].Series[0].Values[2] = nan },
	} {
		p := sampleTraces(2, 3, "loss", "beta")
		change(p)
		_, err := Epochs(p, "")
		assert.ErrorContains(t, err, "plots: epochs: "+want)
	}
	_, err = Epochs(nil, "")
	assert.ErrorContains(t, err, "plots: epochs: panels: expected at least one, got none")
	_, err = Blocks(network(t, "darts-v2"), "")
	assert.ErrorContains(t, err, "plots: blocks: expected a chain")
	_, err = Blocks(arch.Network{}, "")
	assert.ErrorContains(t, err, "plots: blocks: network: expected one of cells, chain and grid")
	_, err = Cells(arch.Genotype{}, "")
	assert.ErrorContains(t, err, "cells: expected a genotype with edges")
	_, err = Cells(arch.Genotype{Reduce: arch.Cell{Edges: []arch.Edge{{Op: "a", From: 3, To: 2}}}}, "")
	assert.ErrorContains(t, err, `cells: reduce.edges[0]: expected an operation from a state to a later node, got "a" from 3 to 2`)
}

// The figures look as they did when somebody last looked at them.
func TestGoldenFigures(t *testing.T) {
	for name, f := range sampleFigures(t) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, f.WritePNG(&b, 72))
			compareGolden(t, "figure-"+name, b.Bytes())
		})
	}
}

func TestOneCellIsChecked(t *testing.T) {
	for want, change := range map[string]func(*WeightHistory){
		"expected the weights of 3 epochs, got 2 of the cell": func(h *WeightHistory) { h.Cell = h.Cell[:2] },
		"cell[1]: expected 6 edges, got 5":                    func(h *WeightHistory) { h.Cell[1] = h.Cell[1][:5] },
	} {
		h := sampleCell()
		change(&h)
		_, err := Softmax(h, "")
		assert.ErrorContains(t, err, "plots: softmax: "+want)
	}
	f, err := Softmax(sampleCell(), "")
	require.NoError(t, err)
	assert.Contains(t, f.Description(), "cell 2 to 3: nor_conv_3x3 0.70")
}
