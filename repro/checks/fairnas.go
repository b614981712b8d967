package checks

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/combin"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/repro/verdict"
)

var fairNAS = map[string]check{
	"fairnas_gradient":        list(fairNASGradient),
	"fairnas_lemma":           sure(fairNASLemma),
	"fairnas_macro_table":     list(macroTable),
	"fairnas_macro_taus":      list(macroTaus),
	"fairnas_memory":          list(fairNASMemory),
	"fairnas_orders":          sure(fairNASOrders),
	"fairnas_size":            sure(fairNASSize),
	"fairnas_strict":          sure(fairNASStrict),
	"fairnas_tau":             value("tau with 2 of 78 pairs in the wrong order", func() (float64, error) { return rank.TauB(swapped(models, 2)) }),
	"fairnas_tau_multiples":   sure(fairNASMultiples),
	"fairnas_tau_spos":        value("tau with 15 of 78 pairs in the wrong order", func() (float64, error) { return rank.TauB(swapped(models, 15)) }),
	"fairnas_update_variance": sure(fairNASUpdates),
}

// models is how many the paper trains by themselves to rank them.
const models = 13

func fairNASSize() []verdict.Check {
	s := space.FairNAS()
	return []verdict.Check{
		{Name: "choices of a layer, least", Got: float64(slices.Min(s.Choices())), Want: "6"},
		{Name: "choices of a layer, most", Got: float64(slices.Max(s.Choices())), Want: "6"},
		{Name: "layers", Got: float64(len(s.Layers)), Want: "19"},
		{Name: "size of the space", Got: float(s.Size()), Want: "609359740010496"},
	}
}

// sets counts the different sets of models that strictly fair steps draw in layers of m choices each. So many steps are
// sampled that each of a few hundred sets is drawn.
func sets(m, layers int) int {
	random := rand.New(rand.NewPCG(uint64(m), uint64(layers)))
	seen := map[string]bool{}
	for range 5000 {
		paths := oneshot.Sampler{Way: oneshot.Strict, Choices: slices.Repeat([]int{m}, layers)}.Step(random)[0].Paths
		slices.SortFunc(paths, slices.Compare)
		seen[fmt.Sprint(paths)] = true
	}
	return len(seen)
}

func fairNASOrders() []verdict.Check {
	factorial := func(n int) int { return combin.NumPermutations(n, n) }
	var out []verdict.Check
	for _, c := range [][2]int{{2, 3}, {3, 2}, {3, 3}, {4, 2}, {3, 4}} {
		m, layers := c[0], c[1]
		out = append(out, verdict.Check{
			Name: fmt.Sprintf("sets of models drawn, %d choices in %d layers, against (m!)^(L-1)", m, layers),
			Got:  float64(sets(m, layers)), Want: strconv.FormatFloat(power(factorial(m), layers-1), 'f', 0, 64),
		})
	}
	choices := space.FairNAS().Choices()
	return append(out, verdict.Check{Name: "(m!)^(L-1) in FairNAS's space, that is (6!)^18", Got: power(factorial(choices[0]), len(choices)-1),
		Want: "2703864574375502950215699413336064000000000000000000"})
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

// sampled samples steps of FairNAS's supernet in a way of sampling and visits each layer's number of updates by choice.
func sampled(sampling string, steps int, visit func(layer int, updates []int)) {
	choices := space.FairNAS().Choices()
	random := rand.New(rand.NewPCG(1, 1))
	for range steps {
		updates := make([][]int, len(choices))
		for l, n := range choices {
			updates[l] = make([]int, n)
		}
		for _, u := range (oneshot.Sampler{Way: sampling, Choices: choices}).Step(random) {
			for _, path := range u.Paths {
				for l, k := range path {
					updates[l][k]++
				}
			}
		}
		for l := range updates {
			visit(l, updates[l])
		}
	}
}

// fairNASUpdates is the variance of a choice's number of updates in a step: uniform sampling against strict fairness.
func fairNASUpdates() []verdict.Check {
	variance := func(sampling string) float64 {
		var all []float64
		sampled(sampling, 20000, func(_ int, updates []int) {
			for _, n := range updates {
				all = append(all, float64(n))
			}
		})
		return stat.PopVariance(all, nil)
	}
	m := float64(space.FairNAS().Choices()[0])
	return []verdict.Check{
		{Name: "m uniform draws of m choices over m(1/m)(1-1/m)", Got: variance(oneshot.Uniform) / (1 - 1/m), Want: "1.00"},
		{Name: "a strictly fair step", Got: variance(oneshot.Strict), Want: "0.000000000"},
	}
}

// fairNASStrict counts what is not fair in a thousand strictly fair steps: layers whose counters differ after a step, and
// layers whose paths are no permutation of the choices.
func fairNASStrict() []verdict.Check {
	counters := map[int][]int{}
	uneven, noPermutation := 0, 0
	sampled(oneshot.Strict, 1000, func(layer int, updates []int) {
		if slices.Min(updates) != 1 || slices.Max(updates) != 1 {
			noPermutation++
		}
		if counters[layer] == nil {
			counters[layer] = make([]int, len(updates))
		}
		for k, n := range updates {
			counters[layer][k] += n
		}
		if slices.Max(counters[layer]) != slices.Min(counters[layer]) {
			uneven++
		}
	})
	return []verdict.Check{
		{Name: "counters of a layer that differ after a step, of 19,000", Want: "0", Got: float64(uneven)},
		{Name: "layers that draw no permutation, of 19,000", Want: "0", Got: float64(noPermutation)},
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

// macroNetwork is a network of NAS-Bench-Macro: its row of the table, and how many layers of the space's are more than an
// identity, or what stands for it where the layer halves the image.
type macroNetwork struct {
	datasets.MacroRow
	blocks int
}

// macroNetworks are those of the table, in the order of their codes in the space.
func macroNetworks() ([]macroNetwork, error) {
	table, err := datasets.NASBenchMacro()
	if err != nil {
		return nil, err
	}
	s := space.NASBenchMacro()
	var out []macroNetwork
	for _, code := range slices.Sorted(maps.Keys(table)) {
		path, err := s.Parse(code)
		if err != nil {
			return nil, err
		}
		n := macroNetwork{MacroRow: table[code]}
		for l, k := range path {
			if s.Layers[l][k].Op == arch.OpBottleneck {
				n.blocks++
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// macroTaus are rank correlations over all of NAS-Bench-Macro: what a proxy reaches without training, and what a second
// training of the same network does.
func macroTaus() ([]verdict.Check, error) {
	networks, err := macroNetworks()
	if err != nil {
		return nil, err
	}
	var accuracy, flops, blocks []float64
	seeds := make([][]float64, 3)
	for _, n := range networks {
		accuracy, flops, blocks = append(accuracy, n.MeanAccuracy), append(flops, float64(n.FLOPs)), append(blocks, float64(n.blocks))
		for s := range seeds {
			seeds[s] = append(seeds[s], n.TestAccuracy[s])
		}
	}
	between := []float64{tau(seeds[0], seeds[1]), tau(seeds[0], seeds[2]), tau(seeds[1], seeds[2])}
	return []verdict.Check{
		{Name: "multiply-adds against mean accuracy", Got: tau(flops, accuracy), Want: "0.556"},
		{Name: "blocks that are no identity against mean accuracy", Got: tau(blocks, accuracy), Want: "0.693"},
		{Name: "one training against another, least", Got: slices.Min(between), Want: "0.880"},
		{Name: "one training against another, most", Got: slices.Max(between), Want: "0.882"},
	}, nil
}

func macroTable() ([]verdict.Check, error) {
	networks, err := macroNetworks()
	if err != nil {
		return nil, err
	}
	s := space.NASBenchMacro()
	byIdentities := make([][]float64, len(s.Layers)+1)
	var all, spread []float64
	for _, n := range networks {
		all, spread = append(all, n.MeanAccuracy), append(spread, n.Std)
		k := len(s.Layers) - n.blocks
		byIdentities[k] = append(byIdentities[k], n.MeanAccuracy)
	}
	out := []verdict.Check{
		{Name: "networks of the table", Got: float64(len(networks)), Want: "6561"},
		{Name: "networks of the space", Got: float(s.Size()), Want: "6561"},
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

// fairNASGradient compares the gradient of a strictly fair step with the sum of those of its paths one by one.
func fairNASGradient() (out []verdict.Check, err error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	p := space.NASBenchMacro().Resized(8, 10)
	root, err := p.Supernet()
	if err != nil {
		return nil, err
	}
	m, err := e.NewModel(root, nn.Edge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	if err := m.Load(nn.Initialise(root.Specs(), 1)); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(1907, 1845))
	x, y := e.Tensor(noise(random, 4*8*8*3), 4, 8, 8, 3), tensors.FromFlatDataAndDimensions([]int32{1, 2, 3, 4}, 4)
	defer func() { err = errors.Join(err, x.FinalizeAll(), y.FinalizeAll()) }()
	gradient := func(paths [][]int) (map[string][]float64, error) {
		objective, err := oneshot.TrainObjective(p, paths)
		if err != nil {
			return nil, err
		}
		g, err := m.Path(objective).Gradient(nn.Mode{Train: true}, true, nil, x, y)
		if err != nil {
			return nil, err
		}
		all, err := m.WeightGradients(g)
		return all, errors.Join(err, g.Finalize())
	}
	paths := oneshot.Sampler{Way: oneshot.Strict, Choices: p.Choices()}.Step(random)[0].Paths
	step, err := gradient(paths)
	if err != nil {
		return nil, err
	}
	sums := map[string][]float64{}
	for _, path := range paths {
		one, err := gradient([][]int{path})
		if err != nil {
			return nil, err
		}
		for name, g := range one {
			if sums[name] == nil {
				sums[name] = make([]float64, len(g))
			}
			floats.Add(sums[name], g)
		}
	}
	worst := 0.0
	for name, sum := range sums {
		if len(step[name]) != len(sum) {
			return nil, fmt.Errorf("gradient of %s: expected %d numbers in the step, got %d", name, len(sum), len(step[name]))
		}
		if size := floats.Norm(sum, math.Inf(1)); size > 0 {
			worst = max(worst, floats.Distance(step[name], sum, math.Inf(1))/size)
		}
	}
	return []verdict.Check{
		{Name: "tensors with a gradient in the step less those in the paths", Got: float64(len(step) - len(sums)), Want: "0"},
		{Name: fmt.Sprintf("largest difference over a tensor's largest entry, %d tensors", len(sums)), Got: worst, Want: "0"},
	}, nil
}

// fairNASMemory counts what a pass of one image batch keeps for its gradient on FairNAS's supernet: one path, the sum of two
// choices a layer, and of all six.
func fairNASMemory() (out []verdict.Check, err error) {
	e, err := exactEngine()
	if err != nil {
		return nil, err
	}
	e = engine.New(e.Backend()) // the bytes are those of float32
	p := space.FairNAS()
	root, err := p.Supernet()
	if err != nil {
		return nil, err
	}
	m, err := e.NewModel(root, nn.Edge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	var kept []int64
	for _, n := range []int{1, 2, 6} {
		net, err := p.Mixed(n)
		if err != nil {
			return nil, err
		}
		loss := engine.LossModule(0)
		objective := nn.NewComposite("loss|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(e nn.Env, in []nn.Value) []nn.Value {
			return e.Call("", loss, nn.Call1(e, "", net, in[0]), in[1])
		})
		of, err := m.Path(objective).Memory(nn.Mode{Train: true}, true, nil, shapes.Make(dtypes.Float32, 64, 224, 224, 3), shapes.Make(dtypes.Int32, 64))
		if err != nil {
			return nil, err
		}
		kept = append(kept, of.Kept)
	}
	for i, pair := range [][2]string{{"one path", "two choices a layer"}, {"two choices a layer", "all six"}} {
		less := 0.0
		if kept[i] < kept[i+1] {
			less = 1
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("%s keeps %d bytes of blocks' results at batch 64, less than the %d of %s", pair[0], kept[i], kept[i+1], pair[1]), Got: less, Want: "1"})
	}
	return out, nil
}
