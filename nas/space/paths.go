package space

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// Paths is a space of paths as plain data: a chain of layers, each of which is one of several blocks.
type Paths struct {
	Name string `json:"name"`
	// Shared is what all paths have: stem, the blocks before the layers, last convolution and classifier.
	Shared arch.Network `json:"shared"`
	// Layers are the choices of each layer: [layer][choice], of equal In, Out and Stride in a layer.
	Layers [][]arch.Block `json:"layers"`
	// ShadowNorms gives the supernet of a multi-path space a last batch norm for each number of paths (MixPath); without
	// them a layer has one for each expansion.
	ShadowNorms bool `json:"shadow_norms,omitempty"`
	// Linear has a linear 1×1 convolution in the place of each identity while the supernet trains (SCARLET-NAS); networks of
	// the space have the identity.
	Linear bool `json:"linear,omitempty"`
}

// Resized is the space for images of a side in pixels and a number of classes.
func (p Paths) Resized(image, classes int) Paths {
	p.Shared.Input[0], p.Shared.Input[1], p.Shared.Classes, p.Shared.Features = image, image, classes, nil
	return p
}

// Heard is the space for features of sound, whose arrays are [height, width, channels], and a number of classes.
func (p Paths) Heard(features audio.Config, shape [3]int, classes int) Paths {
	p.Shared.Input, p.Shared.Features, p.Shared.Classes = shape, &features, classes
	return p
}

// Scaled is the space with every number of channels inside it times width, rounded: a smaller model of it, as cheap as
// width squared where products are most of the work.
func (p Paths) Scaled(width float64) Paths {
	times := func(channels int) int {
		if channels == 0 { // a block that has none
			return 0
		}
		return max(1, int(math.Round(width*float64(channels))))
	}
	blocks := func(list []arch.Block) []arch.Block {
		out := slices.Clone(list)
		for i := range out {
			b := &out[i]
			b.In, b.Out, b.Hidden = times(b.In), times(b.Out), times(b.Hidden)
			if b.Squeeze != nil {
				squeeze := *b.Squeeze
				squeeze.Reduced = times(squeeze.Reduced)
				b.Squeeze = &squeeze
			}
		}
		return out
	}
	chain := *p.Shared.Chain
	chain.Stem.Out, chain.Last.Out, chain.Hidden.Out = times(chain.Stem.Out), times(chain.Last.Out), times(chain.Hidden.Out)
	chain.Blocks = blocks(chain.Blocks)
	p.Shared.Chain = &chain
	layers := make([][]arch.Block, len(p.Layers))
	for l, choices := range p.Layers {
		layers[l] = blocks(choices)
	}
	p.Layers = layers
	if width != 1 {
		p.Name += fmt.Sprintf(" ×%g", width)
	}
	return p
}

// Size is the number of paths.
func (p Paths) Size() *big.Int {
	n := big.NewInt(1)
	for _, choices := range p.Layers {
		n.Mul(n, big.NewInt(int64(len(choices))))
	}
	return n
}

// Choices is the number of choices of each layer.
func (p Paths) Choices() []int {
	n := make([]int, len(p.Layers))
	for l, choices := range p.Layers {
		n[l] = len(choices)
	}
	return n
}

// digits tells whether every choice of the space is one digit.
func (p Paths) digits() bool { return slices.Max(p.Choices()) <= 10 }

// between stands between the choices of a code where some have two digits.
const between = "-"

// Code writes a path by its choices, the first layer first: as one digit a layer where that is enough, with dashes between
// the numbers where a layer has more than ten choices.
func (p Paths) Code(path []int) string {
	parts := make([]string, len(path))
	for l, k := range path {
		parts[l] = strconv.Itoa(k)
	}
	if p.digits() {
		return strings.Join(parts, "")
	}
	return strings.Join(parts, between)
}

// Parse is the inverse of [Paths.Code].
func (p Paths) Parse(code string) ([]int, error) {
	cut := between
	if p.digits() {
		cut = ""
	}
	parts := strings.Split(code, cut)
	path := make([]int, len(parts))
	wrong := len(parts) != len(p.Layers)
	for l, part := range parts {
		k, err := strconv.Atoi(part)
		// Of several ways to write a number only the one that Code takes.
		wrong = wrong || err != nil || strconv.Itoa(k) != part || k < 0 || k >= slices.Max(p.Choices())
		path[l] = k
	}
	if wrong {
		return nil, fmt.Errorf("%s: expected %s, got %q", p.Name, p.form(), code)
	}
	return path, p.check(path)
}

// form says how a code looks.
func (p Paths) form() string {
	how := "digits"
	if !p.digits() {
		how = "numbers with dashes between them"
	}
	return fmt.Sprintf("%d %s from 0 to %d", len(p.Layers), how, slices.Max(p.Choices())-1)
}

func (p Paths) check(path []int) error {
	if len(path) != len(p.Layers) {
		return fmt.Errorf("%s: expected a path of %d layers, got %d", p.Name, len(p.Layers), len(path))
	}
	for l, k := range path {
		if k < 0 || k >= len(p.Layers[l]) {
			return fmt.Errorf("%s: layer %d: expected a choice from 0 to %d, got %d", p.Name, l, len(p.Layers[l])-1, k)
		}
	}
	return nil
}

// Network is the architecture of a path by itself.
func (p Paths) Network(path []int) (arch.Network, error) {
	n := p.Shared
	if err := p.check(path); err != nil {
		return n, err
	}
	chain := *p.Shared.Chain
	chain.Blocks = slices.Clone(chain.Blocks)
	for l, k := range path {
		chain.Blocks = append(chain.Blocks, p.Layers[l][k])
	}
	n.Chain = &chain
	return n, n.Validate()
}

// PathOf is the path whose [Paths.Network] has an architecture's blocks; an error names the first block that no choice is.
func (p Paths) PathOf(n arch.Network) ([]int, error) {
	before := 0
	if p.Shared.Chain != nil {
		before = len(p.Shared.Chain.Blocks)
	}
	if n.Chain == nil || len(n.Chain.Blocks) != before+len(p.Layers) {
		return nil, fmt.Errorf("%s: expected a chain of %d blocks", p.Name, before+len(p.Layers))
	}
	path := make([]int, len(p.Layers))
	for l, b := range n.Chain.Blocks[before:] {
		path[l] = slices.IndexFunc(p.Layers[l], func(choice arch.Block) bool { return reflect.DeepEqual(choice, b) })
		if path[l] < 0 {
			return nil, fmt.Errorf("%s: layer %d has no choice like block %q, %s", p.Name, l, b.Name, ChoiceName(b))
		}
	}
	return path, nil
}

// Tree is the network of several paths, each block of a prefix that they share called once: images [batch, height,
// width, channels] to the logits [batch, classes] of each path, in the order given. Choice k of a layer whose blocks
// are named L has its tensors under L.k; those of a multi-path layer share theirs. Since equal prefixes put out the same, results and gradients are those of the
// paths one by one; only the statistics of batch norm move once and not once a path in a shared block.
func (p Paths) Tree(paths [][]int) (nn.Module, error) {
	t, blocks, err := p.tree(paths)
	if err != nil {
		return nil, err
	}
	signature := p.signature("paths")
	for _, path := range paths {
		signature += "|" + p.Code(path)
	}
	return nn.NewComposite(signature, nn.Network, t.children(blocks.list), t.run), nil
}

// signature is that of a module on the supernet's tensors, by what it does.
func (p Paths) signature(what string) string {
	return fmt.Sprintf("%s|%s|shadow=%t|linear=%t", what, p.Name, p.ShadowNorms, p.Linear)
}

// blocks are the modules of a tree that have tensors, each once.
type blocks struct {
	list []nn.Child
	have map[string]bool
}

// share adds a module that may be there already.
func (b *blocks) share(c nn.Child) {
	if key := c.Name + "|" + c.Module.Signature(); !b.have[key] {
		b.have[key] = true
		b.list = append(b.list, c)
	}
}

// addMultiPath adds the parts of a layer's multi-path block.
func (p Paths) addMultiPath(blocks *blocks, l int, b arch.Block) (nn.Child, error) {
	block := p.inSupernet(l, b)
	parts, err := block.Children()
	if err != nil {
		return nn.Child{}, err
	}
	for _, c := range parts {
		blocks.share(nn.Child{Name: nn.Join(b.Name, c.Name), Module: c.Module})
	}
	m, err := block.Module()
	return nn.Child{Name: b.Name, Module: m}, err
}

// tree makes the modules of a [Paths.Tree].
func (p Paths) tree(paths [][]int) (t tree, made blocks, err error) {
	if len(paths) == 0 {
		return t, made, fmt.Errorf("%s: expected at least one path", p.Name)
	}
	for _, path := range paths {
		if err := p.check(path); err != nil {
			return t, made, err
		}
	}
	t, made.have = tree{paths: paths}, map[string]bool{}
	if t.ends, err = chainEnds(p.Shared, p.Layers[len(p.Layers)-1][0].Out, NetworkOptions{}); err != nil {
		return t, made, err
	}
	add := func(name string, b arch.Block) (nn.Child, error) {
		m, err := chainBlock(b, t.naming)
		if b.Op == arch.OpIdentity && p.Linear {
			m = nn.Convolution("", b.In, b.Out, 1, 1, [2]int{1, 1})
		}
		c := nn.Child{Name: name, Module: m}
		if m != nil {
			made.list = append(made.list, c)
		}
		return c, err
	}
	for _, b := range p.Shared.Chain.Blocks {
		c, err := add(b.Name, b)
		if err != nil {
			return t, made, fmt.Errorf("%s: block %q: %w", p.Name, b.Name, err)
		}
		t.before = append(t.before, c)
	}
	for l, choices := range p.Layers {
		layer := make([]nn.Child, len(choices))
		for k, b := range choices {
			if !slices.ContainsFunc(paths, func(path []int) bool { return path[l] == k }) {
				continue
			}
			if b.Op == arch.OpMultiPath {
				layer[k], err = p.addMultiPath(&made, l, b)
			} else {
				layer[k], err = add(fmt.Sprintf("%s.%d", b.Name, k), b)
			}
			if err != nil {
				return t, made, fmt.Errorf("%s: block %q, choice %d: %w", p.Name, b.Name, k, err)
			}
		}
		t.layers = append(t.layers, layer)
	}
	return t, made, nil
}

// Supernet is the [Paths.Tree] that has every choice in it, and so all tensors: the path of each layer's first choice,
// that of each second choice and so on.
func (p Paths) Supernet() (nn.Module, error) { return p.Tree(p.EveryChoice()) }

// EveryChoice are paths that have every choice between them, as many as the layer with the most choices has.
func (p Paths) EveryChoice() (paths [][]int) {
	for k := range slices.Max(p.Choices()) {
		path := make([]int, len(p.Layers))
		for l, choices := range p.Layers {
			path[l] = min(k, len(choices)-1)
		}
		paths = append(paths, path)
	}
	return paths
}

type tree struct {
	ends
	before []nn.Child
	layers [][]nn.Child
	paths  [][]int
}

// begin is what comes before the layers, end what comes behind them.
func (t tree) begin(e nn.Env, x nn.Value) nn.Value {
	x = nn.Call1(e, "", t.stemNorm, nn.Call1(e, "", t.stem, x))
	for _, b := range t.before {
		x = nn.Call1(e, b.Name, b.Module, x)
	}
	return x
}

func (t tree) end(e nn.Env, x nn.Value) nn.Value {
	if t.last != nil {
		x = nn.Call1(e, "", t.lastNorm, nn.Call1(e, "", t.last, x))
	}
	return nn.Call1(e, "", t.head, x)
}

func (t tree) run(e nn.Env, in []nn.Value) []nn.Value {
	x := t.begin(e, in[0])
	out := make([]nn.Value, len(t.paths))
	all := make([]int, len(t.paths))
	for i := range all {
		all[i] = i
	}
	t.walk(e, x, 0, all, out)
	return out
}

// walk runs the layers from l on for the paths of these indices, which share the prefix that put out x.
func (t tree) walk(e nn.Env, x nn.Value, l int, indices []int, out []nn.Value) {
	if l == len(t.layers) {
		logits := t.end(e, x)
		for _, i := range indices {
			out[i] = logits
		}
		return
	}
	for k, c := range t.layers[l] {
		var of []int
		for _, i := range indices {
			if t.paths[i][l] == k {
				of = append(of, i)
			}
		}
		if len(of) == 0 {
			continue
		}
		y := x
		if c.Module != nil {
			y = nn.Call1(e, c.Name, c.Module, x)
		}
		t.walk(e, y, l+1, of, out)
	}
}

// Input is the image's [height, width, channels].
func (p Paths) Input() [3]int { return p.Shared.Input }
