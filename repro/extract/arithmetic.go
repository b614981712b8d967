package extract

import (
	"cmp"
	"encoding/json"
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
	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// values are single numbers, computed from a definition or from other printed numbers, to compare with the number that
// the claim prints.
var values = map[string]struct {
	// name is for people.
	name string
	of   func() (float64, error)
}{
	"rome_epochs_1":            {"350 over 1", func() (float64, error) { return romeEpochs(1), nil }},
	"rome_epochs_4":            {"350 over 4, whole epochs", func() (float64, error) { return romeEpochs(4), nil }},
	"rome_epochs_7":            {"350 over 7", func() (float64, error) { return romeEpochs(7), nil }},
	"rome_epochs_10":           {"350 over 10", func() (float64, error) { return romeEpochs(10), nil }},
	"rome_best_accuracy":       {"100 less the printed error", func() (float64, error) { return complement("rome-t2-v2-best", "error") }},
	"rome_memory_gdas":         {"saving against GDAS's printed memory", func() (float64, error) { return saving("rome-t7-memory", "ROME", "GDAS") }},
	"rome_memory_pcdarts":      {"saving against PC-DARTS's printed memory", func() (float64, error) { return saving("rome-t7-memory", "ROME", "PC-DARTS, M = 4") }},
	"autokws_ratio":            {"ratio of the printed parameters", autoKWSRatio},
	"dartsminus_s0_params":     {"mean of the five networks", func() (float64, error) { return dartsMinusS0(zoo.ConventionWithoutHead, mean) }},
	"dartsminus_s0_spread":     {"sample standard deviation of the five networks", func() (float64, error) { return dartsMinusS0(zoo.ConventionWithoutHead, deviation) }},
	"dartsminus_c100_accuracy": {"100 less the printed error", func() (float64, error) { return complement("dm-c100-avg", "error") }},
	"moga_b_latency":           {"difference of the printed latencies", func() (float64, error) { return difference("mg-B", "mg-v3", "MACE latency") }},
	"fairnas_tau":              {"tau with 2 of 78 pairs in the wrong order", func() (float64, error) { return rank.TauB(swapped(models, 2)) }},
	"fairnas_tau_spos":         {"tau with 15 of 78 pairs in the wrong order", func() (float64, error) { return rank.TauB(swapped(models, 15)) }},
}

// arithmetic are lists of values with the numbers that they should have.
var arithmetic = map[string]func() ([]verdict.Check, error){
	"asc_kernels":               func() ([]verdict.Check, error) { return ascKernels(), nil },
	"asc_macro_f1":              func() ([]verdict.Check, error) { return ascMacroF1(), nil },
	"autokws_frames":            func() ([]verdict.Check, error) { return autoKWSFrames(), nil },
	"autokws_size":              func() ([]verdict.Check, error) { return autoKWSSize(), nil },
	"autokws_tcresnet":          autoKWSTCResNet,
	"dartsminus_beta":           func() ([]verdict.Check, error) { return dartsMinusBeta(), nil },
	"dartsminus_counts":         dartsMinusCounts,
	"dartsminus_distinct":       dartsMinusDistinct,
	"fairdarts_one_convention":  fairDARTSConvention,
	"fairnas_lemma":             func() ([]verdict.Check, error) { return fairNASLemma(), nil },
	"fairnas_macro_table":       macroTable,
	"fairnas_macro_taus":        macroTaus,
	"fairnas_orders":            func() ([]verdict.Check, error) { return fairNASOrders(), nil },
	"fairnas_size":              func() ([]verdict.Check, error) { return fairNASSize(), nil },
	"fairnas_strict":            func() ([]verdict.Check, error) { return fairNASStrict(), nil },
	"fairnas_tau_multiples":     func() ([]verdict.Check, error) { return fairNASMultiples(), nil },
	"fairnas_update_variance":   func() ([]verdict.Check, error) { return fairNASUpdates(), nil },
	"mixpath_moments":           func() ([]verdict.Check, error) { return mixPathMoments(), nil },
	"mixpath_norms":             func() ([]verdict.Check, error) { return mixPathNorms(), nil },
	"mixpath_size":              func() ([]verdict.Check, error) { return mixPathSize(), nil },
	"moga_c_latencies":          moGALatencies,
	"moga_drawn":                moGADrawn,
	"moga_size":                 func() ([]verdict.Check, error) { return moGASize(), nil },
	"noisydarts_one_convention": noisyDARTSConvention,
	"noisydarts_uniform":        func() ([]verdict.Check, error) { return noisyDARTSUniform(), nil },
	"rome_complements":          romeComplements,
	"rome_edges":                func() ([]verdict.Check, error) { return romeEdges(), nil },
	"rome_k_epochs":             romeKEpochs,
	"rome_k_mean":               func() ([]verdict.Check, error) { return romeKMean(), nil },
	"rome_top2":                 func() ([]verdict.Check, error) { return romeTop2(), nil },
	"scarlet_merge":             func() ([]verdict.Check, error) { return scarletMerge(), nil },
	"scarlet_size":              func() ([]verdict.Check, error) { return scarletSize(), nil },
}

// named makes the check that a claim names: "count NETWORK: CONVENTION" and "operations NETWORK: OPERATION" of the zoo,
// a single value, or a list. Counts are compared in the claim's unit, millions or (K) thousands.
func named(name, printed, unit string) ([]verdict.Check, error) {
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
	if v, ok := values[name]; ok {
		got, err := v.of()
		return []verdict.Check{{Name: v.name, Got: got, Want: printed}}, err
	}
	for _, lists := range []map[string]func() ([]verdict.Check, error){checks, arithmetic} {
		if f, ok := lists[name]; ok {
			return f()
		}
	}
	return nil, fmt.Errorf("check %q: expected \"count NETWORK: CONVENTION\", \"operations NETWORK: OPERATION\" or one of %v", name, Checks())
}

// Checks lists the names of the checks that a claim may name, besides those of counts and operations.
func Checks() []string {
	names := slices.Collect(maps.Keys(values))
	names = slices.AppendSeq(names, maps.Keys(checks))
	names = slices.AppendSeq(names, maps.Keys(arithmetic))
	slices.Sort(names)
	return names
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

// printedValue is the number that a claim's part prints, without what stands behind it.
func printedValue(claim, part string) (float64, error) {
	c, err := claims.Get(claim)
	if err != nil {
		return 0, err
	}
	for _, p := range c.Assertions() {
		if p.Name != part {
			continue
		}
		digits, _, _ := strings.Cut(p.Printed, " ")
		x, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return 0, fmt.Errorf("claim %s %s: printed: %w", claim, part, err)
		}
		return x, nil
	}
	return 0, fmt.Errorf("claim %s: no part %q", claim, part)
}

// difference is the first claim's part less the second's.
func difference(a, b, part string) (float64, error) {
	x, err := printedValue(a, part)
	if err != nil {
		return 0, err
	}
	y, err := printedValue(b, part)
	return x - y, err
}

// saving is by how many percent the part a of a claim lies below its part b.
func saving(claim, a, b string) (float64, error) {
	x, err := printedValue(claim, a)
	if err != nil {
		return 0, err
	}
	y, err := printedValue(claim, b)
	return 100 * (1 - x/y), err
}

// complement turns a printed error into an accuracy.
func complement(claim, part string) (float64, error) {
	x, err := printedValue(claim, part)
	return 100 - x, err
}

// power is exact as long as the result has a place among the float64s.
func power(base, exponent int) float64 {
	x, _ := new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(int64(base)), big.NewInt(int64(exponent)), nil)).Float64()
	return x
}

func mean(x []float64) float64      { return stat.Mean(x, nil) }
func deviation(x []float64) float64 { return stat.StdDev(x, nil) }

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
		i := slices.IndexFunc(record.Parts, func(p claims.Part) bool { return p.Name == c.part })
		if i < 0 {
			return 0, fmt.Errorf("claim %s: no part %q", c.claim, c.part)
		}
		counts, err := countsOf(c.network)
		if err != nil {
			return 0, err
		}
		for _, convention := range conventions {
			if fits(counts[convention], record.Parts[i].Printed) {
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

// ROME

// romeBudget is K times the epochs of the search by default, which Table 5 holds for every K.
const romeBudget = 7 * 50

func romeEpochs(k int) float64 { return math.Floor(romeBudget / float64(k)) }

func romeKEpochs() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, k := range []int{1, 4, 7, 10} {
		name := fmt.Sprintf("K = %d, epochs", k)
		epochs, err := printedValue("rome-t5-K", name)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: name + " times K", Got: float64(k) * epochs, Want: strconv.Itoa(romeBudget)})
	}
	return out, nil
}

// romeComplements compares errors of one table with accuracies of another.
func romeComplements() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, at := range [][2]string{{"rome-gdas-collapse", "ROME"}, {"rome-t5-K", "K = 7, accuracy"}, {"rome-t6-ablation", "all"}} {
		got, err := complement("rome-t2-v2-avg", "error")
		if err != nil {
			return nil, err
		}
		want, err := printedValue(at[0], at[1])
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: "100 less the error of Table 2 against " + at[0], Got: got, Want: fmt.Sprintf("%.2f", want)})
	}
	return out, nil
}

// inclusion is the closed form: the chance that an edge is among two drawn without replacement.
func inclusion(p []float64, edge int) float64 {
	sum := p[edge]
	for i, q := range p {
		if i != edge {
			sum += q * p[edge] / (1 - q)
		}
	}
	return sum
}

// race is the same chance by the definition: Gumbel noise on log p orders the edges as exponential clocks of rates p
// do, so that an edge is among the top two if at most one other clock has rung before its own. The integral over the
// time of its ringing is Simpson's.
func race(p []float64, edge int) float64 {
	const end, steps = 120.0, 12000
	at := func(t float64) float64 {
		none, one := 1.0, 0.0
		for i, q := range p {
			if i == edge {
				continue
			}
			later := math.Exp(-q * t)
			none, one = none*later, one*later+none*(1-later)
		}
		return p[edge] * math.Exp(-p[edge]*t) * (none + one)
	}
	h, sum := end/steps, at(0)+at(end)
	for i := 1; i < steps; i++ {
		sum += float64(2+2*(i%2)) * at(float64(i)*h)
	}
	return sum * h / 3
}

func romeTop2() []verdict.Check {
	p := []float64{0.5, 0.3, 0.15, 0.05}
	var out []verdict.Check
	total := 0.0
	for i, want := range []string{"0.828837", "0.668731", "0.372180", "0.130252"} {
		got := inclusion(p, i)
		total += got
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("edge of probability %g in the top two", p[i]), Got: got, Want: want},
			verdict.Check{Name: "the same less the integral over the race", Got: got - race(p, i), Want: "0.0000000"})
	}
	return append(out, verdict.Check{Name: "sum over the edges", Got: total, Want: "2.0000000000"})
}

// romeEdges goes through all choices of a pair of inputs for each node.
func romeEdges() []verdict.Check {
	pairs := func(node int) [][]int { return combin.Combinations(node, 2) }
	var out []verdict.Check
	edges, choices := 0, 1
	for i, want := range []string{"1", "3", "6", "10"} {
		node := i + 2
		out = append(out, verdict.Check{Name: fmt.Sprintf("pairs of inputs of node %d", node), Got: float64(len(pairs(node))), Want: want})
		edges += node
		choices *= len(pairs(node))
	}
	wrong, least, most := 0, edges, 0
	for c := range choices {
		active := 0
		for node, rest := 2, c; node < 2+arch.Nodes; node++ {
			list := pairs(node)
			inputs := map[int]bool{}
			for _, from := range list[rest%len(list)] {
				inputs[from] = true
			}
			rest /= len(list)
			active += len(inputs)
			if len(inputs) != 2 {
				wrong++
			}
		}
		least, most = min(least, active), max(most, active)
	}
	return append(out,
		verdict.Check{Name: "edges of a cell", Got: float64(edges), Want: "14"},
		verdict.Check{Name: "choices of pairs", Got: float64(choices), Want: "180"},
		verdict.Check{Name: "nodes without two inputs, over all choices", Got: float64(wrong), Want: "0"},
		verdict.Check{Name: "fewest active edges", Got: float64(least), Want: "8"},
		verdict.Check{Name: "most active edges", Got: float64(most), Want: "8"})
}

// romeKMean goes through all K draws of a gradient that takes three values.
func romeKMean() []verdict.Check {
	value, p := []float64{1, -2, 0.5}, []float64{0.5, 0.3, 0.2}
	variance := func(k int) float64 {
		first, second := 0.0, 0.0
		for c := range int(power(len(p), k)) {
			chance, sum := 1.0, 0.0
			for i, rest := 0, c; i < k; i++ {
				chance *= p[rest%len(p)]
				sum += value[rest%len(p)]
				rest /= len(p)
			}
			first += chance * sum / float64(k)
			second += chance * sum * sum / float64(k*k)
		}
		return second - first*first
	}
	var out []verdict.Check
	for _, k := range []int{3, 4, 7, 10} {
		out = append(out, verdict.Check{Name: fmt.Sprintf("variance of one draw over that of the mean of %d", k), Got: variance(1) / variance(k), Want: fmt.Sprintf("%d.000000", k)})
	}
	return out
}

// AutoKWS

func autoKWSRatio() (float64, error) {
	nas2, err := printedValue("akws-v1", "parameters of NAS2")
	if err != nil {
		return 0, err
	}
	own, err := printedValue("akws-params", "")
	return nas2 / own, err
}

// autoKWSSize counts the choices that the sources allow: the skip as a choice of its own, or beside every other.
func autoKWSSize() []verdict.Check {
	kernels, gates := []int{3, 5, 7, 9}, []bool{false, true}
	pairs := len(kernels) * len(gates)
	return []verdict.Check{
		{Name: "6 blocks, the skip as one more choice", Got: power(pairs+1, 6), Want: "531441"},
		{Name: "7 blocks, the skip as one more choice", Got: power(pairs+1, 7), Want: "4782969"},
		{Name: "6 blocks, each choice with and without a skip", Got: power(2*pairs, 6), Want: "16777216"},
	}
}

func autoKWSFrames() []verdict.Check {
	const rate, window = 16000, 480
	frames := func(hop int) float64 {
		n := 0
		for start := 0; start+window <= rate; start += hop {
			n++
		}
		return float64(n)
	}
	return []verdict.Check{
		{Name: "frames in one second, every 10 ms", Got: frames(160), Want: "98"},
		{Name: "frames in one second, every 20 ms", Got: frames(320), Want: "49"},
	}
}

func autoKWSTCResNet() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range []struct{ network, convention, want string }{
		{"tcresnet8", zoo.ConventionAll, "65168"}, {"tcresnet8-1.5", zoo.ConventionAll, "144264"},
		{"tcresnet14", zoo.ConventionAll, "135856"}, {"tcresnet14-1.5", zoo.ConventionAll, "303000"},
		{"tcresnet14", zoo.ConventionMACs, "3030528"}, {"tcresnet14-1.5", zoo.ConventionMACs, "6677136"},
	} {
		got, err := count(c.network+": "+c.convention, c.want)
		if err != nil {
			return nil, err
		}
		got[0].Got *= 1e6 // the count itself, not in millions
		out = append(out, got...)
	}
	return out, nil
}

// DARTS-

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

// dartsMinusBeta is the auxiliary skip's coefficient, set at the start of every epoch of 50.
func dartsMinusBeta() []verdict.Check {
	const first, end = 0, 50
	beta := func(epoch int) float64 { return float64(end-epoch) / float64(end-first) }
	least := 1.0
	for e := first; e < end; e++ {
		least = math.Min(least, beta(e))
	}
	return []verdict.Check{
		{Name: "epoch 0", Got: beta(first), Want: "1.00"}, {Name: "epoch 25", Got: beta(25), Want: "0.50"},
		{Name: "epoch 49, the last", Got: beta(end - 1), Want: "0.02"}, {Name: "least of all epochs", Got: least, Want: "0.02"},
	}
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

// NoisyDARTS and FairDARTS

func noisyDARTSConvention() ([]verdict.Check, error) {
	var list []column
	for _, letter := range "abcdefghij" {
		list = append(list, column{"nd-" + string(letter), "multiply-adds", "noisydarts-" + string(letter)})
	}
	best, err := bestConvention(list, slices.DeleteFunc(slices.Clone(zoo.Conventions), func(c string) bool { return !strings.HasPrefix(c, zoo.ConventionMACs) }))
	return []verdict.Check{{Name: "networks a to j whose multiply-adds the best single convention fits", Got: float64(best), Want: strconv.Itoa(len(list))}}, err
}

// noisyDARTSUniform integrates over the noise mean + u·sqrt(3·factor), u uniform in [-1, 1], by the midpoint rule.
func noisyDARTSUniform() []verdict.Check {
	const steps = 100000
	var out []verdict.Check
	for _, factor := range []float64{0.1, 0.2} {
		first, second := 0.0, 0.0
		for i := range steps {
			x := (-1 + 2*(float64(i)+0.5)/steps) * math.Sqrt(3*factor)
			first += x / steps
			second += x * x / steps
		}
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("mean of the noise of factor %g", factor), Got: first, Want: "0.000000"},
			verdict.Check{Name: fmt.Sprintf("variance of the noise of factor %g", factor), Got: second - first*first, Want: fmt.Sprintf("%.6f", factor)})
	}
	return out
}

func fairDARTSConvention() ([]verdict.Check, error) {
	var list []column
	for _, letter := range "abcdefg" {
		list = append(list, column{"fd-" + string(letter), "parameters", "fairdarts-" + string(letter)})
	}
	for part, network := range map[string]string{"DARTS_V2 parameters": "darts-v2", "PC_DARTS parameters": "pcdarts", "P_DARTS parameters": "pdarts"} {
		list = append(list, column{"fd-baselines", part, network})
	}
	best, err := bestConvention(list, []string{zoo.ConventionAll, zoo.ConventionWithoutHead})
	return []verdict.Check{{Name: "networks whose parameters one rule about the auxiliary head fits", Got: float64(best), Want: strconv.Itoa(len(list))}}, err
}

// MixPath

// mixPathChoices counts a block's choices with at most m of the four kernels, under two expansion rates.
func mixPathChoices(m int) int {
	n := 0
	for i := 1; i <= m; i++ {
		n += 2 * len(combin.Combinations(4, i))
	}
	return n
}

func mixPathSize() []verdict.Check {
	const layers = 12
	var out []verdict.Check
	for m, want := range map[int][2]string{1: {"8", "68719476736"}, 2: {"20", "4096000000000000"}, 3: {"28", "232218265089212416"}, 4: {"30", "531441000000000000"}} {
		n := mixPathChoices(m)
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("choices of a block, at most %d paths", m), Got: float64(n), Want: want[0]},
			verdict.Check{Name: fmt.Sprintf("size of the space, at most %d paths", m), Got: power(n, layers), Want: want[1]})
	}
	slices.SortFunc(out, func(a, b verdict.Check) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// mixPathNorms counts the parameters that shadow batch norms for 1 to 4 paths have beyond a single one: two a channel,
// for each of two expansion rates, behind the 12 blocks.
func mixPathNorms() []verdict.Check {
	const paths, rates, perChannel, without = 4, 2, 2, 10449258
	channels := 0
	for _, c := range []int{48, 48, 96, 96, 96, 192, 192, 192, 256, 256, 320, 320} {
		channels += c
	}
	extra := (paths - 1) * rates * perChannel * channels
	return []verdict.Check{
		{Name: "more parameters", Got: float64(extra), Want: "25344"},
		{Name: "with the 10,449,258 of the supernet without them", Got: float64(without + extra), Want: "10474602"},
		{Name: "share in percent", Got: 100 * float64(extra) / without, Want: "0.24"},
	}
}

// mixPathMoments sums m equal outputs, and m independent ones: all combinations of the same values.
func mixPathMoments() []verdict.Check {
	one := []float64{0.3, -1.2, 2.5, 0.9, 1.7}
	variance := func(x []float64) float64 { return stat.PopVariance(x, nil) }
	var out []verdict.Check
	for m := 2; m <= 4; m++ {
		equal := make([]float64, len(one))
		for i := range one {
			equal[i] = float64(m) * one[i]
		}
		var independent []float64
		for c := range int(power(len(one), m)) {
			sum := 0.0
			for i, rest := 0, c; i < m; i++ {
				sum += one[rest%len(one)]
				rest /= len(one)
			}
			independent = append(independent, sum)
		}
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("mean of %d equal outputs over one's", m), Got: mean(equal) / mean(one), Want: fmt.Sprintf("%d.000000", m)},
			verdict.Check{Name: fmt.Sprintf("variance of %d equal outputs over one's", m), Got: variance(equal) / variance(one), Want: fmt.Sprintf("%d.000000", m*m)},
			verdict.Check{Name: fmt.Sprintf("variance of %d independent outputs over one's", m), Got: variance(independent) / variance(one), Want: fmt.Sprintf("%d.000000", m)})
	}
	return out
}

// Acoustic scenes

// ascKernels applies a row of k ones and then a column of k ones to a single one, and counts taps and reach.
func ascKernels() []verdict.Check {
	taps := map[int][2]string{3: {"6", "9"}, 5: {"10", "25"}, 7: {"14", "49"}}
	var out []verdict.Check
	for _, k := range []int{3, 5, 7} {
		image := map[[2]int]bool{{0, 0}: true}
		multiplies := 0
		for _, shape := range [][2]int{{1, k}, {k, 1}} {
			next := map[[2]int]bool{}
			for y := range shape[0] {
				for x := range shape[1] {
					multiplies++
					for at := range image {
						next[[2]int{at[0] + y, at[1] + x}] = true
					}
				}
			}
			image = next
		}
		out = append(out,
			verdict.Check{Name: fmt.Sprintf("multiplies of 1×%d and %d×1 an output", k, k), Got: float64(multiplies), Want: taps[k][0]},
			verdict.Check{Name: fmt.Sprintf("places that 1×%d and %d×1 reach", k, k), Got: float64(len(image)), Want: taps[k][1]})
	}
	return out
}

// macroF1 is the mean over classes of 2·true positives over (predicted + actual); rows of the confusion matrix are
// actual classes. A class that is neither predicted nor there counts as 0.
func macroF1(confusion [][]int) float64 {
	sum := 0.0
	for c := range confusion {
		row, col := 0, 0
		for d := range confusion {
			row += confusion[c][d]
			col += confusion[d][c]
		}
		if row+col > 0 {
			sum += 2 * float64(confusion[c][c]) / float64(row+col)
		}
	}
	return sum / float64(len(confusion))
}

func ascMacroF1() []verdict.Check {
	return []verdict.Check{
		{Name: "all right", Got: macroF1([][]int{{3, 0}, {0, 5}}), Want: "1.000000"},
		{Name: "one class never found", Got: macroF1([][]int{{4, 0}, {4, 0}}), Want: "0.333333"},
		{Name: "classes of unequal size", Got: macroF1([][]int{{90, 10}, {5, 5}}), Want: "0.661538"},
	}
}

// SCARLET

func scarletSize() []verdict.Check {
	kernels, rates, gates := 3, 2, 2
	return []verdict.Check{
		{Name: "choices of a layer, the stabiliser among them", Got: float64(kernels*rates*gates + 1), Want: "13"},
		{Name: "size of the space, 19 layers", Got: power(kernels*rates*gates+1, 19), Want: "1461920290375446110677"},
	}
}

// volume is an image by row, column, channel.
type volume [][][]float64

// wave fills with numbers that follow no pattern of the shape.
func wave(n int, phase float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Sin(12.9898*float64(i+1) + phase)
	}
	return out
}

func newVolume(h, w, c int, phase float64) volume {
	flat, v := wave(h*w*c, phase), make(volume, h)
	for y := range v {
		v[y] = make([][]float64, w)
		for x := range v[y] {
			v[y][x], flat = flat[:c:c], flat[c:]
		}
	}
	return v
}

// convolve applies a k×k kernel without bias, padded with zeros by k/2; kernel[y][x][in*out+o].
func convolve(in, kernel volume, channels, stride int) volume {
	k := len(kernel)
	out := newVolume((len(in)+stride-1)/stride, (len(in[0])+stride-1)/stride, channels, 0)
	for y := range out {
		for x := range out[y] {
			for o := range channels {
				sum := 0.0
				for dy := range k {
					for dx := range k {
						r, c := y*stride+dy-k/2, x*stride+dx-k/2
						if r < 0 || c < 0 || r >= len(in) || c >= len(in[0]) {
							continue
						}
						for i, v := range in[r][c] {
							sum += v * kernel[dy][dx][i*channels+o]
						}
					}
				}
				out[y][x][o] = sum
			}
		}
	}
	return out
}

// merge multiplies a 1×1 kernel into the kernel that follows it.
func merge(first, second volume, between, channels int) volume {
	in := len(first[0][0]) / between
	out := newVolume(len(second), len(second), in*channels, 0)
	for y := range out {
		for x := range out[y] {
			for i := range in {
				for o := range channels {
					sum := 0.0
					for b := range between {
						sum += first[0][0][i*between+b] * second[y][x][b*channels+o]
					}
					out[y][x][i*channels+o] = sum
				}
			}
		}
	}
	return out
}

// scarletMerge compares a linear 1×1 convolution and the convolution behind it with the two merged into one.
func scarletMerge() []verdict.Check {
	const channels, outputs = 4, 3
	image := newVolume(7, 6, channels, 0.3)
	identity := newVolume(1, 1, channels*channels, 0)
	for i := range identity[0][0] {
		identity[0][0][i] = 0
		if i/channels == i%channels {
			identity[0][0][i] = 1
		}
	}
	stabiliser := newVolume(1, 1, channels*channels, 1.1)
	worst := func(a, b volume) float64 {
		m := 0.0
		for y := range a {
			for x := range a[y] {
				for c := range a[y][x] {
					m = math.Max(m, math.Abs(a[y][x][c]-b[y][x][c]))
				}
			}
		}
		return m
	}
	var out []verdict.Check
	for _, k := range []int{1, 3, 5, 7} {
		for _, stride := range []int{1, 2} {
			kernel := newVolume(k, k, channels*outputs, 2.2)
			plain := convolve(image, kernel, outputs, stride)
			out = append(out,
				verdict.Check{
					Name: fmt.Sprintf("merged against one after the other, %d×%d, stride %d, largest error", k, k, stride),
					Got:  worst(convolve(image, merge(stabiliser, kernel, channels, outputs), outputs, stride), convolve(convolve(image, stabiliser, channels, 1), kernel, outputs, stride)),
					Want: "0.000000000",
				},
				verdict.Check{
					Name: fmt.Sprintf("with the identity against none, %d×%d, stride %d, largest error", k, k, stride),
					Got:  worst(convolve(convolve(image, identity, channels, 1), kernel, outputs, stride), plain),
					Want: "0.000000000",
				})
		}
	}
	return out
}

// MoGA

func moGASize() []verdict.Check {
	kernels, rates, gates := 3, 2, 2
	return []verdict.Check{
		{Name: "choices of a layer", Got: float64(kernels * rates * gates), Want: "12"},
		{Name: "size of the space, 14 layers", Got: power(kernels*rates*gates, 14), Want: "1283918464548864"},
	}
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

// FairNAS

// models is how many the paper trains by themselves to rank them.
const models = 13

func fairNASSize() []verdict.Check {
	kernels, rates := 3, 2
	return []verdict.Check{
		{Name: "choices of a layer", Got: float64(kernels * rates), Want: "6"},
		{Name: "size of the space, 19 layers", Got: power(kernels*rates, 19), Want: "609359740010496"},
	}
}

// orders counts the different sets of m models that permutations of m choices in each layer give.
func orders(m, layers int) int {
	permutations := combin.Permutations(m, m)
	seen := map[string]bool{}
	for c := range int(power(len(permutations), layers)) {
		paths := make([]string, m)
		for l, rest := 0, c; l < layers; l++ {
			for k, choice := range permutations[rest%len(permutations)] {
				paths[k] += strconv.Itoa(choice)
			}
			rest /= len(permutations)
		}
		slices.Sort(paths)
		seen[strings.Join(paths, " ")] = true
	}
	return len(seen)
}

func fairNASOrders() []verdict.Check {
	factorial := func(n int) int { return combin.NumPermutations(n, n) }
	var out []verdict.Check
	for _, c := range [][2]int{{2, 3}, {3, 2}, {3, 3}, {4, 2}, {3, 4}} {
		m, layers := c[0], c[1]
		out = append(out, verdict.Check{
			Name: fmt.Sprintf("sets of models, %d choices in %d layers, against (m!)^(L-1)", m, layers),
			Got:  float64(orders(m, layers)), Want: strconv.FormatFloat(power(factorial(m), layers-1), 'f', 0, 64),
		})
	}
	return append(out,
		verdict.Check{Name: "6!", Got: float64(factorial(6)), Want: "720"},
		verdict.Check{Name: "(6!)^18", Got: power(factorial(6), 18), Want: "2703864574375502950215699413336064000000000000000000"})
}

// draws visits how often each choice was taken, over all sequences of n draws of m choices.
func draws(n, m int, visit func(counts []int)) int {
	total := int(power(m, n))
	for c := range total {
		counts := make([]int, m)
		for i, rest := 0, c; i < n; i++ {
			counts[rest%m]++
			rest /= m
		}
		visit(counts)
	}
	return total
}

func fairNASLemma() []verdict.Check {
	equal := 0
	total := draws(6, 3, func(counts []int) {
		if slices.Min(counts) == slices.Max(counts) {
			equal++
		}
	})
	return []verdict.Check{
		{Name: "6 draws of 3, all sequences counted, less the lemma", Got: float64(equal)/float64(total) - fairnas.EqualProbability(6, 3), Want: "0.000000000"},
		{Name: "6 draws of 6", Got: fairnas.EqualProbability(6, 6), Want: "0.015432"},
		{Name: "12 draws of 6", Got: fairnas.EqualProbability(12, 6), Want: "0.0034383"},
		{Name: "60 draws of 6", Got: fairnas.EqualProbability(60, 6), Want: "0.0000746"},
		{Name: "600 draws of 6", Got: fairnas.EqualProbability(600, 6), Want: "0.000000246"},
		{Name: "60,000 draws of 6 over Stirling's limit", Got: fairnas.EqualProbability(60000, 6) / fairnas.EqualProbabilityLimit(60000, 6), Want: "1.000"},
	}
}

// fairNASUpdates is the variance of a choice's number of updates: uniform sampling against strict fairness.
func fairNASUpdates() []verdict.Check {
	var uniform, strict []float64
	draws(6, 3, func(counts []int) { uniform = append(uniform, float64(counts[0])) })
	for _, first := range combin.Permutations(3, 3) {
		for _, second := range combin.Permutations(3, 3) {
			n := 0
			for _, choice := range slices.Concat(first, second) {
				if choice == 0 {
					n++
				}
			}
			strict = append(strict, float64(n))
		}
	}
	return []verdict.Check{
		{Name: "6 uniform draws of 3 against n(1/m)(1-1/m)", Got: stat.PopVariance(uniform, nil), Want: fmt.Sprintf("%.9f", 6*(1.0/3)*(1-1.0/3))},
		{Name: "two strictly fair steps of 3", Got: stat.PopVariance(strict, nil), Want: "0.000000000"},
	}
}

// swapped are the ranks 0 to n-1 with so many pairs in the wrong order: a rank moves up past its neighbours.
func swapped(n, pairs int) (a, b []float64) {
	for i := range n {
		a, b = append(a, float64(i)), append(b, float64(i))
	}
	for end := n - 1; pairs > 0; end-- {
		for i := 0; i < end && pairs > 0; i, pairs = i+1, pairs-1 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	}
	return a, b
}

// tau is rank.TauB; NaN, which meets no expectation, where that has none.
func tau(a, b []float64) float64 {
	t, err := rank.TauB(a, b)
	if err != nil {
		return math.NaN()
	}
	return t
}

func fairNASMultiples() []verdict.Check {
	pairs := combin.Binomial(models, 2)
	fitting := func(printed string) int {
		n := 0
		for wrong := 0; wrong <= pairs; wrong++ {
			if fits(int64(math.Round(1e6*tau(swapped(models, wrong)))), printed) {
				n++
			}
		}
		return n
	}
	return []verdict.Check{
		{Name: "pairs of 13 models", Got: float64(pairs), Want: "78"},
		{Name: "tau with 2 pairs in the wrong order", Got: tau(swapped(models, 2)), Want: "0.94872"},
		{Name: "tau with 15 pairs in the wrong order", Got: tau(swapped(models, 15)), Want: "0.61538"},
		{Name: "numbers of wrong pairs that give 0.9487", Got: float64(fitting("0.9487")), Want: "1"},
		{Name: "numbers of wrong pairs that give 0.6153, cut off", Got: float64(fitting("0.6153")), Want: "1"},
		{Name: "numbers of wrong pairs that give 0.4781, so there are ties or other models", Got: float64(fitting("0.4781")), Want: "0"},
	}
}

// macroRows are the rows of NAS-Bench-Macro by code, in order.
func macroRows() (codes []string, rows []datasets.MacroRow, err error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, nil, err
	}
	for _, code := range slices.Sorted(maps.Keys(table)) {
		codes, rows = append(codes, code), append(rows, table[code])
	}
	return codes, rows, nil
}

// macroTaus are rank correlations over all of NAS-Bench-Macro: what a proxy reaches without training, and what a second
// training of the same network does.
var macroTaus = sync.OnceValues(func() ([]verdict.Check, error) {
	codes, rows, err := macroRows()
	if err != nil {
		return nil, err
	}
	var accuracy, flops, blocks []float64
	seeds := make([][]float64, 3)
	for i, r := range rows {
		accuracy, flops = append(accuracy, r.MeanAccuracy), append(flops, float64(r.FLOPs))
		blocks = append(blocks, float64(len(codes[i])-strings.Count(codes[i], "0")))
		for s := range seeds {
			seeds[s] = append(seeds[s], r.TestAccuracy[s])
		}
	}
	between := []float64{tau(seeds[0], seeds[1]), tau(seeds[0], seeds[2]), tau(seeds[1], seeds[2])}
	return []verdict.Check{
		{Name: "multiply-adds against mean accuracy", Got: tau(flops, accuracy), Want: "0.556"},
		{Name: "blocks that are no identity against mean accuracy", Got: tau(blocks, accuracy), Want: "0.693"},
		{Name: "one training against another, least", Got: slices.Min(between), Want: "0.880"},
		{Name: "one training against another, most", Got: slices.Max(between), Want: "0.882"},
	}, nil
})

func macroTable() ([]verdict.Check, error) {
	codes, rows, err := macroRows()
	if err != nil {
		return nil, err
	}
	byIdentities := make([][]float64, 9)
	var all, spread []float64
	for i, r := range rows {
		all, spread = append(all, r.MeanAccuracy), append(spread, r.Std)
		k := strings.Count(codes[i], "0")
		byIdentities[k] = append(byIdentities[k], r.MeanAccuracy)
	}
	out := []verdict.Check{
		{Name: "networks", Got: float64(len(rows)), Want: "6561"},
		{Name: "mean accuracy of all", Got: mean(all), Want: "90.247"},
		{Name: "best", Got: slices.Max(all), Want: "93.127"},
		{Name: "worst", Got: slices.Min(all), Want: "45.363"},
		{Name: "mean standard deviation over trainings", Got: mean(spread), Want: "0.151"},
	}
	for k, want := range []string{"92.55", "92.06", "91.41", "90.42", "88.87", "86.18", "80.59", "68.35", "45.36"} {
		out = append(out, verdict.Check{Name: fmt.Sprintf("mean accuracy with %d identities", k), Got: mean(byIdentities[k]), Want: want})
	}
	return out, nil
}

// fairNASStrict samples a thousand steps of FairNAS's supernet and counts what is not fair: steps after which the counters
// of a layer differ, and layers whose paths are no permutation of the choices.
func fairNASStrict() []verdict.Check {
	choices := slices.Repeat([]int{6}, 19)
	counters := make([][6]int, len(choices))
	random := rand.New(rand.NewPCG(1, 1))
	uneven, noPermutation := 0, 0
	for range 1000 {
		paths := search.Sample(search.Strict, choices, random)[0].Paths
		for l := range choices {
			var drawn [6]int
			for _, path := range paths {
				drawn[path[l]]++
				counters[l][path[l]]++
			}
			if drawn != [6]int{1, 1, 1, 1, 1, 1} {
				noPermutation++
			}
			if slices.Max(counters[l][:]) != slices.Min(counters[l][:]) {
				uneven++
			}
		}
	}
	return []verdict.Check{
		{Name: "counters of a layer that differ after a step, of 19,000", Want: "0", Got: float64(uneven)},
		{Name: "layers that draw no permutation, of 19,000", Want: "0", Got: float64(noPermutation)},
	}
}
