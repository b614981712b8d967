package diff

import (
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// States is the input of a random state for every edge of every cell, [edges, 3], which depends on seed and pass alone;
// stream tells inputs of a method apart.
func States(name string, stream uint64) Input {
	return Input{Name: name, To: ToEdge,
		Shape: func(c Config) shapes.Shape { return shapes.Make(dtypes.Uint64, c.edges(), 3) },
		At: func(c Config, p Pass) *tensors.Tensor {
			r := rand.New(rand.NewPCG(c.Seed^stream, p.Number()))
			flat := make([]uint64, 3*c.edges())
			for i := range flat {
				flat[i] = r.Uint64()
			}
			return tensors.FromFlatDataAndDimensions(flat, c.edges(), 3)
		}}
}

// Schedule is a number of an epoch, from 0, that all edges share; the log has a column of it.
func Schedule(name string, at func(c Config, epoch int) float64) Input {
	return Input{Name: name, To: ToAllEdges, Number: at,
		Shape: func(Config) shapes.Shape { return shapes.Make(dtypes.Float32) },
		At:    func(c Config, p Pass) *tensors.Tensor { return tensors.FromScalar(float32(at(c, p.Epoch))) }}
}
