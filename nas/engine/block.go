package engine

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/nn"
)

// block is a module that runs as executables of its own.
type block struct {
	module nn.Module
	layout layout
	mode   nn.Mode
	in     []shapes.Shape
}

func (b *block) head(e *Engine) []shapes.Shape {
	var head []shapes.Shape
	if b.layout.weights > 0 {
		head = append(head, e.vector(b.layout.weights))
	}
	if b.layout.buffers > 0 {
		head = append(head, e.vector(b.layout.buffers))
	}
	return head
}

// split takes the flat vectors off an executable's parameters.
func (b *block) split(in []*graph.Node) (weights, buffers *graph.Node, rest []*graph.Node) {
	if b.layout.weights > 0 {
		weights, in = in[0], in[1:]
	}
	if b.layout.buffers > 0 {
		buffers, in = in[0], in[1:]
	}
	return weights, buffers, in
}

// forward: inputs [weights] [buffers] inputs…; outputs outputs… [buffers after].
func (b *block) forward(e *Engine) *executable {
	key := fmt.Sprintf("forward|%s|%+v", b.module.Signature(), b.mode)
	return e.executable(key, append(b.head(e), b.in...), func(in []*graph.Node) []*graph.Node {
		weights, buffers, rest := b.split(in)
		tensors := b.layout.cut(weights, buffers)
		c := nn.NewCtx(in[0].Graph(), b.mode, tensors)
		outs := append([]*graph.Node(nil), nn.Build(c, b.module, rest)...)
		if b.updatesBuffers() {
			outs = append(outs, b.layout.joinBuffers(c, tensors))
		}
		return outs
	})
}

func (b *block) updatesBuffers() bool { return b.mode.Train && b.layout.buffers > 0 }

// gradientOf says what a block's gradient computes.
type gradientOf struct {
	// root: the block's first output is the loss, and all outputs and buffers are wanted beside the gradients.
	root bool
	// cotangents: the outputs whose cotangents are inputs, when not root.
	cotangents []bool
	// weights: whether the flat weights' gradient is wanted.
	weights bool
	// inputs: which inputs' gradients are wanted.
	inputs []bool
}

// gradient: inputs [weights] [buffers] inputs… cotangents…; outputs (root: outputs… [buffers after]) [weights'
// gradient] inputs' gradients….
func (b *block) gradient(e *Engine, of gradientOf, outShapes []shapes.Shape) *executable {
	key := fmt.Sprintf("gradient|%s|%+v|root=%t|cot=%v|w=%t|in=%v", b.module.Signature(), b.mode, of.root, of.cotangents, of.weights, of.inputs)
	shapesIn := append(b.head(e), b.in...)
	if !of.root {
		for i, s := range outShapes {
			if of.cotangents[i] {
				shapesIn = append(shapesIn, s)
			}
		}
	}
	return e.executable(key, shapesIn, func(in []*graph.Node) []*graph.Node {
		weights, buffers, rest := b.split(in)
		inputs, cotangents := rest[:len(b.in)], rest[len(b.in):]
		tensors := b.layout.cut(weights, buffers)
		c := nn.NewCtx(in[0].Graph(), b.mode, tensors)
		outs := nn.Build(c, b.module, inputs)
		var loss *graph.Node
		if of.root {
			if loss = outs[0]; loss.Rank() != 0 {
				panic(fmt.Errorf("gradient: the module's first output must be a scalar loss, got %s", loss.Shape()))
			}
		} else {
			for i, out := range outs {
				if !of.cotangents[i] {
					continue
				}
				term := graph.ReduceAllSum(graph.Mul(out, graph.StopGradient(cotangents[0])))
				cotangents = cotangents[1:]
				if loss == nil {
					loss = term
				} else {
					loss = graph.Add(loss, term)
				}
			}
		}
		var wrt []*graph.Node
		pieces := 0
		if of.weights {
			for _, s := range b.layout.specs {
				if !s.Buffer {
					wrt = append(wrt, tensors[s.Name])
				}
			}
			pieces = len(wrt)
		}
		for i, x := range inputs {
			if of.inputs[i] {
				wrt = append(wrt, x)
			}
		}
		var results []*graph.Node
		if of.root {
			results = append(results, outs...)
			if b.updatesBuffers() {
				results = append(results, b.layout.joinBuffers(c, tensors))
			}
		}
		if len(wrt) == 0 {
			return results
		}
		grads := graph.Gradient(loss, wrt...)
		if of.weights {
			flat := make([]*graph.Node, pieces)
			for i, g := range grads[:pieces] {
				flat[i] = graph.Reshape(g, g.Shape().Size())
			}
			if n := b.layout.padding; n > 0 {
				flat = append(flat, graph.Zeros(in[0].Graph(), e.vector(n)))
			}
			results = append(results, concat(flat))
		}
		return append(results, grads[pieces:]...)
	})
}
