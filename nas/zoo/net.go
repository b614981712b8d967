package zoo

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Net is a network of the zoo. The methods that compute make a backend and a model at their first use; they are not
// safe for concurrent use.
type Net struct {
	Entry
	// Engine runs the network; nil takes one on the backend that [backend.Open] finds.
	Engine *engine.Engine
	// Granularity is the largest part that is compiled as one; nil takes the whole network, which evaluates fastest.
	Granularity *nn.Level

	model *engine.Model
}

// New makes a network of the zoo's kind from an architecture of your own.
func New(name string, network arch.Network) (*Net, error) {
	if err := network.Validate(); err != nil {
		return nil, err
	}
	return &Net{Entry: Entry{Name: name, Network: network}}, nil
}

// Params are the trainable parameters.
type Params struct {
	// All counts the auxiliary head's too, which only training needs.
	All           int `json:"all"`
	AuxiliaryHead int `json:"auxiliary_head"`
}

// WithoutHead leaves the auxiliary head out.
func (p Params) WithoutHead() int { return p.All - p.AuxiliaryHead }

// Params counts the parameters.
func (n *Net) Params() (Params, error) {
	all, err := n.Specs()
	if err != nil {
		return Params{}, err
	}
	without, err := n.Module(space.NetworkOptions{})
	if err != nil {
		return Params{}, err
	}
	p := Params{All: nn.Params(all)}
	p.AuxiliaryHead = p.All - nn.Params(without.Specs())
	return p, nil
}

// Module builds the network.
func (n *Net) Module(o space.NetworkOptions) (nn.Module, error) {
	m, err := space.Network(n.Network, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	return m, nil
}

// counter is shared by all networks, so that each kind of block is counted once. It needs no plug-in.
var counter = sync.OnceValues(func() (*nn.Counter, error) {
	b, err := backend.OpenWith(backend.Options{Plugin: backend.KindGo})
	if err != nil {
		return nil, err
	}
	return nn.NewCounter(b.Backend), nil
})

// Cost counts an evaluation of one image of side×side pixels without the auxiliary head; side 0 takes the network's own
// size.
func (n *Net) Cost(side int) (nn.Cost, error) {
	if err := ranges.In("size", side, 0, mostSide); err != nil {
		return nn.Cost{}, fmt.Errorf("%s: %w pixels", n.Name, err)
	}
	c, err := counter()
	if err != nil {
		return nn.Cost{}, err
	}
	m, err := n.Module(space.NetworkOptions{})
	if err != nil {
		return nn.Cost{}, err
	}
	cost, err := c.Count(m, n.imageShape(1, side))
	if err != nil && side > 0 {
		return cost, fmt.Errorf("%s: size: images of %d pixels do not fit%s", n.Name, side, nearestSides(side, func(side int) bool {
			_, err := c.Count(m, n.imageShape(1, side))
			return err == nil
		}))
	}
	return cost, err
}

// mostSide bounds the side of an image in pixels.
const mostSide = 4096

// nearestSides names the sizes next to one that fit.
func nearestSides(side int, fits func(int) bool) string {
	const far = 64
	var found []string
	for _, step := range []int{-1, 1} {
		for k := 1; k <= far && side+step*k >= 1; k++ {
			if fits(side + step*k) {
				found = append(found, strconv.Itoa(side+step*k))
				break
			}
		}
	}
	if found == nil {
		return ""
	}
	return ", the nearest that do: " + strings.Join(found, " and ")
}

// imageShape is [batch, height, width, channels].
func (n *Net) imageShape(batch, side int) shapes.Shape {
	in := n.Network.Input
	if side > 0 {
		in[0] = side
		if in[1] > 1 {
			in[1] = side
		}
	}
	return shapes.Make(dtypes.Float32, batch, in[0], in[1], in[2])
}

// MACs are the multiply-adds of convolutions and linear layers for one image of side×side pixels.
func (n *Net) MACs(side int) (int64, error) {
	c, err := n.Cost(side)
	return c.MACs, err
}

// Counts are the network's counts under every convention, at its own input size.
func (n *Net) Counts() (map[string]int64, error) { return n.CountsAt(0) }

// CountsAt are the counts for one image of side×side pixels.
func (n *Net) CountsAt(side int) (map[string]int64, error) {
	p, err := n.Params()
	if err != nil {
		return nil, err
	}
	c, err := n.Cost(side)
	if err != nil {
		return nil, err
	}
	return map[string]int64{
		ConventionAll: int64(p.All), ConventionWithoutHead: int64(p.WithoutHead()),
		ConventionMACs: c.MACs, Convention2BN: c.MACs + 2*c.Normalised, Convention4BN: c.MACs + 4*c.Normalised,
		ConventionPool: c.MACs + c.AveragePooled, ConventionGlobalPool: c.MACs + c.GlobalPooled,
		Convention2BNPool: c.MACs + 2*c.Normalised + c.AveragePooled + c.GlobalPooled,
		Convention4BNPool: c.MACs + 4*c.Normalised + c.AveragePooled + c.GlobalPooled,
	}, nil
}

// Equals tells whether a count rounds to the printed digits, or is cut to them where [Published].Cut says so.
func (p Published) Equals(count int64) bool {
	want, ok := p.number()
	if !ok {
		return false
	}
	digits := 0
	if i := strings.IndexByte(p.Value, '.'); i >= 0 {
		digits = len(p.Value) - i - 1
	}
	scale := math.Pow(10, float64(digits))
	got := float64(count) / 1e6 * scale
	if p.Cut {
		return math.Floor(got) == math.Round(want*scale)
	}
	return math.Round(got) == math.Round(want*scale)
}

// number is the printed value, in millions.
func (p Published) number() (float64, bool) {
	v, err := strconv.ParseFloat(p.Value, 64)
	return v, err == nil
}

// withClasses is the network with another number of classes.
func (n *Net) withClasses(classes int) *Net {
	if classes == 0 {
		return n
	}
	other := Net{Entry: n.Entry}
	other.Network.Classes = classes
	return &other
}

// Checked is a printed number beside the network's own.
type Checked struct {
	// Count is the network's under Convention, which is the nearest one where the printed number names none.
	Count      int64
	Convention string
	// Agrees tells whether the count has the printed digits; a number that names no convention never agrees.
	Agrees bool
}

// Check counts the network under the convention of a printed number.
func (n *Net) Check(p Published) (Checked, error) {
	counts, err := n.withClasses(p.Classes).Counts()
	if err != nil {
		return Checked{}, err
	}
	if p.Convention != ConventionNone {
		count, ok := counts[p.Convention]
		if !ok {
			return Checked{}, fmt.Errorf("%s: unknown convention %q", n.Name, p.Convention)
		}
		return Checked{count, p.Convention, p.Equals(count)}, nil
	}
	printed, ok := p.number()
	if !ok {
		return Checked{}, fmt.Errorf("%s: printed value %q is not a number", n.Name, p.Value)
	}
	var best Checked
	for _, convention := range p.conventions() {
		if d := math.Abs(float64(counts[convention]) - printed*1e6); best.Convention == "" || d < math.Abs(float64(best.Count)-printed*1e6) {
			best = Checked{Count: counts[convention], Convention: convention}
		}
	}
	return best, nil
}

// conventions are those that may hold for the number: the first two of [Conventions] count parameters.
func (p Published) conventions() []string {
	if p.Count == CountParams {
		return Conventions[:2]
	}
	return Conventions[2:]
}

// Model is the network on the device, in evaluation without the auxiliary head; its tensors are zero until they are
// loaded.
func (n *Net) Model() (*engine.Model, error) {
	if n.model != nil {
		return n.model, nil
	}
	if n.Engine == nil {
		b, err := backend.Open()
		if err != nil {
			return nil, err
		}
		n.Engine = engine.New(b.Backend)
	}
	m, err := n.Module(space.NetworkOptions{})
	if err != nil {
		return nil, err
	}
	level := nn.Network
	if n.Granularity != nil {
		level = *n.Granularity
	}
	n.model, err = n.Engine.NewModel(m, level)
	return n.model, err
}

// Predict returns the logits of images [batch, height, width, channels], [batch][classes].
func (n *Net) Predict(images *tensors.Tensor) ([][]float32, error) {
	m, err := n.Model()
	if err != nil {
		return nil, err
	}
	out, err := m.Run(nn.Mode{}, images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	defer func() { _ = out[0].FinalizeAll() }()
	flat, err := engine.Values(out[0])
	if err != nil {
		return nil, err
	}
	logits := make([][]float32, out[0].Shape().Dimensions[0])
	for i := range logits {
		logits[i] = make([]float32, n.Network.Classes)
		for k := range logits[i] {
			logits[i][k] = float32(flat[i*n.Network.Classes+k])
		}
	}
	return logits, nil
}
