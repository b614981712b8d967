// Package onnx writes networks as ONNX: it builds the graph of a network's evaluation on a backend that notes every operation in
// ONNX's terms, so that whatever the layers are made of is translated, and nothing is described twice.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/safetensors"
	"github.com/gonas/gonas/nas/space"
)

// Opset is the version of ONNX's operators that files are written in, with the version of the file's form that goes with it.
const (
	Opset     = 17
	irVersion = 8
)

// Names of the network's input and output.
const (
	Input  = "input"
	Output = "logits"
)

// Write writes a network with its tensors, by PyTorch's names and in its layout, as ONNX. The input is [batch, channels, height,
// width] as PyTorch has it, of float32, the output [batch, classes]; batch is fixed, for shapes are written out. The auxiliary
// head and the batch norms' counters are no part of an evaluation and are left out.
func Write(w io.Writer, network arch.Network, tensors map[string]safetensors.Tensor, batch int) error {
	if batch < 1 {
		return fmt.Errorf("ONNX: batch: expected at least 1, got %d", batch)
	}
	module, err := space.Network(network, space.NetworkOptions{})
	if err != nil {
		return fmt.Errorf("ONNX: %w", err)
	}
	inner, err := gobackend.New("")
	if err != nil {
		return err
	}
	defer inner.Finalize()
	r := &recorder{names: map[compute.Value]string{}, constants: map[string]string{}}
	weights := map[string][]float32{}
	for _, s := range module.Specs() {
		if s.Counter {
			continue
		}
		t, ok := tensors[s.Name]
		if !ok || !slices.Equal(t.Shape, s.Shape) {
			return fmt.Errorf("ONNX: tensor %q: expected shape %v, got %v", s.Name, s.Shape, t.Shape)
		}
		values, err := t.Float32()
		if err != nil {
			return fmt.Errorf("ONNX: tensor %q: %w", s.Name, err)
		}
		if weights[s.Name], err = nn.ToEngine(s, values); err != nil {
			return fmt.Errorf("ONNX: tensor %q: %w", s.Name, err)
		}
	}
	err = exceptions.TryCatch[error](func() {
		g := graph.NewGraph(backend{inner, r}, "onnx")
		defer g.Finalize()
		parameters := map[string]*graph.Node{}
		for _, s := range module.Specs() {
			if !s.Counter {
				r.initializers = append(r.initializers, floats(s.Name, s.EngineShape(), weights[s.Name]))
				parameters[s.Name] = graph.Parameter(g, s.Name, shapes.Make(dtypes.Float32, s.EngineShape()...))
			}
		}
		in := network.Input
		images := graph.Parameter(g, Input, shapes.Make(dtypes.Float32, batch, in[2], in[0], in[1]))
		out := nn.Build(nn.NewCtx(g, nn.Mode{}, parameters), module, []*graph.Node{graph.TransposeAllAxes(images, 0, 2, 3, 1)})
		g.Compile(out[0])
	})
	if err != nil && !errors.Is(err, errRecorded) {
		return fmt.Errorf("ONNX: %w", err)
	}
	if r.err != nil {
		return fmt.Errorf("ONNX: %w", r.err)
	}
	_, err = w.Write(r.model(batch, network))
	return err
}
