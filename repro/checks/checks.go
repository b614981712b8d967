// Package checks makes the checks that need no runs: counts of published networks, the program's own code beside what a
// paper says of it, and printed numbers beside each other. Each paper has a file with its checks in one map.
package checks

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// check computes values and says what each has to be; printed is what the claim prints.
type check func(printed string) ([]verdict.Check, error)

// papers are the checks of each paper, by name.
var papers = []map[string]check{ascChecks, autoKWS, dartsMinus, fairDARTS, fairNAS, mixPath, moGA, noisyDARTS, romeChecks, scarletChecks}

// value is the check of one number, computed once, against the printed one; name is for people.
func value(name string, of func() (float64, error)) check {
	once := sync.OnceValues(of)
	return func(printed string) ([]verdict.Check, error) {
		got, err := once()
		return []verdict.Check{{Name: name, Got: got, Want: printed}}, err
	}
}

// list is the check of values that know what they have to be, computed once.
func list(of func() ([]verdict.Check, error)) check {
	once := sync.OnceValues(of)
	return func(string) ([]verdict.Check, error) {
		out, err := once()
		return slices.Clone(out), err
	}
}

// sure is a list that cannot fail.
func sure(of func() []verdict.Check) check {
	return list(func() ([]verdict.Check, error) { return of(), nil })
}

// Run makes the check that a claim names: "count NETWORK: CONVENTION" and "operations NETWORK: OPERATION" of the zoo, or
// one of [Names]. Counts are compared in the claim's unit, millions or (K) thousands.
func Run(name, printed, unit string) ([]verdict.Check, error) {
	if what, ok := strings.CutPrefix(name, "count "); ok {
		c, err := count(what, printed)
		if unit == "K" && err == nil {
			c[0].Got *= 1e3
		}
		return c, err
	}
	if what, ok := strings.CutPrefix(name, "operations "); ok {
		return operations(what, printed)
	}
	for _, paper := range papers {
		if f, ok := paper[name]; ok {
			return f(printed)
		}
	}
	return nil, fmt.Errorf("check %q: expected \"count NETWORK: CONVENTION\", \"operations NETWORK: OPERATION\" or one of %v", name, Names())
}

// Names lists the checks that a claim may name, besides those of counts and operations.
func Names() []string {
	var names []string
	for _, paper := range papers {
		names = slices.AppendSeq(names, maps.Keys(paper))
	}
	slices.Sort(names)
	return names
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

// operations counts an operation in the normal cell of a network of the zoo, or in its chain of blocks.
func operations(what, printed string) ([]verdict.Check, error) {
	name, op, _ := strings.Cut(what, ": ")
	n, err := zoo.Get(name)
	if err != nil {
		return nil, err
	}
	got := 0
	switch {
	case n.Network.Cells != nil:
		got = n.Network.Cells.Genotype.Normal.Count(op)
	case n.Network.Chain != nil:
		for _, b := range n.Network.Chain.Blocks {
			if b.Op == op {
				got++
			}
		}
	default:
		return nil, fmt.Errorf("check %q: expected a network of cells or a chain", what)
	}
	return []verdict.Check{{Name: name + ", " + op, Got: float64(got), Want: printed}}, nil
}

// printed is the number that a claim prints in the part of a name.
func printed(claim, part string) (float64, error) {
	c, err := claims.Get(claim)
	if err != nil {
		return 0, err
	}
	return c.Number(part)
}

// printedOf are the numbers that several claims print in the part of a name.
func printedOf(ids []string, part string) ([]float64, error) {
	var out []float64
	for _, id := range ids {
		x, err := printed(id, part)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// difference is the first claim's part less the second's.
func difference(a, b, part string) (float64, error) {
	x, err := printedOf([]string{a, b}, part)
	if err != nil {
		return 0, err
	}
	return x[0] - x[1], nil
}

// complement turns a printed error into an accuracy.
func complement(claim, part string) (float64, error) {
	x, err := printed(claim, part)
	return 100 - x, err
}

// power is exact as long as the result has a place among the float64s.
func power(base, exponent int) float64 {
	return float(new(big.Int).Exp(big.NewInt(int64(base)), big.NewInt(int64(exponent)), nil))
}

func float(n *big.Int) float64 {
	x, _ := new(big.Float).SetInt(n).Float64()
	return x
}

func mean(x []float64) float64      { return stat.Mean(x, nil) }
func deviation(x []float64) float64 { return stat.StdDev(x, nil) }

// largest is the largest magnitude; NaN where there is one.
func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = math.Max(m, math.Abs(v))
	}
	return m
}

// fits tells whether a count in millions has the printed digits, rounded or cut off.
func fits(count int64, printed string) bool {
	want, err := strconv.ParseFloat(printed, 64)
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(printed, ".")
	scale := math.Pow(10, float64(len(after)))
	got, target := float64(count)/1e6*scale, math.Round(want*scale)
	return math.Round(got) == target || math.Floor(got) == target
}

// column is one printed part of several claims beside the counts of a network each.
type column struct{ claim, part, network string }

// bestConvention is how many printed counts the best single convention fits, of those given.
func bestConvention(columns []column, conventions []string) (int, error) {
	fitting := map[string]int{}
	for _, c := range columns {
		record, err := claims.Get(c.claim)
		if err != nil {
			return 0, err
		}
		part, err := record.Part(c.part)
		if err != nil {
			return 0, err
		}
		counts, err := countsOf(c.network)
		if err != nil {
			return 0, err
		}
		for _, convention := range conventions {
			if fits(counts[convention], part.Printed) {
				fitting[convention]++
			}
		}
	}
	best := 0
	for _, n := range fitting {
		best = max(best, n)
	}
	return best, nil
}

// noise are n standard normal numbers.
func noise(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

// supernetParameters counts those of a space's supernet.
func supernetParameters(p space.Paths) (float64, error) {
	root, err := p.Supernet()
	if err != nil {
		return 0, err
	}
	return float64(nn.Params(root.Specs())), nil
}

// exactEngine computes in float64 on GoMLX's pure-Go backend, so that a check needs no plug-in.
var exactEngine = sync.OnceValues(func() (*engine.Engine, error) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	if err != nil {
		return nil, err
	}
	return engine.NewFloat64(b.Backend), nil
})
