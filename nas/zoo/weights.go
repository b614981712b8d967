package zoo

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/safetensors"
	"github.com/gonas/gonas/nas/space"
)

// Weights are a network's tensors by the names and in the layout of PyTorch's state_dict, the auxiliary head's and the
// batch norms' counters included.
type Weights map[string]safetensors.Tensor

const auxiliaryPrefix = "auxiliary_head."

// Specs are all tensors of the network in the order of PyTorch's state_dict, the auxiliary head's included.
func (n *Net) Specs() ([]nn.Spec, error) {
	m, err := n.Module(space.NetworkOptions{Auxiliary: n.Network.Cells != nil})
	if err != nil {
		return nil, err
	}
	return m.Specs(), nil
}

// InitialWeights are fresh weights, drawn as PyTorch's constructors draw them.
func (n *Net) InitialWeights(seed uint64) (Weights, error) {
	specs, err := n.Specs()
	if err != nil {
		return nil, err
	}
	values := nn.Initialise(specs, seed)
	return weights(specs, func(s nn.Spec) []float32 { return values[s.Name] }), nil
}

// GoldenWeights are the values of package golden's formula with this gain.
func (n *Net) GoldenWeights(gain float64) (Weights, error) {
	specs, err := n.Specs()
	if err != nil {
		return nil, err
	}
	return weights(specs, func(s nn.Spec) []float32 {
		wide := golden.Tensor(s.Name, s.Shape, gain)
		out := make([]float32, len(wide))
		for i, v := range wide {
			out[i] = float32(v)
		}
		return out
	}), nil
}

func weights(specs []nn.Spec, values func(nn.Spec) []float32) Weights {
	w := make(Weights, len(specs))
	for _, s := range specs {
		if s.Counter {
			w[s.Name] = safetensors.FromInt64([]int{}, []int64{0})
		} else {
			w[s.Name] = safetensors.FromFloat32(s.Shape, values(s))
		}
	}
	return w
}

// ReadWeights reads a safetensors file of the network's tensors; missing, extra and wrongly shaped ones are an error
// that lists them. The auxiliary head may be absent as a whole, and so may the batch norms' counters.
func (n *Net) ReadWeights(path string) (Weights, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return n.ParseWeights(path, data)
}

// ParseWeights is [Net.ReadWeights] of a file's bytes, which errors call name.
func (n *Net) ParseWeights(name string, data []byte) (Weights, error) {
	f, err := safetensors.Parse(name, data)
	if err != nil {
		return nil, err
	}
	w := Weights(f.Tensors)
	if err := n.checkWeights(w); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, n.Name, err)
	}
	return w, nil
}

// WriteWeights writes a safetensors file atomically.
func WriteWeights(path string, w Weights) error {
	return safetensors.Write(path, safetensors.File{Tensors: w, Metadata: map[string]string{"format": "pt"}})
}

func (n *Net) checkWeights(w Weights) error {
	specs, err := n.Specs()
	if err != nil {
		return err
	}
	withHead := slices.ContainsFunc(slices.Collect(maps.Keys(w)), func(name string) bool { return strings.HasPrefix(name, auxiliaryPrefix) })
	var errs []error
	known := map[string]bool{}
	for _, s := range specs {
		known[s.Name] = true
		t, ok := w[s.Name]
		switch {
		case !ok && (s.Counter || strings.HasPrefix(s.Name, auxiliaryPrefix) && !withHead):
		case !ok:
			errs = append(errs, fmt.Errorf("missing tensor %q, shape %v", s.Name, s.Shape))
		case !slices.Equal(t.Shape, s.Shape):
			errs = append(errs, fmt.Errorf("tensor %q: expected shape %v, got %v", s.Name, s.Shape, t.Shape))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("unexpected tensor %q, shape %v", name, w[name].Shape))
		}
	}
	return errors.Join(errs...)
}

// Use puts weights into the network's model.
func (n *Net) Use(w Weights) error {
	if err := n.checkWeights(w); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	m, err := n.Model()
	if err != nil {
		return err
	}
	state := map[string][]float32{}
	for _, s := range m.Specs() {
		if state[s.Name], err = w[s.Name].Float32(); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", n.Name, s.Name, err)
		}
	}
	return m.Load(state)
}
