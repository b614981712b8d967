package search

import (
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/space"
)

// noise makes the random states of a pass, [cells·14, 3], and the noise's scale in this epoch. They depend on
// seed, epoch, step and half alone, so a resumed run draws the same.
func (l *loop) noise(c NoiseConfig, step, half int) (states, scale *tensors.Tensor) {
	r := rand.New(rand.NewPCG(l.config.Seed^0x5caff01d, uint64(l.epochsDone*l.steps+step)*2+uint64(half)))
	flat := make([]uint64, l.config.Size.Cells*space.Edges*3)
	for i := range flat {
		flat[i] = r.Uint64()
	}
	std := 0.0
	if l.epochsDone < c.Epochs {
		std = engine.CosineRate(1, 0, l.epochsDone, c.Epochs)
	}
	return tensors.FromFlatDataAndDimensions(flat, len(flat)/3, 3), tensors.FromScalar(float32(std))
}
