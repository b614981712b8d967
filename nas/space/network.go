package space

import (
	"fmt"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// NetworkOptions are the parts of a network that only some uses need.
type NetworkOptions struct {
	// Auxiliary adds a cell network's auxiliary head behind cell 2·Cells/3, whose logits are the second output. The images
	// must then satisfy [AuxiliaryHeadFits].
	Auxiliary bool
	// DropPath adds an input behind the images of a cell network: the factor of each sample on each edge, [cells, edges,
	// batch] with edges from [DropPathEdges]; 0 drops, 1/keep keeps. Identities and noise are never dropped, so theirs is
	// not read.
	DropPath bool
	// Noise adds a last input to a cell network that has the operation noise: a random state for each edge of each cell,
	// uint64 [cells, edges, 3]. Without it the noise is the same at every call.
	Noise bool
	// Dropout adds an input to a chain that has dropout: the factor of each feature of the classifier's input, 0 or
	// 1/keep, [batch, [DropoutFeatures]].
	Dropout bool
	// Taps adds the results of the stages that [Taps] names as last outputs, [batch, height, width, channels].
	Taps bool
}

// Network builds an architecture: images [batch, height, width, channels] and what the options add, to logits [batch,
// classes] and what the options add.
func Network(a arch.Network, o NetworkOptions) (nn.Module, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	switch {
	case a.Chain != nil:
		return chain(a, o)
	case a.Grid != nil:
		return grid(a, o)
	}
	return derived(cellSize(a), a.Cells.Genotype, derivedOptions{
		NetworkOptions: o, imageNet: a.Cells.Stem == arch.StemImageNet, auxiliaryNorm: a.Cells.AuxiliaryNorm,
	})
}

func cellSize(a arch.Network) Size {
	return Size{Cells: a.Cells.Cells, Channels: a.Cells.Channels, Classes: a.Classes, InputChannels: a.Input[2]}
}

// AuxiliaryHeadFits tells whether the auxiliary head of an architecture can look at its images.
func AuxiliaryHeadFits(a arch.Network) bool {
	switch {
	case a.Cells == nil:
		return false
	case a.Cells.Stem == arch.StemImageNet:
		// Behind five halvings its 5×5 pool of stride 2 must leave 2×2.
		return (a.Input[0]+31)/32 == 7
	}
	return AuxiliaryFits(a.Input[0])
}

// DropoutFeatures is the width of the dropout input of a network, 0 for none.
func DropoutFeatures(a arch.Network) int {
	c := a.Chain
	switch {
	case c == nil || c.Dropout == 0:
		return 0
	case c.Hidden.Out > 0:
		return c.Hidden.Out
	case c.Last.Out > 0:
		return c.Last.Out
	}
	return c.Blocks[len(c.Blocks)-1].Out
}

// Taps are the names of the stages whose results [NetworkOptions].Taps adds, in order.
func Taps(a arch.Network) []string {
	if a.Chain != nil {
		return chainTaps(a.Chain)
	}
	list, cells := []string{"stem"}, 0
	if a.Grid != nil {
		cells = 3*a.Grid.Cells + 2
	} else {
		cells = a.Cells.Cells
		if a.Cells.Stem == arch.StemImageNet {
			list = []string{"stem0", "stem1"}
		}
	}
	for i := range cells {
		list = append(list, fmt.Sprintf("cells.%d", i))
	}
	return list
}
