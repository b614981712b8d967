package extract

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// checks need arithmetic alone; a claim names the one it is decided by.
var checks = map[string]func() ([]verdict.Check, error){
	"fairdarts_mean_accuracy": func() ([]verdict.Check, error) {
		x, err := fairDARTSPrinted("accuracy")
		return []verdict.Check{{Name: "mean", Got: stat.Mean(x, nil), Want: "97.46"}, {Name: "population standard deviation", Got: stat.PopStdDev(x, nil), Want: "0.049"}}, err
	},
	"fairdarts_mean_macs": func() ([]verdict.Check, error) {
		x, err := fairDARTSPrinted("multiply-adds")
		return []verdict.Check{{Name: "mean", Got: stat.Mean(x, nil), Want: "457.85"}}, err
	},
	"fairdarts_mean_params": func() ([]verdict.Check, error) {
		x, err := fairDARTSPrinted("parameters")
		return []verdict.Check{{Name: "mean", Got: stat.Mean(x, nil), Want: "3.32"}}, err
	},
	"fairdarts_loss_algebra": func() ([]verdict.Check, error) { return lossAlgebra(), nil },
	"fairdarts_parse":        parse,
}

// count is a published network's count beside a printed one, in millions; what is "NETWORK: CONVENTION", with the names
// of the zoo. Nothing is computed but the count.
func count(what, printed string) ([]verdict.Check, error) {
	name, convention, _ := strings.Cut(what, ": ")
	counts, err := countsOf(name)
	if err != nil {
		return nil, err
	}
	got, ok := counts[convention]
	if !ok {
		return nil, fmt.Errorf("check %q: expected one of the conventions %q", what, zoo.Conventions)
	}
	return []verdict.Check{{Name: name + ", " + convention, Got: float64(got) / 1e6, Want: printed}}, nil
}

// counted keeps the counts of networks, which many claims ask for.
var counted sync.Map

func countsOf(name string) (map[string]int64, error) {
	if c, ok := counted.Load(name); ok {
		return c.(map[string]int64), nil
	}
	n, err := zoo.Get(name)
	if err != nil {
		return nil, err
	}
	c, err := n.Counts()
	if err == nil {
		counted.Store(name, c)
	}
	return c, err
}

// fairDARTSPrinted is one printed column of the networks a to g.
func fairDARTSPrinted(part string) ([]float64, error) {
	var out []float64
	for _, id := range []string{"fd-a", "fd-b", "fd-c", "fd-d", "fd-e", "fd-f", "fd-g"} {
		c, err := claims.Get(id)
		if err != nil {
			return nil, err
		}
		for _, p := range c.Parts {
			if p.Name != part {
				continue
			}
			x, err := strconv.ParseFloat(p.Printed, 64)
			if err != nil {
				return nil, fmt.Errorf("claim %s %s: printed: %w", id, part, err)
			}
			out = append(out, x)
		}
	}
	if len(out) != 7 {
		return nil, fmt.Errorf("claims fd-a to fd-g: expected 7 parts called %s, found %d", part, len(out))
	}
	return out, nil
}

// lossAlgebra checks the paper's algebra on the implementation that the search's own is tested against.
func lossAlgebra() []verdict.Check {
	const n = 196 // both cells' tables
	half, ends := make([]float64, n), make([]float64, n)
	for i := range ends {
		ends[i] = 800 * float64(1-2*(i%2)) // a sigmoid of exactly 1 or 0
	}
	mixed := fairdarts.Flatten(golden.Table("alphas_normal", 14, 7), golden.Table("alphas_reduce", 14, 7))
	for i := range mixed {
		mixed[i] *= 4 // sigmoids from 0.02 to 0.98
	}
	l2, l1 := fairdarts.L2, fairdarts.L1
	reference := fairdarts.Flatten(golden.Table("alphas_normal", 14, 7), golden.Table("alphas_reduce", 14, 7))
	own, cross := couplings()
	return []verdict.Check{
		{Name: "loss where every sigmoid is 1/2", Got: fairdarts.ZeroOneLoss(l2, half), Want: "0"},
		{Name: "loss where every sigmoid is 0 or 1", Got: fairdarts.ZeroOneLoss(l2, ends), Want: "-0.25"},
		{Name: "the same with the default weight", Got: fairdarts.DefaultLossWeight * fairdarts.ZeroOneLoss(l2, ends), Want: "-2.5"},
		{Name: "L1 loss where every sigmoid is 1/2", Got: fairdarts.ZeroOneLoss(l1, half), Want: "0"},
		{Name: "L1 loss where every sigmoid is 0 or 1", Got: fairdarts.ZeroOneLoss(l1, ends), Want: "-0.5"},
		{Name: "loss of the reference tables", Got: fairdarts.ZeroOneLoss(l2, reference), Want: "-0.0184335411"},
		{Name: "L1 loss of the reference tables", Got: fairdarts.ZeroOneLoss(l1, reference), Want: "-0.116412322"},
		{Name: "gradient where every sigmoid is 1/2", Got: largest(fairdarts.ZeroOneGradient(l2, half)), Want: "0"},
		{Name: "gradient where every sigmoid is 0 or 1", Got: largest(fairdarts.ZeroOneGradient(l2, ends)), Want: "0"},
		{Name: "gradient against -(2/N)(s-1/2)s(1-s), largest error", Got: gradientError(l2, mixed), Want: "0"},
		{Name: "L1 gradient against -(1/N)sign(s-1/2)s(1-s), largest error", Got: gradientError(l1, mixed), Want: "0"},
		{Name: "gradient against differences, largest error", Got: differenceError(l2, mixed), Want: "0"},
		{Name: "L1 gradient against differences, largest error", Got: differenceError(l1, mixed), Want: "0"},
		{Name: "a sigmoid's move with another's parameter", Got: own, Want: "0"},
		{Name: "a softmax weight's move against -p_i p_j, largest error", Got: cross, Want: "0"},
	}
}

func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = math.Max(m, math.Abs(v)) // NaN stays
	}
	return m
}

// gradientError compares the gradient with the formula in s.
func gradientError(form fairdarts.Form, alphas []float64) float64 {
	grad := fairdarts.ZeroOneGradient(form, alphas)
	for i, a := range alphas {
		s := 1 / (1 + math.Exp(-a))
		slope := 2 * (s - 0.5)
		if form == fairdarts.L1 {
			slope = math.Copysign(1, s-0.5)
		}
		grad[i] -= -slope * s * (1 - s) / float64(len(alphas))
	}
	return largest(grad)
}

// step is for central differences: their error is about step², and rounding's about 1e-16/step.
const step = 1e-5

// differenceError compares the gradient with central differences of the loss.
func differenceError(form fairdarts.Form, alphas []float64) float64 {
	grad := fairdarts.ZeroOneGradient(form, alphas)
	moved := append([]float64(nil), alphas...)
	for i, a := range alphas {
		moved[i] = a + step
		up := fairdarts.ZeroOneLoss(form, moved)
		moved[i] = a - step
		grad[i] -= (up - fairdarts.ZeroOneLoss(form, moved)) / (2 * step)
		moved[i] = a
	}
	return largest(grad)
}

// couplings are how far an operation's weight moves with another operation's parameter: for sigmoids at most, for a
// softmax the largest error against -p_i p_j.
func couplings() (sigmoid, softmax float64) {
	sigmoids := func(alphas []float64) []float64 {
		out := make([]float64, len(alphas))
		for i, a := range alphas {
			out[i] = fairdarts.Sigmoid(a)
		}
		return out
	}
	for _, alphas := range golden.Table("alphas_normal", 14, 7) {
		p := darts.Softmax(alphas)
		for j := range alphas {
			ds, dp := move(sigmoids, alphas, j), move(darts.Softmax, alphas, j)
			for i := range alphas {
				if i != j {
					sigmoid = math.Max(sigmoid, math.Abs(ds[i]))
					softmax = math.Max(softmax, math.Abs(dp[i]+p[i]*p[j]))
				}
			}
		}
	}
	return sigmoid, softmax
}

// move is the derivative of every weight with respect to parameter j.
func move(weights func([]float64) []float64, alphas []float64, j int) []float64 {
	up, down := append([]float64(nil), alphas...), append([]float64(nil), alphas...)
	up[j] += step
	down[j] -= step
	out, low := weights(up), weights(down)
	for i := range out {
		out[i] = (out[i] - low[i]) / (2 * step)
	}
	return out
}

// parse counts the edges that differ from the official code's derivations.
func parse() ([]verdict.Check, error) {
	cases, err := golden.FairDARTSParse()
	if err != nil {
		return nil, err
	}
	var out []verdict.Check
	for _, c := range cases {
		normal, reduce := sigmoidTable("alphas_normal", c.Scale, len(c.Primitives)), sigmoidTable("alphas_reduce", c.Scale, len(c.Primitives))
		g := fairdarts.Discretise(c.Primitives, normal, reduce, c.Method, c.Threshold)
		out = append(out, verdict.Check{
			Name: c.Name + ", edges that differ",
			Got:  float64(differ(g.Normal.Edges, c.WantNormal) + differ(g.Reduce.Edges, c.WantReduce)),
			Want: "0",
		})
	}
	return out, nil
}

func sigmoidTable(name string, scale float64, columns int) [][]float64 {
	t := golden.Table(name, 14, columns)
	for _, row := range t {
		for k := range row {
			row[k] = fairdarts.Sigmoid(scale * row[k])
		}
	}
	return t
}

// differ counts the places where two lists of edges differ, missing ones included.
func differ(a, b []arch.Edge) int {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
