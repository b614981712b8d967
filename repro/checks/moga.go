package checks

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/moga"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var moGA = map[string]check{
	"moga_crowding":    list(moGACrowding),
	"moga_parameters":  list(moGAParameters),
	"moga_paths":       list(func() ([]verdict.Check, error) { return paths(space.MoGA(), "moga-a", "moga-b", "moga-c") }),
	"moga_sizes":       sure(moGASizes),
	"moga_b_latency":   value("difference of the printed latencies", func() (float64, error) { return difference("mg-B", "mg-v3", "MACE latency") }),
	"moga_c_latencies": list(moGALatencies),
	"moga_drawn":       list(moGADrawn),
}

// moGALatencies tells on which side of MobileNetV3 the printed latencies of MoGA-C lie: 1 slower, -1 faster.
func moGALatencies() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range [][2]string{{"CPU latency", "1"}, {"MACE latency", "-1"}, {"SNPE latency", "-1"}} {
		d, err := difference("mg-C", "mg-v3", c[0])
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: c[0] + " against MobileNetV3's, 1 slower, -1 faster", Got: float64(cmp.Compare(d, 0)), Want: c[1]})
	}
	return out, nil
}

// moGADrawn counts MoGA-A as the figure draws it, with the gate of layer 6 on layer 3, beside the code's.
func moGADrawn() ([]verdict.Check, error) {
	code, err := zoo.Get("moga-a")
	if err != nil {
		return nil, err
	}
	network, chain := code.Network, *code.Network.Chain
	chain.Blocks = slices.Clone(chain.Blocks)
	network.Chain = &chain
	// Block 0 is the stem's separable convolution, so that layer k is block k.
	gated, plain := chain.Blocks[6], chain.Blocks[3]
	gate := *gated.Squeeze
	gate.Reduced, gate.Activation = plain.Hidden/4, plain.Activation
	chain.Blocks[6].Squeeze, chain.Blocks[3].Squeeze = nil, &gate
	drawn, err := zoo.New("moga-a as drawn", network)
	if err != nil {
		return nil, err
	}
	want, err := code.Counts()
	if err != nil {
		return nil, err
	}
	got, err := drawn.Counts()
	if err != nil {
		return nil, err
	}
	var out []verdict.Check
	for name, convention := range map[string]string{"millions of multiply-adds as drawn": zoo.ConventionMACs, "millions of parameters as drawn": zoo.ConventionAll} {
		out = append(out, verdict.Check{Name: name, Got: float64(got[convention]) / 1e6, Want: fmt.Sprintf("%.3f", float64(want[convention])/1e6)})
	}
	slices.SortFunc(out, func(a, b verdict.Check) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func moGASizes() []verdict.Check {
	p := space.MoGA()
	return []verdict.Check{
		{Name: "layers", Got: float64(len(p.Layers)), Want: "14"},
		{Name: "choices of a layer, least", Got: float64(slices.Min(p.Choices())), Want: "12"},
		{Name: "choices of a layer, most", Got: float64(slices.Max(p.Choices())), Want: "12"},
		{Name: "size of the space", Got: float(p.Size()), Want: "1283918464548864"},
	}
}

// objectivesOfMoGA are accuracy, a cost and parameters, better upwards but for the cost.
var objectivesOfMoGA = []evolve.Objective{{Name: "accuracy", Direction: evolve.Maximise}, {Name: "cost", Direction: evolve.Minimise}, {Name: "parameters", Direction: evolve.Maximise}}

// moGACrowding compares the search's crowding distances on fronts of random points of a sphere, on which none is better than
// another.
func moGACrowding() ([]verdict.Check, error) {
	r := rand.New(rand.NewPCG(1908, 1314))
	worst, ends, wrong := 0.0, 0, 0
	const fronts, points = 50, 40
	for range fronts {
		var front []evolve.Measured
		for range points {
			v := []float64{math.Abs(r.NormFloat64()), math.Abs(r.NormFloat64()), math.Abs(r.NormFloat64())}
			n := math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2])
			front = append(front, evolve.Measured{Values: []float64{v[0] / n, 1 - v[1]/n, v[2] / n}})
		}
		plain, err := evolve.Crowding(front, objectivesOfMoGA, nil)
		if err != nil {
			return nil, err
		}
		equal, err := evolve.Crowding(front, objectivesOfMoGA, []float64{1. / 3, 1. / 3, 1. / 3})
		if err != nil {
			return nil, err
		}
		weighted, err := evolve.Crowding(front, objectivesOfMoGA, moga.DefaultConfig().Crowding)
		if err != nil {
			return nil, err
		}
		for i := range front {
			end := false
			for o := range objectivesOfMoGA {
				of := func(m evolve.Measured) float64 { return m.Values[o] }
				least := slices.MinFunc(front, func(a, b evolve.Measured) int { return cmp.Compare(of(a), of(b)) })
				most := slices.MaxFunc(front, func(a, b evolve.Measured) int { return cmp.Compare(of(a), of(b)) })
				end = end || of(front[i]) == of(least) || of(front[i]) == of(most)
			}
			if end {
				ends++
			}
			for _, d := range []evolve.Distance{plain[i], equal[i], weighted[i]} {
				if math.IsInf(float64(d), 1) != end {
					wrong++
				}
			}
			if !end {
				worst = max(worst, math.Abs(3*float64(equal[i])/float64(plain[i])-1))
			}
		}
	}
	return []verdict.Check{
		{Name: fmt.Sprintf("largest relative difference of 3 times the distance with weights of a third from the plain one, %d fronts of %d points", fronts, points), Got: worst, Want: "0"},
		{Name: fmt.Sprintf("points whose distance is infinite though they are no end, or finite though they are one of the %d", ends), Got: float64(wrong), Want: "0"},
	}, nil
}

// moGAParameters compares fronts of NAS-Bench-Macro's networks with and without parameters as an objective.
func moGAParameters() ([]verdict.Check, error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	codes := slices.Sorted(maps.Keys(table))
	front := func(objectives []evolve.Objective) (map[string]bool, error) {
		var of []evolve.Measured
		for _, code := range codes {
			row := table[code]
			of = append(of, evolve.Measured{Values: []float64{row.MeanAccuracy, float64(row.FLOPs), float64(row.Params)}[:len(objectives)]})
		}
		fronts, err := evolve.Fronts(of, objectives)
		if err != nil {
			return nil, err
		}
		on := map[string]bool{}
		for _, i := range fronts[0] {
			on[codes[i]] = true
		}
		return on, nil
	}
	two, err := front(objectivesOfMoGA[:2])
	if err != nil {
		return nil, err
	}
	three, err := front(objectivesOfMoGA)
	if err != nil {
		return nil, err
	}
	missing := 0
	for code := range two {
		if !three[code] {
			missing++
		}
	}
	grows := 0.0
	if len(three) > len(two) {
		grows = 1
	}
	return []verdict.Check{
		{Name: "networks of the front of two objectives that the front of three lacks", Got: float64(missing), Want: "0"},
		{Name: fmt.Sprintf("the front of three objectives has more networks, %d, than that of two, %d", len(three), len(two)), Got: grows, Want: "1"},
	}, nil
}
