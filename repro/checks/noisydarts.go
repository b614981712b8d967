package checks

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/noisydarts"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var noisyDARTS = map[string]check{
	"noisydarts_moments":        list(noisyDARTSMoments),
	"noisydarts_one_convention": list(noisyDARTSConvention),
	"noisydarts_unbiased":       list(noisyDARTSUnbiased),
	"noisydarts_uniform":        list(noisyDARTSUniform),
}

func noisyDARTSConvention() ([]verdict.Check, error) {
	var columns []column
	for _, letter := range "abcdefghij" {
		columns = append(columns, column{"nd-" + string(letter), "multiply-adds", "noisydarts-" + string(letter)})
	}
	best, err := bestConvention(columns, slices.DeleteFunc(slices.Clone(zoo.Conventions), func(c string) bool { return !strings.HasPrefix(c, zoo.ConventionMACs) }))
	return []verdict.Check{{Name: "networks a to j whose multiply-adds the best single convention fits", Got: float64(best), Want: strconv.Itoa(len(columns))}}, err
}

// noisyDARTSConfig is the configuration of a variant at the published protocol.
func noisyDARTSConfig(variant string) (noisydarts.Config, error) {
	c, err := noisydarts.Method().Config("paper", variant)
	if err != nil {
		return noisydarts.Config{}, err
	}
	return *c.(*noisydarts.Config), nil
}

// noisySide and noisyChannels are of the images that noise is drawn for; noisyDraws is how often.
const noisySide, noisyChannels, noisyDraws = 32, 8, 32

// noisyRun runs a module once with the formula's weights: its outputs in a mode, and the gradient of the first for inputs, in
// training.
func noisyRun(e *engine.Engine, root nn.Module, mode nn.Mode, inputs []int, in ...*tensors.Tensor) (out, grads [][]float64, err error) {
	m, err := e.NewModel(root, nn.Network)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, m.Finalize()) }()
	if err := m.Load(nn.Initialise(root.Specs(), 1)); err != nil {
		return nil, nil, err
	}
	values := func(list []*tensors.Tensor) (rows [][]float64, err error) {
		for _, t := range list {
			v, err := engine.Values(t)
			if err != nil {
				return nil, err
			}
			rows = append(rows, v)
		}
		return rows, nil
	}
	if inputs == nil {
		list, err := m.Run(mode, in...)
		if err != nil {
			return nil, nil, err
		}
		out, err = values(list)
		return out, nil, err
	}
	g, err := m.Gradient(mode, false, inputs, in...)
	if err != nil {
		return nil, nil, err
	}
	if out, err = values(g.Outputs); err != nil {
		return nil, nil, err
	}
	grads, err = values(g.Inputs)
	return out, grads, errors.Join(err, g.Finalize())
}

// noisyState is a random state of a number.
func noisyState(n int) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions([]uint64{uint64(n) + 1, 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9}, 3)
}

// noisySkip puts the search's own noise on made-up images, in a mode: the image, and what the noise added to it in many draws.
func noisySkip(c noisydarts.Config, mode nn.Mode) (x, added []float64, err error) {
	e, err := exactEngine()
	if err != nil {
		return nil, nil, err
	}
	op, err := nn.SearchPrimitive(nn.SkipConnect, noisyChannels, 1)
	if err != nil {
		return nil, nil, err
	}
	shape := []int{2, noisySide, noisySide, noisyChannels}
	x = golden.Input("image", shape)
	mean, scale := c.Noise.At(0, c.Epochs)
	for draw := range noisyDraws {
		out, _, err := noisyRun(e, noisydarts.Skip(op, c, noisydarts.Drawn(c.Noise.Kind)), mode, nil,
			e.Tensor(x, shape...), e.Scalar(1), noisyState(draw), e.Scalar(mean), e.Scalar(scale))
		if err != nil {
			return nil, nil, err
		}
		for i, v := range out[0] {
			added = append(added, v-x[i])
		}
	}
	return x, added, nil
}

// noisyDARTSUniform are mean and variance of the uniform noise of the two variants that have it, over half a million draws.
func noisyDARTSUniform() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, variant := range []string{"as-c", "as-d"} {
		c, err := noisyDARTSConfig(variant)
		if err != nil {
			return nil, err
		}
		_, noise, err := noisySkip(c, nn.Mode{Train: true})
		if err != nil {
			return nil, err
		}
		mean, variance := stat.MeanVariance(noise, nil)
		factor := strconv.FormatFloat(c.Noise.Factor, 'g', -1, 64)
		largest := largest(noise)
		out = append(out,
			verdict.Check{Name: "mean, factor " + factor, Got: mean, Want: "0"}, verdict.Check{Name: "variance, factor " + factor, Got: variance, Want: factor},
			verdict.Check{Name: "largest magnitude over the root of three times the factor, factor " + factor, Got: largest / math.Sqrt(3*c.Noise.Factor), Want: "1"})
	}
	return out, nil
}

// noisyDARTSMoments are mean and standard deviation, as a part of the input's, of the Gaussian noise of a and b, and what is
// there in evaluation.
func noisyDARTSMoments() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, variant := range []string{"", "as-b"} {
		c, err := noisyDARTSConfig(variant)
		if err != nil {
			return nil, err
		}
		x, noise, err := noisySkip(c, nn.Mode{Train: true})
		if err != nil {
			return nil, err
		}
		_, still, err := noisySkip(c, nn.Mode{})
		if err != nil {
			return nil, err
		}
		lambda := strconv.FormatFloat(c.Noise.Factor, 'g', -1, 64)
		mean, std := stat.MeanStdDev(noise, nil)
		out = append(out, verdict.Check{Name: "mean, lambda " + lambda, Got: mean, Want: "0"},
			verdict.Check{Name: "standard deviation over the input's, lambda " + lambda, Got: std / stat.StdDev(x, nil), Want: lambda},
			verdict.Check{Name: "largest magnitude in evaluation, lambda " + lambda, Got: largest(still), Want: "0"})
	}
	return out, nil
}

// noisyDARTSUnbiased compares gradients of the skip's architecture parameter behind a linear head, on an edge with all
// operations in training mode: the mean of those of a noise and of its mirror image, which is as likely, against the one
// without noise, over their difference. Where it is 0 for every pair, the expected gradient is that without noise.
func noisyDARTSUnbiased() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, variant := range []string{"", "as-c", "as-e"} {
		c, err := noisyDARTSConfig(variant)
		if err != nil {
			return nil, err
		}
		for _, stride := range []int{1, 2} {
			worst := 0.0
			for draw := range 4 {
				var g []float64
				for _, sign := range []float64{1, -1, 0} {
					x, err := noisyGradient(c, stride, sign, draw)
					if err != nil {
						return nil, err
					}
					g = append(g, x)
				}
				if g[0] == g[1] {
					return nil, fmt.Errorf("variant %q: the noise does not reach the gradient", variant)
				}
				worst = max(worst, math.Abs(((g[0]+g[1])/2-g[2])/(g[0]-g[1])))
			}
			out = append(out, verdict.Check{Name: fmt.Sprintf("deviation over the noise's part, %s %s noise, stride %d", c.Noise.Kind, c.Noise.Mixture, stride), Got: worst, Want: "0"})
		}
	}
	return out, nil
}

// noisyGradient is that of the skip's parameter with a draw of the noise times a sign; 0 is without noise.
func noisyGradient(c noisydarts.Config, stride int, sign float64, draw int) (float64, error) {
	e, err := exactEngine()
	if err != nil {
		return 0, err
	}
	drawn := noisydarts.Drawn(c.Noise.Kind)
	source := nn.NewLeaf(fmt.Sprintf("%s times %g", drawn.Signature(), sign), nil, func(ctx *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.MulScalar(nn.Build(ctx, drawn, in)[0], sign)}
	})
	edge, err := noisydarts.Edge(space.EdgeAt{Channels: 4, Stride: stride}, c.Primitives, c, source)
	if err != nil {
		return 0, err
	}
	head := nn.NewLeaf("head", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		h := graph.AddScalar(graph.Cos(graph.IotaFull(in[0].Graph(), in[0].Shape())), 0.5)
		return []*graph.Node{graph.ReduceAllSum(graph.Mul(in[0], h))}
	})
	ops := len(c.Primitives)
	relax := nn.NewLeaf("relax", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Reshape(nn.SoftmaxRows(in[0]), ops)}
	})
	root := nn.NewComposite("linear|"+edge.Signature(), nn.Network, []nn.Child{{Module: edge}}, func(e nn.Env, in []nn.Value) []nn.Value {
		edgeIn := append([]nn.Value{in[0], nn.Call1(e, "", relax, in[1])}, in[2:]...)
		return e.Call("", head, nn.Call1(e, "", edge, edgeIn...))
	})
	shape := []int{2, 8, 8, 4}
	mean, scale := c.Noise.At(0, c.Epochs)
	_, grads, err := noisyRun(e, root, nn.Mode{Train: true}, []int{1}, e.Tensor(golden.Input("image", shape), shape...),
		e.Tensor(golden.Input("alphas", []int{ops}), 1, ops), noisyState(draw), e.Scalar(mean), e.Scalar(scale))
	if err != nil {
		return 0, err
	}
	return grads[0][slices.Index(c.Primitives, nn.SkipConnect)], nil
}
