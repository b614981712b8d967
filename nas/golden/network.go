package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gonas/gonas/nas/arch"
)

// Stage are the reference's statistics of one intermediate result, over its flattened [batch, channels, height, width].
type Stage struct {
	Shape  []int     `json:"shape"`
	Mean   float64   `json:"mean"`
	Std    float64   `json:"std"`
	AbsMax float64   `json:"absmax"`
	First4 []float64 `json:"first4"`
	Last4  []float64 `json:"last4"`
}

// Forward is one evaluation of a network filled by the formula with the gain W.
type Forward struct {
	Gain  float64 `json:"weight_gain_W"`
	Input struct {
		Name  string `json:"name"`
		Shape []int  `json:"shape"`
	} `json:"input"`
	Logits    [][]float64 `json:"logits_f64"`
	AuxLogits [][]float64 `json:"aux_logits_eval_mode"`
	Stats     struct {
		LogitsStd float64 `json:"logits_std"`
	} `json:"stats"`
	Intermediates map[string]Stage `json:"intermediates"`
}

// Reference is a file of reference numbers of one network.
type Reference struct {
	Name    string
	Network arch.Network
	// Parameters, nil where the file does not give them.
	Params *struct {
		All int `json:"all"`
	}
	MACs *struct {
		Sum int64 `json:"conv_plus_linear"`
	}
	// Forwards by their field: forward, forward_W4, forward_W5.
	Forwards map[string]Forward
}

// ErrNoNetwork marks a file of another kind: a list of tensors, or parts of a search.
var ErrNoNetwork = errors.New("the file describes no network")

// ReadReference parses a file of reference numbers and its network's specification. A file without one gives
// [ErrNoNetwork].
func ReadReference(data []byte) (Reference, error) {
	var r Reference
	if trimmed := strings.TrimSpace(string(data)); strings.HasPrefix(trimmed, "[") {
		return r, ErrNoNetwork
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return r, err
	}
	var kind struct {
		Kind string `json:"kind"`
	}
	if fields["spec"] == nil || json.Unmarshal(fields["spec"], &kind) != nil || kind.Kind == "" {
		return r, ErrNoNetwork
	}
	read, ok := specs[kind.Kind]
	if !ok {
		return r, fmt.Errorf("spec.kind: expected darts_cells_cifar, darts_cells_imagenet, block_chain, block_chain_timm_efficientnet or mobilenet_v2, got %q", kind.Kind)
	}
	var err error
	if r.Network, err = read(fields["spec"]); err != nil {
		return r, fmt.Errorf("spec: %w", err)
	}
	if err := r.Network.Validate(); err != nil {
		return r, fmt.Errorf("spec: %w", err)
	}
	r.Forwards = map[string]Forward{}
	for name, raw := range fields {
		var err error
		switch {
		case name == "name":
			err = json.Unmarshal(raw, &r.Name)
		case name == "params":
			err = json.Unmarshal(raw, &r.Params)
		case name == "macs_per_sample":
			err = json.Unmarshal(raw, &r.MACs)
		case strings.HasPrefix(name, "forward"):
			var f Forward
			err = json.Unmarshal(raw, &f)
			r.Forwards[name] = f
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

var specs = map[string]func(json.RawMessage) (arch.Network, error){
	"darts_cells_cifar":             cellSpec,
	"darts_cells_imagenet":          cellSpec,
	"block_chain":                   chainSpec,
	"block_chain_timm_efficientnet": chainSpec,
	"mobilenet_v2":                  mobileNetSpec,
}

// image turns [channels, height, width] round.
func image(chw []int) ([3]int, error) {
	if len(chw) != 3 {
		return [3]int{}, fmt.Errorf("input: expected [channels, height, width], got %v", chw)
	}
	return [3]int{chw[1], chw[2], chw[0]}, nil
}

func cellSpec(raw json.RawMessage) (arch.Network, error) {
	var s struct {
		Kind       string `json:"kind"`
		Input      []int  `json:"input"`
		Classes    int    `json:"classes"`
		Channels   int    `json:"init_channels"`
		Cells      int    `json:"layers"`
		SecondNorm bool   `json:"auxiliary_second_bn"`
		Genotype   Genes  `json:"genotype"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return arch.Network{}, err
	}
	input, err := image(s.Input)
	c := arch.CellNetwork{Stem: arch.StemCIFAR, Cells: s.Cells, Channels: s.Channels, Genotype: s.Genotype.Genotype}
	if s.Kind == "darts_cells_imagenet" {
		c.Stem, c.AuxiliaryNorm = arch.StemImageNet, s.SecondNorm
	}
	return arch.Network{Input: input, Classes: s.Classes, Cells: &c}, err
}

// Genes reads the two forms in which the reference writes a genotype: pairs of [operation, state], two a node, or
// edges [operation, from, to].
type Genes struct{ arch.Genotype }

// UnmarshalJSON implements json.Unmarshaler.
func (g *Genes) UnmarshalJSON(b []byte) error {
	var raw struct {
		Normal       json.RawMessage `json:"normal"`
		Reduce       json.RawMessage `json:"reduce"`
		NormalConcat []int           `json:"normal_concat"`
		ReduceConcat []int           `json:"reduce_concat"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	for _, side := range []struct {
		raw    json.RawMessage
		concat []int
		dst    *arch.Cell
	}{{raw.Normal, raw.NormalConcat, &g.Normal}, {raw.Reduce, raw.ReduceConcat, &g.Reduce}} {
		if raw.NormalConcat == nil {
			g.Style = arch.StyleThreshold
			var cell struct {
				Edges  []arch.Edge `json:"edges_op_from_to"`
				Concat []int       `json:"concat_nodes_in_order"`
			}
			if err := json.Unmarshal(side.raw, &cell); err != nil {
				return err
			}
			*side.dst = arch.Cell{Edges: cell.Edges, Concat: cell.Concat}
			continue
		}
		g.Style = arch.StyleDARTS
		var list []parsedEdge
		if err := json.Unmarshal(side.raw, &list); err != nil {
			return err
		}
		*side.dst = arch.Cell{Edges: edges(list), Concat: side.concat}
	}
	return nil
}

type specConv struct {
	In     int    `json:"in"`
	Out    int    `json:"out"`
	Kernel [2]int `json:"kernel"`
	Stride [2]int `json:"stride"`
	Groups int    `json:"groups"`
	Bias   bool   `json:"bias"`
}

type specClassifier struct {
	Dropout float64 `json:"dropout"`
	Out     int     `json:"out"`
	Prefix  string  `json:"state_dict_prefix"`
}

type specStage struct {
	Conv       specConv `json:"conv"`
	Activation string   `json:"activation"`
}

func (s specStage) conv() arch.Conv {
	return arch.Conv{Out: s.Conv.Out, Kernel: s.Conv.Kernel[0], Stride: s.Conv.Stride[0], Activation: activation(s.Activation)}
}

// activation translates the class names of timm's modules.
func activation(name string) string {
	name = strings.ToLower(name)
	if name == "identity" {
		return ""
	}
	return name
}

type specLayer struct {
	Index, Stage, Block int
	Op                  string `json:"op"`
	In                  int    `json:"in"`
	Hidden              int    `json:"hidden"`
	Out                 int    `json:"out"`
	Kernel              int    `json:"kernel"`
	Stride              int    `json:"stride"`
	Activation          string `json:"activation"`
	Residual            bool   `json:"residual"`
	SE                  bool   `json:"se"`
	Reduced             int    `json:"se_reduced"`
	SqueezeActivation   string `json:"se_squeeze_activation"`
	Gate                string `json:"se_gate"`
}

func (l specLayer) block(name, squeeze, excite string) (arch.Block, error) {
	b := arch.Block{Name: name, In: l.In, Hidden: l.Hidden, Out: l.Out, Kernel: l.Kernel, Stride: l.Stride, Activation: activation(l.Activation), Residual: l.Residual}
	switch l.Op {
	case "inverted_residual":
		b.Op = arch.OpBottleneck
	case "depthwise_separable":
		b.Op = arch.OpSeparable
	case "identity":
		return arch.Block{Name: name, Op: arch.OpIdentity, In: l.In, Out: l.Out, Stride: 1}, nil
	default:
		return b, fmt.Errorf("layers: %s: unknown op %q", name, l.Op)
	}
	if l.SE {
		b.Squeeze = &arch.SqueezeExcite{Squeeze: squeeze, Excite: excite, Reduced: l.Reduced, Activation: activation(l.SqueezeActivation), Gate: activation(l.Gate)}
	}
	return b, nil
}

func chainSpec(raw json.RawMessage) (arch.Network, error) {
	var s struct {
		Kind      string    `json:"kind"`
		Input     []int     `json:"input"`
		Stem      specStage `json:"stem"`
		Separable *struct {
			DW         specConv `json:"dw"`
			PW         specConv `json:"pw"`
			Activation string   `json:"activation"`
			Residual   bool     `json:"residual"`
		} `json:"separable_conv"`
		Layers     []specLayer    `json:"layers"`
		Last       specStage      `json:"conv_before_pooling"`
		Head       specStage      `json:"head"`
		ConvHead   *specStage     `json:"conv_head"`
		SERule     string         `json:"se_rule"`
		Classifier specClassifier `json:"classifier"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return arch.Network{}, err
	}
	input, err := image(s.Input)
	if err != nil {
		return arch.Network{}, err
	}
	c := arch.Chain{Naming: arch.NamingMobile, Stem: s.Stem.conv(), Last: s.Last.conv(), Classifier: s.Classifier.Prefix, Dropout: s.Classifier.Dropout}
	squeeze, excite := "mid_se.squeeze_conv", "mid_se.excite_conv"
	timm := s.Kind == "block_chain_timm_efficientnet"
	if timm {
		c.Naming, c.Last, c.Classifier = arch.NamingTimm, s.Head.conv(), "classifier"
		squeeze, excite = "se.conv_reduce", "se.conv_expand"
	}
	if s.ConvHead != nil {
		// The reference gives MoGA's activation and dropout in words: hswish, Dropout2d(0.2).
		c.Hidden = arch.Conv{Out: s.ConvHead.Conv.Out, Kernel: 1, Stride: 1, Activation: "hswish"}
		c.Dropout = 0.2
		squeeze, excite = "mid_se.conv.0", "mid_se.fc.0"
	}
	if p := s.Separable; p != nil {
		c.Blocks = append(c.Blocks, arch.Block{Name: "separable_conv", Op: arch.OpSeparable, In: p.DW.In, Out: p.PW.Out, Kernel: p.DW.Kernel[0],
			Stride: p.DW.Stride[0], Activation: activation(p.Activation), Residual: p.Residual})
	}
	before := c.Stem.Out
	if len(c.Blocks) > 0 {
		before = c.Blocks[0].Out
	}
	for _, l := range s.Layers {
		if l.Op == "identity" {
			l.In, l.Out = before, before
		}
		before = l.Out
		name := fmt.Sprintf("mb_module.%d", l.Index)
		if timm {
			name = fmt.Sprintf("blocks.%d.%d", l.Stage, l.Block)
		}
		b, err := l.block(name, squeeze, excite)
		if err != nil {
			return arch.Network{}, err
		}
		c.Blocks = append(c.Blocks, b)
	}
	return arch.Network{Input: input, Classes: s.Classifier.Out, Chain: &c}, nil
}

func mobileNetSpec(raw json.RawMessage) (arch.Network, error) {
	var s struct {
		Input      []int  `json:"input"`
		Activation string `json:"activation"`
		Layers     []struct {
			Index    int        `json:"index"`
			Residual bool       `json:"residual"`
			Convs    []specConv `json:"convs"`
		} `json:"layers"`
		Classifier specClassifier `json:"classifier"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return arch.Network{}, err
	}
	input, err := image(s.Input)
	if err != nil {
		return arch.Network{}, err
	}
	c := arch.Chain{Naming: arch.NamingTorchvision, Classifier: s.Classifier.Prefix, Dropout: s.Classifier.Dropout}
	for i, l := range s.Layers {
		convs := l.Convs
		switch {
		case len(convs) == 1:
			conv := specStage{Conv: convs[0], Activation: s.Activation}.conv()
			if i == 0 {
				c.Stem = conv
			} else {
				c.Last = conv
			}
			continue
		case len(convs) != 2 && len(convs) != 3:
			return arch.Network{}, fmt.Errorf("layers[%d]: expected 1 to 3 convolutions, got %d", i, len(convs))
		}
		dw, pw := convs[len(convs)-2], convs[len(convs)-1]
		b := arch.Block{Name: fmt.Sprintf("features.%d", l.Index), Op: arch.OpSeparable, In: convs[0].In, Out: pw.Out, Kernel: dw.Kernel[0],
			Stride: dw.Stride[0], Activation: s.Activation, Residual: l.Residual}
		if len(convs) == 3 {
			b.Op, b.Hidden = arch.OpBottleneck, convs[0].Out
		}
		c.Blocks = append(c.Blocks, b)
	}
	return arch.Network{Input: input, Classes: s.Classifier.Out, Chain: &c}, nil
}
