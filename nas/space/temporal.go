package space

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// TCResNetName is the name of AutoKWS's space of TC-ResNet's chains (2009.03658), ChainTable that of the table of its
// parameters.
const (
	TCResNetName = "tcresnet"
	ChainTable   = "chain"
)

// TC-ResNet's channels (1904.03814): those of its stem and of its three stages.
const tcStem = 16

var tcStages = [...]int{24, 32, 48}

// tcKernels are the kernels that AutoKWS chooses between.
var tcKernels = []int{3, 5, 7, 9}

// TCResNet is AutoKWS's space at a size: TC-ResNet's chain on [frames, 1, input channels], three stages of size.Cells blocks
// of which the first halves the frames, 1 a stage in TC-ResNet8, 2 in TC-ResNet14. Channels are in proportion to the stem's,
// size.Channels, 16 in the paper's networks. Each layer chooses between 9: a residual block of kernel 3, 5, 7 or 9, the same
// with a gate, and a skip. The skip is an identity; where the block halves the frames or changes the channels it can't be one,
// and is what the block itself has in the place of its identity: a 1×1 convolution of the stride, batch norm, ReLU.
func TCResNet(size Size, frames int) (Paths, error) {
	p := Paths{Name: TCResNetName}
	if err := size.Validate(); err != nil {
		return p, err
	}
	if frames < 1 {
		return p, fmt.Errorf("%s: frames: expected at least 1, got %d", TCResNetName, frames)
	}
	p.Shared = arch.Network{Input: [3]int{frames, 1, size.InputChannels}, Classes: size.Classes, Chain: &arch.Chain{
		Naming: arch.NamingPlain, Stem: arch.Conv{Out: size.Channels, Kernel: 3, Stride: 1, Activation: "relu"},
		Classifier: "classifier", NoBias: true, Dropout: 0.5}}
	in := size.Channels
	for _, channels := range tcStages {
		out := max(1, int(math.Round(float64(channels*size.Channels)/tcStem)))
		for i := range size.Cells {
			b := arch.Block{Name: fmt.Sprintf("blocks.%d", len(p.Layers)), In: in, Out: out, Stride: 1}
			if i == 0 {
				b.Stride = 2
			}
			p.Layers, in = append(p.Layers, temporalChoices(b)), out
		}
	}
	return p, nil
}

// temporalChoices are a layer's: the blocks without a gate by kernel, those with one, and the skip.
func temporalChoices(b arch.Block) (out []arch.Block) {
	for _, gate := range []bool{false, true} {
		for _, kernel := range tcKernels {
			block := b
			block.Op, block.Kernel = arch.OpTemporal, kernel
			if gate {
				squeeze := arch.SqueezeExcite(*nn.TemporalGate(b.Out))
				block.Squeeze = &squeeze
			}
			out = append(out, block)
		}
	}
	b.Op = arch.OpIdentity
	if b.In != b.Out || b.Stride != 1 {
		b.Op, b.Activation = arch.OpProjection, "relu"
	}
	return append(out, b)
}

// IsSkip tells whether a block of TC-ResNet's chain is a skip.
func IsSkip(b arch.Block) bool { return b.Op == arch.OpIdentity || b.Op == arch.OpProjection }

// TemporalColumns are the names of a layer's choices, in their order.
func TemporalColumns() (names []string) {
	for _, b := range temporalChoices(arch.Block{In: 1, Out: 1, Stride: 1}) {
		names = append(names, ChoiceName(b))
	}
	return names
}

// TemporalOps are a layer's choices as operations of an edge of the supernet, in the order of its blocks.
func TemporalOps(layer []arch.Block) (names []string) {
	for _, b := range layer {
		name := nn.SkipConnect
		if b.Op == arch.OpTemporal {
			name = nn.TemporalOp{In: b.In, Kernel: b.Kernel, Gate: b.Squeeze != nil}.Name()
		}
		names = append(names, name)
	}
	return names
}

// LayerNames name the layers by what they do to channels, and to frames where they halve them: 1: 16→24, /2.
func (p Paths) LayerNames() (names []string) {
	for l, choices := range p.Layers {
		name := fmt.Sprintf("%d: %d→%d", l+1, choices[0].In, choices[0].Out)
		if s := choices[0].Stride; s > 1 {
			name += ", /" + strconv.Itoa(s)
		}
		names = append(names, name)
	}
	return names
}

// Readings of AutoKWS's space, whose size the sources at hand give as about 10^7 and whose choices they list as kernel,
// squeeze-and-excitation and an additional skip: which one is meant is underspecified.
const (
	// ReadingChoice has the skip as one more choice beside the blocks, 9 a layer; it is the one that [TCResNet] makes, for it
	// is the one in which a search can choose a skip instead of a block, which is what the paper says of DARTS.
	ReadingChoice = "skip as a choice"
	// ReadingProduct has the skip beside whatever block was chosen, or not, 16 a layer. Nothing searches it.
	ReadingProduct = "skip beside every block"
)

// TCResNetSize is the number of networks of so many layers in a reading, nil for an unknown one: 9^layers or 16^layers. The
// first counts the choices of [TCResNet].
func TCResNetSize(reading string, layers int) *big.Int {
	skip := len(TemporalColumns()) - 2*len(tcKernels)
	var choices int
	switch reading {
	case ReadingChoice:
		choices = 2*len(tcKernels) + skip
	case ReadingProduct:
		choices = 2 * len(tcKernels) * (1 + skip)
	default:
		return nil
	}
	return new(big.Int).Exp(big.NewInt(int64(choices)), big.NewInt(int64(layers)), nil)
}

// TCResNetSupernet is a supernet of [TCResNet]: the network of a path, but that each layer is an edge over its choices, named
// blocks.l._ops.k. Inputs: clips [batch, frames, 1, coefficients], the tables [layers, ...], then the inputs with a row for
// every layer and those that all share. Output: logits [batch, classes].
func TCResNetSupernet(size Size, takes SupernetInputs, edge EdgeFunc) (nn.Module, error) {
	p, err := TCResNet(size, 1) // no tensor depends on the frames
	if err != nil {
		return nil, err
	}
	last := p.Layers[len(p.Layers)-1][0].Out
	m, err := chainEnds(p.Shared, last, NetworkOptions{})
	if err != nil {
		return nil, err
	}
	layers, made := make([]nn.Child, len(p.Layers)), []nn.Child{}
	signature := fmt.Sprintf("tcresnet_supernet|%+v|%+v", size, takes)
	for l, choices := range p.Layers {
		b := choices[0]
		module, err := edge(EdgeAt{Row: l, Channels: b.Out, Stride: b.Stride})
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", b.Name, err)
		}
		if module == nil {
			return nil, fmt.Errorf("block %q: expected an operation, for nothing else is on the way through a chain", b.Name)
		}
		layers[l] = nn.Child{Name: b.Name, Module: module}
		made = append(made, layers[l])
		signature += "|" + module.Signature()
	}
	cut := nn.Rows()
	return nn.NewComposite(short(signature), nn.Network, m.children(made), func(e nn.Env, in []nn.Value) []nn.Value {
		rows := make([][]nn.Value, takes.Tables+takes.PerEdge)
		for i := range rows {
			rows[i] = e.Call("", cut, in[1+i])
		}
		shared := in[1+len(rows):]
		x := nn.Call1(e, "", m.stemNorm, nn.Call1(e, "", m.stem, in[0]))
		for l, c := range layers {
			edgeIn := []nn.Value{x}
			for _, list := range rows {
				edgeIn = append(edgeIn, list[l])
			}
			x = nn.Call1(e, c.Name, c.Module, append(edgeIn, shared...)...)
		}
		return e.Call("", m.head, x)[:1]
	}), nil
}

// StrongestPath is the path of the choice of each layer that weighs most, of equals the first; weights are
// [layers][choices].
func (p Paths) StrongestPath(weights [][]float64) ([]int, error) {
	if len(weights) != len(p.Layers) {
		return nil, fmt.Errorf("%s: weights: expected %d layers, got %d", p.Name, len(p.Layers), len(weights))
	}
	path := make([]int, len(weights))
	for l, row := range weights {
		if len(row) != len(p.Layers[l]) {
			return nil, fmt.Errorf("%s: weights: layer %d: expected %d choices, got %d", p.Name, l, len(p.Layers[l]), len(row))
		}
		for k, w := range row {
			if w > row[path[l]] {
				path[l] = k
			}
		}
	}
	return path, nil
}
