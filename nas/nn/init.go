package nn

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
)

// Initialise draws a module's tensors as PyTorch's constructors do, in PyTorch's layout: convolutions and linear
// layers uniform within ±1/√fan_in (biases too), batch norm 1 and 0. Each tensor has a stream of its own, from
// the seed and its name, so the values depend neither on order nor on what else the network holds.
func Initialise(specs []Spec, seed uint64) map[string][]float32 {
	state := make(map[string][]float32, len(specs))
	fanIn := map[string]int{}
	for _, s := range specs {
		if len(s.Shape) > 1 {
			fanIn[moduleOf(s.Name)] = s.Size() / s.Shape[0]
		}
	}
	for _, s := range specs {
		if s.Counter {
			continue
		}
		values := make([]float32, s.Size())
		fan, weighted := fanIn[moduleOf(s.Name)]
		switch {
		case s.Identity:
			for i := 0; i < len(values); i += s.Shape[0] + 1 {
				values[i] = 1
			}
		case weighted:
			h := fnv.New64a()
			_, _ = h.Write([]byte(s.Name))
			r := rand.New(rand.NewPCG(seed, h.Sum64()))
			bound := 1 / math.Sqrt(float64(fan))
			for i := range values {
				values[i] = float32((2*r.Float64() - 1) * bound)
			}
		case strings.HasSuffix(s.Name, "weight"), strings.HasSuffix(s.Name, "running_var"):
			for i := range values {
				values[i] = 1
			}
		}
		state[s.Name] = values
	}
	return state
}

// moduleOf is a tensor's name without its last part.
func moduleOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return ""
}
