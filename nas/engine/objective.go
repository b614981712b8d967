package engine

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/nn"
)

// LossModule is the leaf from logits [batch, classes] and labels int32 [batch] to the mean cross entropy and
// the number of correct samples, both scalars.
func LossModule(smoothing float64) nn.Module {
	return nn.NewLeaf("cross_entropy|"+formatFloat(smoothing), nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		return []*graph.Node{nn.CrossEntropy(in[0], in[1], smoothing), nn.Correct(in[0], in[1])}
	})
}
