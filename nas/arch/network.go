package arch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/internal/strictjson"
)

// Network is a whole architecture as plain data. Exactly one of Cells, Chain and Grid is set.
type Network struct {
	// Input is the image's [height, width, channels]; for speech [frames, 1, coefficients].
	Input   [3]int `json:"input"`
	Classes int    `json:"classes"`
	// Features are what is taken of sound, for networks that hear; nil for images.
	Features *audio.Config `json:"features,omitempty"`
	Cells    *CellNetwork  `json:"cells,omitempty"`
	Chain    *Chain        `json:"chain,omitempty"`
	Grid     *Grid         `json:"grid,omitempty"`
}

// Stems of a cell network.
const (
	// StemCIFAR is one 3×3 convolution at full resolution.
	StemCIFAR = "cifar"
	// StemImageNet is three 3×3 convolutions of stride 2; the two stages feed the first cell.
	StemImageNet = "imagenet"
)

// CellNetwork stacks the two cells of a genotype; the cells at Cells/3 and 2·Cells/3 are reductions.
type CellNetwork struct {
	Stem     string   `json:"stem"`
	Cells    int      `json:"cells"`
	Channels int      `json:"channels"`
	Genotype Genotype `json:"genotype"`
	// AuxiliaryNorm puts the second batch norm into ImageNet's auxiliary head, as the code of DARTS- does; CIFAR's
	// always has it.
	AuxiliaryNorm bool `json:"auxiliary_norm,omitempty"`
}

// Namings of a chain's tensors, after the code that published it.
const (
	// NamingMobile is xiaomi-automl's of FairNAS, SCARLET and MoGA.
	NamingMobile = "mobile"
	// NamingTimm is timm 0.1.18's EfficientNet.
	NamingTimm = "timm"
	// NamingTorchvision is torchvision's MobileNetV2.
	NamingTorchvision = "torchvision"
	// NamingMixPath is that of MixPath's space S1.
	NamingMixPath = "mixpath"
	// NamingPlain is ours, for networks whose official code has other names or none.
	NamingPlain = "plain"
)

// Chain is a stem, blocks one after the other, and a classifier behind a global average pool.
type Chain struct {
	Naming string  `json:"naming"`
	Stem   Conv    `json:"stem"`
	Blocks []Block `json:"blocks"`
	// Last is the 1×1 convolution with batch norm before the pool, absent where its Out is 0.
	Last Conv `json:"last,omitzero"`
	// Hidden is MoGA's 1×1 convolution behind the pool, without batch norm; absent where its Out is 0.
	Hidden Conv `json:"hidden,omitzero"`
	// Classifier is the name of the last linear layer, NoBias leaves its bias out.
	Classifier string `json:"classifier"`
	NoBias     bool   `json:"no_bias,omitempty"`
	// Dropout before the classifier in training.
	Dropout float64 `json:"dropout,omitempty"`
}

// Conv is a convolution, its batch norm and its activation.
type Conv struct {
	Out        int    `json:"out"`
	Kernel     int    `json:"kernel"`
	Stride     int    `json:"stride"`
	Activation string `json:"activation"`
}

// Operations of a block.
const (
	// OpBottleneck is an inverted bottleneck: 1×1 to Hidden, depthwise Kernel×Kernel, 1×1 to Out (1801.04381).
	OpBottleneck = "inverted_bottleneck"
	// OpMultiPath is an inverted bottleneck with a depthwise convolution for each of Kernels at once, whose results are
	// added up before the 1×1 to Out (2001.05887).
	OpMultiPath = "multi_path"
	// OpSeparable is depthwise Kernel×Kernel, then 1×1 to Out without activation.
	OpSeparable = "depthwise_separable"
	// OpIdentity passes its input on.
	OpIdentity = "identity"
	// OpProjection is a 1×1 convolution with batch norm, and the block's activation where it names one.
	OpProjection = "projection"
	// OpTemporal is TC-ResNet's residual block over time: twice a Kernel×1 convolution (1904.03814).
	OpTemporal = "temporal_residual"
)

// Directions of a depthwise convolution that looks along one axis of its image, as those of 1912.12825.
const (
	// DirectionTime is along the height, the frames of sound: Kernel×1.
	DirectionTime = "time"
	// DirectionFrequency is along the width, the coefficients of sound: 1×Kernel.
	DirectionFrequency = "frequency"
)

// Block is one block of a chain.
type Block struct {
	// Name is the prefix of the block's tensors.
	Name   string `json:"name"`
	Op     string `json:"op"`
	In     int    `json:"in"`
	Hidden int    `json:"hidden,omitempty"`
	Out    int    `json:"out"`
	Kernel int    `json:"kernel,omitempty"`
	// Direction of the depthwise convolution of an inverted bottleneck or a separable block; empty for a square one. The stride
	// is of both axes: of the other one a kernel of 1 keeps every Stride-th position.
	Direction string `json:"direction,omitempty"`
	// Kernels are those of the paths of a multi-path block, rising.
	Kernels []int `json:"kernels,omitempty"`
	Stride  int   `json:"stride"`
	// Activation by the names of nn.Activation.
	Activation string         `json:"activation,omitempty"`
	Squeeze    *SqueezeExcite `json:"se,omitempty"`
	// Residual adds the input to the result.
	Residual bool `json:"residual,omitempty"`
}

// Window is the depthwise convolution's kernel, along height and width.
func (b Block) Window() [2]int {
	switch b.Direction {
	case DirectionTime:
		return [2]int{b.Kernel, 1}
	case DirectionFrequency:
		return [2]int{1, b.Kernel}
	}
	return [2]int{b.Kernel, b.Kernel}
}

// KernelText is the kernel's size, as height×width where it has a direction, those of a multi-path block with plus signs
// between them; empty where it has none.
func (b Block) KernelText() string {
	if b.Direction != "" {
		return fmt.Sprintf("%d×%d", b.Window()[0], b.Window()[1])
	}
	list := b.Kernels
	if b.Kernel > 0 {
		list = []int{b.Kernel}
	}
	words := make([]string, len(list))
	for i, k := range list {
		words[i] = strconv.Itoa(k)
	}
	return strings.Join(words, "+")
}

// SqueezeExcite is a gate on the hidden channels of a bottleneck, behind the depthwise convolution, or on what a temporal
// residual block adds to its shortcut.
type SqueezeExcite struct {
	// Names of the two 1×1 convolutions, with bias, inside the block.
	Squeeze    string `json:"squeeze"`
	Excite     string `json:"excite"`
	Reduced    int    `json:"reduced"`
	Activation string `json:"activation"`
	Gate       string `json:"gate"`
}

// Grid is a network of NAS-Bench-201 (2001.00326): three stages of Cells cells with Channels, 2·Channels and
// 4·Channels, and a residual reduction between them.
type Grid struct {
	// Cell is the operation of each edge: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
	Cell     [6]string `json:"cell"`
	Cells    int       `json:"cells"`
	Channels int       `json:"channels"`
}

// Code is the cell as NAS-Bench-201 writes it: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, node by node, each operation with the
// node that it comes from.
func (g Grid) Code() string {
	var b strings.Builder
	edge := 0
	for node := 1; node <= 3; node++ {
		if node > 1 {
			b.WriteByte('+')
		}
		for from := range node {
			fmt.Fprintf(&b, "|%s~%d", g.Cell[edge], from)
			edge++
		}
		b.WriteByte('|')
	}
	return b.String()
}

// Count is the number of edges with an operation.
func (g Grid) Count(op string) int {
	n := 0
	for _, have := range g.Cell {
		if have == op {
			n++
		}
	}
	return n
}

// GridOps are the operations of a NAS-Bench-201 cell.
var GridOps = []string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}

// Validate reports the first field out of range.
func (n Network) Validate() error {
	set := 0
	for _, present := range []bool{n.Cells != nil, n.Chain != nil, n.Grid != nil} {
		if present {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("network: expected one of cells, chain and grid, got %d", set)
	}
	for i, d := range n.Input {
		if d < 1 {
			return fmt.Errorf("network: input[%d]: expected at least 1, got %d", i, d)
		}
	}
	if n.Classes < 2 {
		return fmt.Errorf("network: classes: expected at least 2, got %d", n.Classes)
	}
	if n.Features != nil {
		if err := n.Features.Validate(); err != nil {
			return fmt.Errorf("network: features: %w", err)
		}
	}
	switch {
	case n.Cells != nil:
		return n.Cells.validate()
	case n.Chain != nil:
		return n.Chain.validate()
	}
	return n.Grid.validate()
}

func (c CellNetwork) validate() error {
	if c.Stem != StemCIFAR && c.Stem != StemImageNet {
		return fmt.Errorf("cells: stem: expected %q or %q, got %q", StemCIFAR, StemImageNet, c.Stem)
	}
	if c.Cells < 1 || c.Channels < 2 {
		return fmt.Errorf("cells: expected at least 1 cell of 2 channels, got %d of %d", c.Cells, c.Channels)
	}
	return c.Genotype.Validate(nil)
}

func (c Chain) validate() error {
	if namings := []string{NamingMobile, NamingTimm, NamingTorchvision, NamingMixPath, NamingPlain}; !slices.Contains(namings, c.Naming) {
		return fmt.Errorf("chain: naming: expected one of %v, got %q", namings, c.Naming)
	}
	if c.Stem.Out < 1 || c.Stem.Kernel < 1 || c.Stem.Stride < 1 {
		return fmt.Errorf("chain: stem: out, kernel and stride must be at least 1, got %d, %d, %d", c.Stem.Out, c.Stem.Kernel, c.Stem.Stride)
	}
	if len(c.Blocks) == 0 {
		return errors.New("chain: blocks: expected at least one")
	}
	before := c.Stem.Out
	for i, b := range c.Blocks {
		if err := b.validate(before); err != nil {
			return fmt.Errorf("chain: blocks[%d] %q: %w", i, b.Name, err)
		}
		before = b.Out
	}
	return nil
}

func (b Block) validate(before int) error {
	if ops := []string{OpBottleneck, OpMultiPath, OpSeparable, OpIdentity, OpProjection, OpTemporal}; !slices.Contains(ops, b.Op) {
		return fmt.Errorf("op: expected one of %v, got %q", ops, b.Op)
	}
	if b.In != before {
		return fmt.Errorf("in: expected the %d channels that the block before puts out, got %d", before, b.In)
	}
	if b.Out < 1 || b.Stride < 1 {
		return fmt.Errorf("out and stride: expected at least 1, got %d and %d", b.Out, b.Stride)
	}
	same := b.In == b.Out && b.Stride == 1
	if (b.Residual || b.Op == OpIdentity) && !same {
		return fmt.Errorf("a residual or identity needs stride 1 and equal channels, got stride %d and %d to %d", b.Stride, b.In, b.Out)
	}
	if err := b.validateKernels(); err != nil {
		return err
	}
	if directions := []string{"", DirectionTime, DirectionFrequency}; !slices.Contains(directions, b.Direction) {
		return fmt.Errorf("direction: expected one of %q, got %q", directions, b.Direction)
	}
	if b.Direction != "" && b.Op != OpBottleneck && b.Op != OpSeparable {
		return fmt.Errorf("direction: expected none in the operation %s, got %q", b.Op, b.Direction)
	}
	if (b.Op == OpBottleneck || b.Op == OpMultiPath) && b.Hidden < 1 {
		return fmt.Errorf("hidden: expected at least 1, got %d", b.Hidden)
	}
	if b.Squeeze != nil && (b.Op != OpBottleneck && b.Op != OpTemporal || b.Squeeze.Reduced < 1) {
		return fmt.Errorf("se: expected an inverted bottleneck or a temporal residual block and at least 1 reduced channel, got %s and %d", b.Op, b.Squeeze.Reduced)
	}
	return nil
}

func (b Block) validateKernels() error {
	if b.Op != OpMultiPath {
		if b.Kernels != nil {
			return fmt.Errorf("kernels: expected none in the operation %s, got %v", b.Op, b.Kernels)
		}
		if b.Op != OpIdentity && b.Op != OpProjection && (b.Kernel < 1 || b.Kernel%2 == 0) {
			return fmt.Errorf("kernel: expected an odd number, got %d", b.Kernel)
		}
		return nil
	}
	before := 0
	for _, k := range b.Kernels {
		if k <= before || k%2 == 0 {
			return fmt.Errorf("kernels: expected odd numbers that rise, got %v", b.Kernels)
		}
		before = k
	}
	if len(b.Kernels) == 0 || b.Kernel != 0 {
		return fmt.Errorf("kernels: expected at least one, and no single kernel beside them, got %v and %d", b.Kernels, b.Kernel)
	}
	return nil
}

func (g Grid) validate() error {
	for i, op := range g.Cell {
		if !slices.Contains(GridOps, op) {
			return fmt.Errorf("grid: cell[%d]: expected one of %v, got %q", i, GridOps, op)
		}
	}
	if g.Cells < 1 || g.Channels < 1 {
		return fmt.Errorf("grid: expected at least 1 cell of 1 channel, got %d of %d", g.Cells, g.Channels)
	}
	return nil
}

// ReadNetwork parses and validates a network's JSON; unknown fields are errors.
func ReadNetwork(data []byte) (Network, error) {
	var n Network
	if err := strictjson.Decode("network", data, &n); err != nil {
		return n, err
	}
	return n, n.Validate()
}
