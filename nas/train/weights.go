package train

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/safetensors"
	"github.com/gonas/gonas/nas/space"
)

// Weights reads from the run folder of a training the tensors that it tested: those of the moving average where the recipe
// has one. They come by the names and in the layout of PyTorch's state_dict, without the batch norms' counters and without
// an auxiliary head. Errors name the file and the tensor.
func Weights(dir string, a arch.Network) (map[string]safetensors.Tensor, error) {
	path := filepath.Join(dir, run.CheckpointFile)
	f, err := checkpoint.Read(path)
	if err != nil {
		return nil, err
	}
	net, err := space.Network(a, space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	prefix := ""
	for name := range f.Tensors {
		if strings.HasPrefix(name, averagePrefix) {
			prefix = averagePrefix
			break
		}
	}
	out := map[string]safetensors.Tensor{}
	for _, s := range net.Specs() {
		if s.Counter {
			continue
		}
		values, ok := f.Tensors[prefix+s.Name]
		if !ok {
			return nil, fmt.Errorf("%s: expected a tensor %q of shape %v, found none", path, prefix+s.Name, s.Shape)
		}
		if len(values) != s.Size() {
			return nil, fmt.Errorf("%s: tensor %q: expected shape %v, %d numbers, found %d", path, prefix+s.Name, s.Shape, s.Size(), len(values))
		}
		out[s.Name] = safetensors.FromFloat32(s.Shape, values)
	}
	return out, nil
}
