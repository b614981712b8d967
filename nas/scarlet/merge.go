package scarlet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Merge is one convolution in the place of two, the first linear and 1×1: W'[o,i,y,x] = Σ_c W[o,c,y,x] W_s[c,i]. w is
// [out, in, height, width] and linear [in, in], both flat; a kernel's padding with zeros stays one, for the linear
// convolution has no bias.
func Merge(w []float64, shape [4]int, linear []float64) ([]float64, error) {
	out, in, window := shape[0], shape[1], shape[2]*shape[3]
	if len(w) != out*in*window || len(linear) != in*in {
		return nil, fmt.Errorf("merge: expected %d weights of shape %v and %d of a linear convolution, got %d and %d", out*in*window, shape, in*in, len(w), len(linear))
	}
	merged := make([]float64, len(w))
	for o := range out {
		for c := range in {
			for i := range in {
				for at := range window {
					merged[(o*in+i)*window+at] += w[(o*in+c)*window+at] * linear[c*in+i]
				}
			}
		}
	}
	return merged, nil
}

// first are the convolutions that a block begins with.
var first = map[string]string{arch.OpBottleneck: "conv1.weight", arch.OpProjection: "conv.weight"}

// Derive is the weights of a path's network by itself, from those of the supernet in PyTorch's layout: each linear
// convolution is merged into the convolution behind it. A follower with a residual branch takes the linear convolution's
// output on that branch too, so that there only the identity can be left out; another one is an error that names the layer.
func Derive(p space.Paths, path []int, state map[string][]float64) (map[string][]float64, error) {
	network, err := p.Network(path)
	if err != nil {
		return nil, err
	}
	alone, err := space.Network(network, space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	specs := map[string]nn.Spec{}
	for _, s := range alone.Specs() {
		specs[s.Name] = s
	}
	out := map[string][]float64{}
	for name, values := range state {
		if _, shared := specs[name]; shared { // a layer's choices have their number in the name
			out[name] = values
		}
	}
	var linear []float64
	merge := func(name string) error {
		if linear == nil {
			return nil
		}
		s := specs[name]
		var err error
		out[name], err = Merge(out[name], [4]int(append(slices.Clone(s.Shape), 1, 1)[:4]), linear)
		linear = nil
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	for l, k := range path {
		b := p.Layers[l][k]
		from := fmt.Sprintf("%s.%d.", b.Name, k)
		if b.Op == arch.OpIdentity {
			if w := state[from+"weight"]; linear == nil {
				linear = w
			} else if linear, err = Merge(w, [4]int{b.In, b.In, 1, 1}, linear); err != nil {
				return nil, err
			}
			continue
		}
		for name, values := range state {
			if rest, ok := strings.CutPrefix(name, from); ok {
				out[nn.Join(b.Name, rest)] = values
			}
		}
		if linear != nil && b.Residual && !isIdentity(linear, b.In) {
			return nil, fmt.Errorf("layer %d: the linear convolution before it cannot be merged into a block with a residual branch, unless it is the identity", l)
		}
		if err := merge(nn.Join(b.Name, first[b.Op])); err != nil {
			return nil, err
		}
	}
	if err := merge("conv_before_pooling.0.weight"); err != nil {
		return nil, err
	}
	for name, s := range specs {
		if len(out[name]) != s.Size() && !s.Counter {
			return nil, fmt.Errorf("derive: %s: expected %d numbers in the supernet's weights, got %d", name, s.Size(), len(out[name]))
		}
	}
	return out, nil
}

func isIdentity(w []float64, n int) bool {
	for i, x := range w {
		want := 0.0
		if i/n == i%n {
			want = 1
		}
		if x != want {
			return false
		}
	}
	return true
}
