package checks

import (
	"encoding/json"
	"fmt"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/dartsminus"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var dartsMinus = map[string]check{
	"dartsminus_beta":          sure(dartsMinusBeta),
	"dartsminus_c100_accuracy": value("100 less the printed error", func() (float64, error) { return complement("dm-c100-avg", "error") }),
	"dartsminus_counts":        list(dartsMinusCounts),
	"dartsminus_distinct":      list(dartsMinusDistinct),
	"dartsminus_edge":          list(dartsMinusEdge),
	"dartsminus_nb201_table":   list(dartsMinusGrid),
	"dartsminus_s0_params":     value("mean of the five networks", func() (float64, error) { return dartsMinusS0(zoo.ConventionWithoutHead, mean) }),
	"dartsminus_s0_spread":     value("sample standard deviation of the five networks", func() (float64, error) { return dartsMinusS0(zoo.ConventionWithoutHead, deviation) }),
}

// dartsMinusS0 summarises a count, in millions, of the five networks searched in S0 on CIFAR-10.
func dartsMinusS0(convention string, summary func([]float64) float64) (float64, error) {
	var x []float64
	for i := range 5 {
		c, err := count(fmt.Sprintf("dartsminus-cifar10-s0-%d: %s", i, convention), "")
		if err != nil {
			return 0, err
		}
		x = append(x, c[0].Got)
	}
	return summary(x), nil
}

func dartsMinusCounts() ([]verdict.Check, error) {
	population := func(x []float64) float64 { return stat.PopStdDev(x, nil) }
	var out []verdict.Check
	for _, c := range []struct {
		name, convention string
		summary          func([]float64) float64
		want             string
	}{
		{"mean multiply-adds", zoo.Convention4BN, mean, "583.7"}, {"their sample standard deviation", zoo.Convention4BN, deviation, "22.1"},
		{"mean multiply-adds", zoo.ConventionMACs, mean, "561.4"}, {"their sample standard deviation", zoo.ConventionMACs, deviation, "21.2"},
		{"mean parameters", zoo.ConventionWithoutHead, mean, "3.542"}, {"their sample standard deviation", zoo.ConventionWithoutHead, deviation, "0.137"},
		{"their population standard deviation", zoo.ConventionWithoutHead, population, "0.123"},
	} {
		got, err := dartsMinusS0(c.convention, c.summary)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: c.name + ", " + c.convention, Got: got, Want: c.want})
	}
	return out, nil
}

// dartsMinusDistinct counts how many of the networks published for S2 and S3 differ from each other.
func dartsMinusDistinct() ([]verdict.Check, error) {
	seen := map[string]bool{}
	for _, space := range []string{"s2", "s3"} {
		for i := range 3 {
			n, err := zoo.Get(fmt.Sprintf("dartsminus-cifar10-%s-%d", space, i))
			if err != nil {
				return nil, err
			}
			b, err := json.Marshal(n.Network)
			if err != nil {
				return nil, err
			}
			seen[string(b)] = true
		}
	}
	return []verdict.Check{{Name: "different networks among the six of S2 and S3", Got: float64(len(seen)), Want: "6"}}, nil
}

// dartsMinusGrid is what NAS-Bench-201's table says of the optimum, of the cell of skip connections alone, and of random
// cells.
func dartsMinusGrid() ([]verdict.Check, error) {
	skips := arch.Grid{}
	for i := range skips.Cell {
		skips.Cell[i] = nn.SkipConnect
	}
	var out []verdict.Check
	for _, c := range []struct{ data, best, skips, mean string }{
		{datasets.CIFAR10Name, "94.37", "54.30", "87.06"}, {datasets.CIFAR100Name, "73.51", "15.61", "61.41"}, {datasets.ImageNet16Name, "47.31", "16.32", "33.59"},
	} {
		truth, err := space.NASBench201Truth(c.data)
		if err != nil {
			return nil, err
		}
		of, err := space.TrueAccuraciesOn(space.NASBench201Name, c.data, []string{skips.Code()})
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: c.data + ": optimum", Got: truth.Best, Want: c.best},
			verdict.Check{Name: c.data + ": skip connections alone", Got: of[0], Want: c.skips},
			verdict.Check{Name: c.data + ": mean of all cells", Got: truth.Mean, Want: c.mean})
	}
	return out, nil
}

// dartsMinusBeta is the auxiliary skip's coefficient as the published search sets it at the start of every epoch.
func dartsMinusBeta() []verdict.Check {
	c := dartsminus.DefaultConfig()
	beta := func(epoch int) float64 { return c.Beta.At(epoch, c.Epochs) }
	least := 1.0
	for e := range c.Epochs {
		least = min(least, beta(e))
	}
	return []verdict.Check{
		{Name: "epoch 0", Got: beta(0), Want: "1.00"}, {Name: "epoch 25", Got: beta(25), Want: "0.50"},
		{Name: "epoch 49, the last", Got: beta(c.Epochs - 1), Want: "0.02"}, {Name: "least of all epochs", Got: least, Want: "0.02"},
	}
}

// dartsMinusEdge is how far the search's edges are from DARTS's plus β times the auxiliary operation.
func dartsMinusEdge() ([]verdict.Check, error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	var out []verdict.Check
	for _, auxiliary := range []string{dartsminus.Skip, dartsminus.Conv1} {
		for _, stride := range []int{1, 2} {
			for _, beta := range []float64{0, 0.7} {
				d, err := dartsminus.EdgeDeviation(e, stride, beta, auxiliary)
				if err != nil {
					return nil, err
				}
				out = append(out, verdict.Check{Name: fmt.Sprintf("largest deviation of output and gradients, auxiliary %s, stride %d, beta %g", auxiliary, stride, beta), Got: d, Want: "0"})
			}
		}
	}
	return out, nil
}
