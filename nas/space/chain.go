package space

import (
	"encoding/json"
	"fmt"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// naming holds the names of a chain's tensors.
type naming struct {
	stem, last nn.ConvNames
	// stemTap and lastTap name the stem's and the last convolution's results; stemConvTap the stem's convolution
	// before its batch norm, where the reference looks at it.
	stemTap, stemConvTap, lastTap string
	hidden                        string
	expand, depthwise, project    nn.ConvNames
	// separable are the names of a depthwise-separable block.
	separable [2]nn.ConvNames
}

func pair(conv, norm string) nn.ConvNames { return nn.ConvNames{Conv: conv, Norm: norm} }

// names are those of a chain's tensors; torchvision's count its blocks.
func names(kind string, blocks int) naming {
	switch kind {
	case arch.NamingTimm:
		return naming{
			stem: pair("conv_stem", "bn1"), stemConvTap: "conv_stem", stemTap: "act1",
			last: pair("conv_head", "bn2"), lastTap: "act2",
			expand: pair("conv_pw", "bn1"), depthwise: pair("conv_dw", "bn2"), project: pair("conv_pwl", "bn3"),
			separable: [2]nn.ConvNames{pair("conv_dw", "bn1"), pair("conv_pw", "bn2")},
		}
	case arch.NamingTorchvision:
		last := fmt.Sprintf("features.%d", blocks+1)
		return naming{
			stem: pair("features.0.0", "features.0.1"), stemTap: "features.0",
			last: pair(last+".0", last+".1"), lastTap: last,
			expand: pair("conv.0.0", "conv.0.1"), depthwise: pair("conv.1.0", "conv.1.1"), project: pair("conv.2", "conv.3"),
			separable: [2]nn.ConvNames{pair("conv.0.0", "conv.0.1"), pair("conv.1", "conv.2")},
		}
	}
	last := "conv_before_pooling"
	if kind == arch.NamingMixPath {
		last = "last_conv"
	}
	return naming{
		stem: pair("stem.0", "stem.1"), stemTap: "stem",
		last: pair(last+".0", last+".1"), lastTap: last, hidden: "conv_head.0",
		expand: pair("conv1", "bn1"), depthwise: pair("conv2", "bn2"), project: pair("conv3", "bn3"),
		separable: [2]nn.ConvNames{pair("0", "1"), pair("3", "4")},
	}
}

// chainBlock is one block: [batch, height, width, in] to [batch, height/stride, width/stride, out]; nil for an identity.
func chainBlock(b arch.Block, n naming) (nn.Module, error) {
	switch b.Op {
	case arch.OpIdentity:
		return nil, nil
	case arch.OpProjection:
		if b.Activation == "" {
			return nn.ConvNorm(pair("conv", "bn"), b.In, b.Out, b.Stride), nil
		}
		return nn.ConvNormAct(pair("conv", "bn"), b.In, b.Out, b.Stride, b.Activation)
	case arch.OpTemporal:
		return nn.TemporalBlock{In: b.In, Out: b.Out, Kernel: b.Kernel, Stride: b.Stride, SqueezeExcite: gateOf(b)}.Module()
	case arch.OpMultiPath:
		return alone(b).Module()
	}
	block := nn.Bottleneck{Depthwise: n.separable[0], Project: n.separable[1], In: b.In, Hidden: b.In, Out: b.Out,
		Kernel: b.Window(), Stride: b.Stride, Activation: b.Activation, Residual: b.Residual}
	if b.Op == arch.OpBottleneck {
		block.Expand, block.Depthwise, block.Project, block.Hidden = n.expand, n.depthwise, n.project, b.Hidden
	}
	block.SqueezeExcite = gateOf(b)
	return block.Module()
}

// gateOf is a block's gate, nil where it has none.
func gateOf(b arch.Block) *nn.SqueezeExciteConfig {
	if b.Squeeze == nil {
		return nil
	}
	gate := nn.SqueezeExciteConfig(*b.Squeeze)
	return &gate
}

// ends are a chain's modules before and behind its blocks, nil where it has none.
type ends struct {
	naming
	stem, stemNorm, last, lastNorm, head nn.Module
	dropout                              bool
}

// chainEnds makes them; channels are the last block's.
func chainEnds(a arch.Network, channels int, o NetworkOptions) (m ends, err error) {
	c := a.Chain
	m.naming, m.dropout = names(c.Naming, len(c.Blocks)), o.Dropout && c.Dropout > 0
	stride, kw := [2]int{c.Stem.Stride, c.Stem.Stride}, c.Stem.Kernel
	if a.Input[1] == 1 {
		kw, stride[1] = 1, 1
	}
	m.stem = nn.Convolution(m.naming.stem.Conv, a.Input[2], c.Stem.Out, c.Stem.Kernel, kw, stride)
	if m.stemNorm, err = nn.NormAct(m.naming.stem.Norm, c.Stem.Out, c.Stem.Activation); err != nil {
		return m, err
	}
	if c.Last.Out > 0 {
		m.last = nn.Convolution(m.naming.last.Conv, channels, c.Last.Out, 1, 1, [2]int{1, 1})
		if m.lastNorm, err = nn.NormAct(m.naming.last.Norm, c.Last.Out, c.Last.Activation); err != nil {
			return m, err
		}
		channels = c.Last.Out
	}
	m.head, err = nn.PooledClassifier(c.Classifier, m.hidden, channels, c.Hidden.Out, a.Classes, c.Hidden.Activation, !c.NoBias, m.dropout)
	return m, err
}

// children are the modules in the order of the state_dict, blocks between them.
func (m ends) children(blocks []nn.Child) []nn.Child {
	list := append([]nn.Child{{Module: m.stem}, {Module: m.stemNorm}}, blocks...)
	if m.last != nil {
		list = append(list, nn.Child{Module: m.last}, nn.Child{Module: m.lastNorm})
	}
	return append(list, nn.Child{Module: m.head})
}

// chain builds a chain of blocks.
func chain(a arch.Network, o NetworkOptions) (nn.Module, error) {
	c := a.Chain
	m, err := chainEnds(a, c.Blocks[len(c.Blocks)-1].Out, o)
	if err != nil {
		return nil, err
	}
	var children []nn.Child
	blocks := make([]nn.Module, len(c.Blocks))
	for i, b := range c.Blocks {
		if blocks[i], err = chainBlock(b, m.naming); err != nil {
			return nil, fmt.Errorf("block %q: %w", b.Name, err)
		}
		if blocks[i] != nil {
			children = append(children, nn.Child{Name: b.Name, Module: blocks[i]})
		}
	}
	data, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return nn.NewComposite(fmt.Sprintf("chain|%s|%+v", data, o), nn.Network, m.children(children), func(e nn.Env, in []nn.Value) []nn.Value {
		var taps []nn.Value
		tap := func(name string, v nn.Value) {
			if o.Taps && name != "" {
				taps = append(taps, v)
			}
		}
		x := nn.Call1(e, "", m.stem, in[0])
		tap(m.stemConvTap, x)
		x = nn.Call1(e, "", m.stemNorm, x)
		tap(m.stemTap, x)
		for i, b := range c.Blocks {
			if blocks[i] != nil {
				x = nn.Call1(e, b.Name, blocks[i], x)
			}
			tap(b.Name, x)
		}
		if m.last != nil {
			x = nn.Call1(e, "", m.lastNorm, nn.Call1(e, "", m.last, x))
			tap(m.lastTap, x)
		}
		headIn := []nn.Value{x}
		if m.dropout {
			headIn = append(headIn, in[1])
		}
		out := e.Call("", m.head, headIn...)
		if c.Hidden.Out > 0 {
			tap("conv_head", out[1])
		}
		return append(out[:1:1], taps...)
	}), nil
}

// chainTaps are the names of the further outputs of a chain, in order.
func chainTaps(c *arch.Chain) []string {
	n := names(c.Naming, len(c.Blocks))
	list := []string{n.stemConvTap, n.stemTap}
	for _, b := range c.Blocks {
		list = append(list, b.Name)
	}
	if c.Last.Out > 0 {
		list = append(list, n.lastTap)
	}
	if c.Hidden.Out > 0 {
		list = append(list, "conv_head")
	}
	out := list[:0]
	for _, name := range list {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}
