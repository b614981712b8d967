package zoo

import (
	"fmt"
	"maps"
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
	w, left, err := n.ReadCheckpoint(path)
	if err == nil && len(left) > 0 {
		return nil, fmt.Errorf("%s: %s: %w", path, n.Name, unexpected(left))
	}
	return w, err
}

// ReadCheckpoint is [Net.ReadWeights] that leaves out the tensors that tools put beside a network's: counts of operations and
// parameters (thop's total_ops and total_params). left names them, sorted.
func (n *Net) ReadCheckpoint(path string) (w Weights, left []string, err error) {
	f, err := safetensors.Read(path)
	if err != nil {
		return nil, nil, err
	}
	w = Weights(f.Tensors)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if last := name[strings.LastIndex(name, ".")+1:]; slices.Contains(counted, last) {
			delete(w, name)
			left = append(left, name)
		}
	}
	if err := n.checkWeights(w); err != nil {
		return nil, nil, fmt.Errorf("%s: %s: %w", path, n.Name, err)
	}
	return w, left, nil
}

// counted are the names of tensors that tools which count operations leave in a network.
var counted = []string{"total_ops", "total_params", "__flops__", "__params__", "__macs__"}

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
	var missing, wrong []string
	known := map[string]bool{}
	for _, s := range specs {
		known[s.Name] = true
		t, ok := w[s.Name]
		switch {
		case !ok && (s.Counter || strings.HasPrefix(s.Name, auxiliaryPrefix) && !withHead):
		case !ok:
			missing = append(missing, fmt.Sprintf("missing tensor %q, shape %v", s.Name, s.Shape))
		case !slices.Equal(t.Shape, s.Shape):
			wrong = append(wrong, fmt.Sprintf("tensor %q: expected shape %v, got %v", s.Name, s.Shape, t.Shape))
		case !s.Counter && !t.Floats():
			wrong = append(wrong, fmt.Sprintf("tensor %q: expected numbers of type F32, F64, F16 or BF16, got %s", s.Name, t.DType))
		}
	}
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !known[name] {
			extra = append(extra, fmt.Sprintf("unexpected tensor %q, shape %v", name, w[name].Shape))
		}
	}
	if all := slices.Concat(wrong, missing, extra); len(all) > 0 {
		return &WeightsError{all}
	}
	return nil
}

// WeightsError says of each tensor what is wrong with it; its text names the first ones.
type WeightsError struct{ Problems []string }

func (e *WeightsError) Error() string {
	const most = 5
	if len(e.Problems) <= most {
		return strings.Join(e.Problems, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(e.Problems[:most], "; "), len(e.Problems)-most)
}

func unexpected(names []string) error {
	e := &WeightsError{}
	for _, name := range names {
		e.Problems = append(e.Problems, fmt.Sprintf("unexpected tensor %q", name))
	}
	return e
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
