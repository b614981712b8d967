package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var moGA = map[string]check{
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
