package checks

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/ascnas"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var ascChecks = map[string]check{
	"asc_cost":            list(ascCost),
	"asc_receptive_field": list(ascReceptiveField),
	"asc_macro_f1":        list(ascMacroF1),
	"asc_nsga":            list(ascNSGA),
	"asc_baseline":        list(ascBaseline),
}

// Side and channels of the image behind the stem of the networks that the checks look at.
const (
	ascSide     = 15
	ascChannels = 4
)

// ascNetwork has a separable block for each direction, of one kernel, on an image that the stem leaves as it is.
func ascNetwork(kernel int, directions ...string) arch.Network {
	n := arch.Network{Input: [3]int{ascSide, ascSide, 1}, Classes: 2, Chain: &arch.Chain{Naming: arch.NamingPlain,
		Stem: arch.Conv{Out: ascChannels, Kernel: 1, Stride: 1, Activation: "relu"}, Classifier: "classifier"}}
	for i, d := range directions {
		n.Chain.Blocks = append(n.Chain.Blocks, arch.Block{Name: fmt.Sprintf("blocks.%d", i), Op: arch.OpSeparable, Direction: d,
			In: ascChannels, Out: ascChannels, Kernel: kernel, Stride: 1, Activation: "relu"})
	}
	return n
}

// ascKernels are those that the searched spaces have.
func ascKernels() (kernels []int) {
	for _, choices := range space.Scenes().Layers {
		for _, b := range choices {
			if !slices.Contains(kernels, b.Kernel) {
				kernels = append(kernels, b.Kernel)
			}
		}
	}
	slices.Sort(kernels)
	return kernels
}

// ascCost counts the multiplies of depthwise kernels for an output of a channel: what networks have beside those of kernels
// of 1, which have one a block.
func ascCost() ([]verdict.Check, error) {
	of := func(kernel int, directions ...string) (float64, error) {
		var macs [2]int64
		for i, k := range []int{1, kernel} {
			n, err := zoo.New("kernels", ascNetwork(k, directions...))
			if err != nil {
				return 0, err
			}
			counts, err := n.Counts()
			if err != nil {
				return 0, err
			}
			macs[i] = counts[zoo.ConventionMACs]
		}
		return float64(macs[1]-macs[0])/(ascSide*ascSide*ascChannels) + float64(len(directions)), nil
	}
	var out []verdict.Check
	for _, k := range ascKernels() {
		pair, err := of(k, arch.DirectionTime, arch.DirectionFrequency)
		if err != nil {
			return nil, err
		}
		square, err := of(k, "")
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("multiplies of %d×1 and 1×%d", k, k), Got: pair, Want: fmt.Sprint(2 * k)},
			verdict.Check{Name: fmt.Sprintf("multiplies of %d×%d", k, k), Got: square, Want: fmt.Sprint(k * k)})
	}
	return out, nil
}

// ascReceptiveField looks which pixels of the input move the middle of what the blocks put out.
func ascReceptiveField() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, k := range ascKernels() {
		for _, of := range []struct {
			name       string
			directions []string
			want       [2]int
		}{
			{fmt.Sprintf("%d×1 and 1×%d", k, k), []string{arch.DirectionTime, arch.DirectionFrequency}, [2]int{k, k}},
			{fmt.Sprintf("%d×%d", k, k), []string{""}, [2]int{k, k}},
			{fmt.Sprintf("%d×1", k), []string{arch.DirectionTime}, [2]int{k, 1}},
		} {
			field, pixels, err := receptiveField(ascNetwork(k, of.directions...))
			if err != nil {
				return nil, err
			}
			out = append(out, verdict.Check{Name: "height of the field of " + of.name, Got: float64(field[0]), Want: fmt.Sprint(of.want[0])},
				verdict.Check{Name: "width of the field of " + of.name, Got: float64(field[1]), Want: fmt.Sprint(of.want[1])},
				verdict.Check{Name: "pixels of the field of " + of.name, Got: float64(pixels), Want: fmt.Sprint(of.want[0] * of.want[1])})
		}
	}
	return out, nil
}

// receptiveField is how high and wide the pixels lie that the middle of a chain's last block depends on, and how many they
// are, by the gradient where all weights are 1.
func receptiveField(a arch.Network) (field [2]int, pixels int, err error) {
	e, err := exactEngine()
	if err != nil {
		return field, 0, err
	}
	net, err := space.Network(a, space.NetworkOptions{Taps: true})
	if err != nil {
		return field, 0, err
	}
	taps := space.Taps(a)
	last := 1 + slices.Index(taps, a.Chain.Blocks[len(a.Chain.Blocks)-1].Name) // the logits stand before them
	middle := nn.NewLeaf("middle", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		x := in[0]
		at := x.Shape().Dimensions
		return []*graph.Node{graph.ReduceAllSum(graph.Slice(x, graph.AxisRange(), graph.AxisElem(at[1]/2), graph.AxisElem(at[2]/2), graph.AxisRange()))}
	})
	root := nn.NewComposite("middle|"+net.Signature(), nn.Network, []nn.Child{{Module: net}}, func(env nn.Env, in []nn.Value) []nn.Value {
		return env.Call("", middle, env.Call("", net, in[0])[last])
	})
	m, err := e.NewModel(root, nn.Operation)
	if err != nil {
		return field, 0, err
	}
	state := nn.Initialise(root.Specs(), 0)
	for _, s := range root.Specs() {
		for i := range state[s.Name] {
			if !s.Buffer {
				state[s.Name][i] = 1
			}
		}
	}
	if err := m.Load(state); err != nil {
		return field, 0, err
	}
	in := a.Input
	ones := make([]float64, in[0]*in[1]*in[2])
	for i := range ones {
		ones[i] = 1
	}
	g, err := m.Gradient(nn.Mode{}, false, []int{0}, tensors.FromFlatDataAndDimensions(ones, 1, in[0], in[1], in[2]))
	if err != nil {
		return field, 0, err
	}
	gradient, err := engine.Values(g.Inputs[0])
	if err != nil {
		return field, 0, err
	}
	low, high := [2]int{in[0], in[1]}, [2]int{-1, -1}
	for i, v := range gradient {
		if v == 0 {
			continue
		}
		pixels++
		for axis, at := range [2]int{i / in[2] / in[1], i / in[2] % in[1]} {
			low[axis], high[axis] = min(low[axis], at), max(high[axis], at)
		}
	}
	return [2]int{high[0] - low[0] + 1, high[1] - low[1] + 1}, pixels, nil
}

// ascMacroF1 takes the search's macro F1 on counts by hand.
func ascMacroF1() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range []struct {
		name                string
		labels, predictions []int32
		classes             int
		want                string
	}{
		{"macro F1 of 0.8, 0 and 0", []int32{0, 1, 2, 0, 1, 2}, []int32{0, 2, 1, 0, 0, 1}, 3, "0.26667"},
		{"macro F1 where all are right", []int32{0, 1, 2}, []int32{0, 1, 2}, 3, "1"},
		{"macro F1 of 0 and 2/3, one answer for two even classes", []int32{0, 0, 1, 1}, []int32{1, 1, 1, 1}, 2, "0.33333"},
		{"macro F1 of 1, 1 and a class neither there nor predicted", []int32{0, 1}, []int32{0, 1}, 3, "0.66667"},
		{"macro F1 of 18/19 and 0, the accuracy being 0.9", []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]int32, 10), 2, "0.47368"},
	} {
		m, err := rank.ConfusionMatrix(c.labels, c.predictions, c.classes)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: c.name, Got: rank.MacroF1(m), Want: c.want})
	}
	return out, nil
}

// ascBaseline looks at the baseline of the published size: one-way kernels of 3 in turn, expansion 6, MobileNetV2's channels.
func ascBaseline() ([]verdict.Check, error) {
	p := space.Scenes()
	path, err := ascnas.Baseline(p)
	if err != nil {
		return nil, err
	}
	network, err := p.Network(path)
	if err != nil {
		return nil, err
	}
	mobile, err := zoo.Get("mobilenetv2")
	if err != nil {
		return nil, err
	}
	turns, channels := 0, 0
	for i, b := range network.Chain.Blocks {
		if i > 0 && b.Direction == network.Chain.Blocks[i-1].Direction {
			turns++
		}
		if of := mobile.Network.Chain.Blocks[i]; of.In != b.In || of.Out != b.Out || of.Hidden != b.Hidden || of.Stride != b.Stride || of.Kernel != b.Kernel {
			channels++
		}
	}
	return []verdict.Check{
		{Name: "blocks", Got: float64(len(network.Chain.Blocks)), Want: fmt.Sprint(len(mobile.Network.Chain.Blocks))},
		{Name: "blocks that look along the axis of the block before", Got: float64(turns), Want: "0"},
		{Name: "blocks whose channels, stride or kernel size are not MobileNetV2's", Got: float64(channels), Want: "0"},
	}, nil
}

// ascNSGA looks at the search's sorting and crowding distance on random points, and at searches of problems whose fronts are
// known: ZDT1 to 3.
func ascNSGA() ([]verdict.Check, error) {
	objectives := []evolve.Objective{{Name: "f1", Direction: evolve.Minimise}, {Name: "f2", Direction: evolve.Minimise}}
	wrong, worst, err := sortedPoints(objectives)
	if err != nil {
		return nil, err
	}
	fell, reached := 0, 0
	names := []string{"zdt1", "zdt2", "zdt3"}
	for _, name := range names {
		p, err := evolve.LookupProblem(name)
		if err != nil {
			return nil, err
		}
		c := evolve.DefaultConfig(p.Objectives...)
		c.Generations = 150
		s, err := evolve.Run(context.Background(), c, p.Space, p, nil, nil)
		if err != nil {
			return nil, err
		}
		best := []float64{math.Inf(1), math.Inf(1)}
		for _, generation := range s.History {
			for o := range best {
				least := math.Inf(1)
				for _, v := range generation.Front {
					least = min(least, v[o])
				}
				if least > best[o] {
					fell++
				}
				best[o] = least
			}
		}
		v, err := evolve.Hypervolume(s.History[len(s.History)-1].Front, p.Reference, p.Objectives)
		if err != nil {
			return nil, err
		}
		if v > 0.95*p.Hypervolume && v < p.Hypervolume {
			reached++
		}
	}
	return []verdict.Check{
		{Name: "points in a front that is not theirs by the definition of domination", Got: float64(wrong), Want: "0"},
		{Name: "largest difference of a crowding distance from its definition", Got: worst, Want: "0"},
		{Name: "generations that lost the best value of an objective", Got: float64(fell), Want: "0"},
		{Name: "problems of ZDT1 to 3 of whose front a search of 150 generations dominates 95 % of the volume", Got: float64(reached), Want: fmt.Sprint(len(names))},
	}, nil
}

// sortedPoints counts points that are in another front than as many steps of taking away what nothing dominates say, and gives
// the largest difference of a crowding distance of a first front from the sum of its neighbours' distances over the ranges.
func sortedPoints(objectives []evolve.Objective) (wrong int, worst float64, err error) {
	r := rand.New(rand.NewPCG(1912, 12825))
	for range 20 {
		points := make([]evolve.Measured, 60)
		for i := range points {
			points[i].Values = []float64{r.Float64(), r.Float64()}
		}
		fronts, err := evolve.Fronts(points, objectives)
		if err != nil {
			return 0, 0, err
		}
		left := map[int]bool{}
		for i := range points {
			left[i] = true
		}
		dominates := func(a, b []float64) bool { return a[0] <= b[0] && a[1] <= b[1] && (a[0] < b[0] || a[1] < b[1]) }
		for _, front := range fronts {
			in := map[int]bool{}
			for _, i := range front {
				in[i] = true
			}
			for i := range left {
				free := true
				for j := range left {
					free = free && !dominates(points[j].Values, points[i].Values)
				}
				if free != in[i] {
					wrong++
				}
			}
			for _, i := range front {
				delete(left, i)
			}
		}
		wrong += len(left)
		var first []evolve.Measured
		for _, i := range fronts[0] {
			first = append(first, points[i])
		}
		distances, err := evolve.Crowding(first, objectives, nil)
		if err != nil {
			return 0, 0, err
		}
		for i, d := range distances {
			if want := crowdingOf(first, i); math.IsInf(want, 1) != math.IsInf(float64(d), 1) {
				worst = math.Inf(1)
			} else if !math.IsInf(want, 1) {
				worst = max(worst, math.Abs(want-float64(d)))
			}
		}
	}
	return wrong, worst, nil
}

// crowdingOf is the distance of point i of a front by its definition.
func crowdingOf(front []evolve.Measured, i int) (sum float64) {
	for o := range front[i].Values {
		var values []float64
		for _, m := range front {
			values = append(values, m.Values[o])
		}
		slices.Sort(values)
		at := slices.Index(values, front[i].Values[o])
		if at == 0 || at == len(values)-1 {
			return math.Inf(1)
		}
		sum += (values[at+1] - values[at-1]) / (values[len(values)-1] - values[0])
	}
	return sum
}
