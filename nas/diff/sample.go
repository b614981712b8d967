package diff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// Sampler says how networks are drawn from a supernet, each with at most one operation on an edge, of which alone the
// forward and backward passes run. Cells of a kind have the same draw.
type Sampler struct {
	// Draws is the number K of networks of the weights' half of a step and of the architecture's. The weights move by the
	// sum of their gradients, the parameters by the mean.
	Draws [2]int
	// Temperature is that of the relaxation in an epoch, from 0; the log has a column of it.
	Temperature func(c Config, epoch int) float64
	// Choose draws: the tables of a kind of cell, the space's first, with Gumbel(0, 1) noise added to their parameters.
	Choose func(kind int, perturbed [][][]float64) Choice
	// Gates are what the drawn operations are multiplied by, [edges], 1 by their values, through which the parameters get
	// their gradients; further vectors [edges] may follow, which an edge's operations take as inputs of its own.
	Gates func(kind int, tables []Drawn) []*graph.Node
	// Vectors is the number of vectors that Gates gives; 0 means 1.
	Vectors int
	// Ops are an edge's operations; nil takes those of [nn.MixedOps].
	Ops func(at space.EdgeAt, ops []string) ([]nn.MixedOp, error)
	// Noise, where it is not nil, is a pass's noise for a table in the place of random numbers, such as that of a measured
	// draw of other code.
	Noise func(p Pass, table, rows, columns int) [][]float64
}

// Choice is one draw for a kind of cell.
type Choice struct {
	// Ops is the operation of each edge, -1 for an edge that is left out.
	Ops []int
	// Masks are 1 where something was drawn and 0 elsewhere, for each table [rows][columns].
	Masks [][][]float64
}

// Drawn is a table in a draw: parameters, Gumbel noise and mask [rows, columns], and the temperature, a scalar.
type Drawn struct{ Parameters, Noise, Mask, Temperature *graph.Node }

// StraightThrough is the mask by its values, with the gradient of probabilities of its shape (GDAS, 1910.04465, equation 7).
func StraightThrough(mask, probabilities *graph.Node) *graph.Node {
	return graph.Add(mask, graph.Sub(probabilities, graph.StopGradient(probabilities)))
}

// Hard is the straight-through choice of one entry a row: the softmax over rows of (parameters + noise) / temperature.
func (d Drawn) Hard() *graph.Node { return StraightThrough(d.Mask, nn.SoftmaxRows(d.Tempered())) }

// Tempered is (parameters + noise) / temperature. Parameters of several softmaxes need no logarithm of their own softmax,
// for it moves all of a row by the same.
func (d Drawn) Tempered() *graph.Node {
	return graph.Div(graph.Add(d.Parameters, d.Noise), d.Temperature)
}

// OneEach draws one operation of every edge, whatever else is drawn.
func OneEach(_ int, perturbed [][][]float64) Choice {
	ops, mask := Strongest(perturbed[0])
	return Choice{Ops: ops, Masks: [][][]float64{mask}}
}

// Gate is a table's straight-through weights of what was drawn, one for each row (GDAS, 1910.04465, equation 7).
func (d Drawn) Gate() *graph.Node { return graph.ReduceSum(graph.Mul(d.Hard(), d.Mask), -1) }

// Strongest is the entry of each row that is largest, of equals the first, and its mask.
func Strongest(rows [][]float64) (best []int, mask [][]float64) {
	for _, row := range rows {
		k := 0
		for i, v := range row {
			if v > row[k] {
				k = i
			}
		}
		m := make([]float64, len(row))
		m[k] = 1
		best, mask = append(best, k), append(mask, m)
	}
	return best, mask
}

// Temperature falls in a line over the epochs, or stays.
type Temperature struct {
	First float64 `json:"first"`
	Last  float64 `json:"last"`
}

// At is the temperature in an epoch, from 0; it stays behind the last one.
func (t Temperature) At(c Config, epoch int) float64 {
	return t.First + (t.Last-t.First)*float64(min(epoch, c.Epochs-1))/float64(max(1, c.Epochs-1))
}

// Validate reports the first field out of range.
func (t Temperature) Validate() error {
	if err := cmp.Or(ranges.Above("temperature.first", t.First, 0, 1e6), ranges.Above("temperature.last", t.Last, 0, 1e6)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if t.Last > t.First {
		return fmt.Errorf("config: temperature.last: expected at most temperature.first, %g, got %g", t.First, t.Last)
	}
	return nil
}

// ByEdges makes of profiles those of a search that draws: at gpu too the supernet runs by edges, for each network that is
// drawn is another one. A search at quick takes so many seconds; how long the others take was not measured.
func ByEdges(profiles map[string]method.Profile, quickSeconds float64) map[string]method.Profile {
	for name, p := range profiles {
		p.Seconds = 0
		switch name {
		case profile.Quick:
			p.Seconds = quickSeconds
		case profile.GPU:
			p.Also = `{"granularity": "edge"}`
			p.Note = strings.Replace(p.Note, oneProgram, ", by edges", 1)
		}
		profiles[name] = p
	}
	return profiles
}

// FewSteps are fewer steps at quick than other searches have, for one of ROME runs 14 networks, and FewStepsNote is the note.
const (
	FewSteps     = `{"steps_per_epoch": 10}`
	FewStepsNote = "minutes: 5 cells, 8 channels, 16×16 pixels, 10 epochs of 10 steps, batch 16; because these steps are some hundredth of the paper's, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam)"
)

// VariantByEdges is the same for a variant with notes of its own.
func VariantByEdges(v method.Variant) method.Variant {
	v.Notes = maps.Clone(v.Notes)
	v.Notes[profile.GPU] = strings.Replace(v.Notes[profile.GPU], oneProgram, ", by edges", 1)
	return v
}

// oneProgram is what notes of profiles say of a supernet that is compiled as a whole.
const oneProgram = ", compiled as one program"

// ValidateDrawing reports the first field that a search that draws networks cannot have.
func (c Config) ValidateDrawing() error {
	level, err := nn.ParseLevel(c.Granularity)
	switch {
	case err != nil:
		return fmt.Errorf("config: %w", err)
	case level > nn.Edge:
		return fmt.Errorf("config: granularity: expected %q or %q, for each network that is drawn is another one, got %q", nn.Operation, nn.Edge, c.Granularity)
	case c.SecondOrder:
		return errors.New("config: second_order: expected false, for a search that draws networks has no second order")
	case c.Curvature != nil || c.Landscape != nil:
		return errors.New("config: curvature, landscape: expected none, for a search that draws networks has no one loss over its parameters")
	}
	return nil
}

func (s *Sampler) check(c Config) error {
	if min(s.Draws[0], s.Draws[1]) < 1 {
		return fmt.Errorf("config: draws: expected at least 1 for the weights and for the architecture, got %d and %d", s.Draws[0], s.Draws[1])
	}
	return c.ValidateDrawing()
}

// vectors is the number of vectors of a kind's gates.
func (s *Sampler) vectors() int { return max(1, s.Vectors) }

// temperature is the input of the relaxation and of the gates.
func (s *Sampler) temperature() Input {
	return Input{Name: "temperature", To: ToRelax, Number: s.Temperature,
		Shape: func(Config) shapes.Shape { return shapes.Make(dtypes.Float32) },
		At:    func(c Config, p Pass) *tensors.Tensor { return tensors.FromScalar(float32(s.Temperature(c, p.Epoch))) }}
}

// kinds is the number of kinds of cells, each with one of the space's tables and one of the method's own if it has any.
func (f *functions) kinds() int { return len(f.space.Tables()) }

// of are a kind's entries of a list with one for each table.
func of[T any](f *functions, kind int, list []T) (out []T) {
	for t := kind; t < len(f.tables); t += f.kinds() {
		out = append(out, list[t])
	}
	return out
}

// ragged cuts all tables to what their rows have.
func (f *functions) ragged(tables [][][]float64) [][][]float64 {
	out := make([][][]float64, len(tables))
	for t, rows := range tables {
		out[t] = f.tables[t].cut(rows)
	}
	return out
}

// probes are parameters of all tables that tell functions from others.
func (f *functions) probes() [][][]float64 {
	out := make([][][]float64, len(f.tables))
	for t, table := range f.tables {
		out[t] = probe(len(table.Rows), table.columns(), float64(t))
	}
	return out
}

// probe is what a sampler draws for some parameters, in words.
func (s *Sampler) probe(f *functions) (string, error) {
	type drawn struct {
		Choice
		Temperature float64
	}
	var out []drawn
	for kind := range f.kinds() {
		c, err := f.choose(kind, f.probes())
		if err != nil {
			return "", err
		}
		out = append(out, drawn{c, s.Temperature(f.config, min(1, f.config.Epochs-1))})
	}
	text, err := json.Marshal(out)
	if err != nil || s.Noise == nil {
		return string(text), err
	}
	own, err := json.Marshal(f.noise(Pass{Position: run.Position{Epochs: f.config.Epochs, Steps: 1}, Draws: 1}))
	return string(text) + string(own), err
}

// name is a checksum of a kind's gates.
func (s *Sampler) name(e *engine.Engine, f *functions, kind int) (string, error) {
	values := f.probes()
	c, err := f.choose(kind, values)
	if err != nil {
		return "", err
	}
	masks := f.masks(kind, c)
	var wrt []int
	var in []*tensors.Tensor
	for i, v := range of(f, kind, values) {
		rows, columns := len(v), len(v[0])
		wrt = append(wrt, len(in))
		in = append(in, e.Tensor(slices.Concat(v...), rows, columns), e.Tensor(slices.Concat(probe(rows, columns, 3)...), rows, columns),
			e.Tensor(slices.Concat(masks[i]...), rows, columns))
	}
	in = append(in, e.Scalar(1.5))
	name, err := checksum(e, "gates", func(in []*graph.Node) *graph.Node {
		var list []Drawn
		for _, i := range wrt {
			list = append(list, Drawn{in[i], in[i+1], in[i+2], in[len(in)-1]})
		}
		return graph.Concatenate(s.Gates(kind, list), 0)
	}, wrt, in...)
	return name, errors.Join(err, run.Finalize(in...))
}

// choose draws for a kind of cell, and holds what the method chose against the tables.
func (f *functions) choose(kind int, perturbed [][][]float64) (Choice, error) {
	c := f.method.Sample.Choose(kind, of(f, kind, f.ragged(perturbed)))
	specs := of(f, kind, f.tables)
	wrong := func(format string, args ...any) (Choice, error) {
		return c, fmt.Errorf("method %s: draw for cells of kind %d: %s", f.method.Name, kind, fmt.Sprintf(format, args...))
	}
	if len(c.Ops) != len(specs[0].Rows) {
		return wrong("expected an operation of %d edges, got %d", len(specs[0].Rows), len(c.Ops))
	}
	for edge, op := range c.Ops {
		if op < -1 || op >= len(specs[0].Ops[edge]) {
			return wrong("edge %d: expected an operation from 0 to %d, or -1, got %d", edge, len(specs[0].Ops[edge])-1, op)
		}
	}
	if len(c.Masks) != len(specs) {
		return wrong("expected %d masks, got %d", len(specs), len(c.Masks))
	}
	for i, mask := range c.Masks {
		if err := specs[i].fits(mask); err != nil {
			return wrong("mask %d: %s", i, err)
		}
	}
	return c, nil
}

// masks fills a choice's masks up to the tables' shapes.
func (f *functions) masks(kind int, c Choice) [][][]float64 {
	specs := of(f, kind, f.tables)
	out := make([][][]float64, len(specs))
	for i, table := range specs {
		for _, row := range c.Masks[i] {
			out[i] = append(out[i], append(slices.Clone(row), make([]float64, table.columns()-len(row))...))
		}
	}
	return out
}

// drawn is the network of a choice for each kind of cell, or the supernet with all operations for no choices.
func (f *functions) drawn(choices []Choice) (nn.Module, error) {
	return f.supernet(func(at space.EdgeAt) (nn.Module, error) {
		ops, err := f.operations(at)
		if err != nil {
			return nil, err
		}
		if choices == nil {
			all := make([]int, len(ops))
			for k := range all {
				all[k] = k
			}
			return nn.Drawn(ops, all...), nil
		}
		k := choices[at.Table()].Ops[at.Row]
		if k < 0 {
			return nil, nil
		}
		return nn.Drawn(ops, k), nil
	}, f.method.Sample.vectors())
}

// operations are those of an edge.
func (f *functions) operations(at space.EdgeAt) ([]nn.MixedOp, error) {
	if made, ok := f.made[at]; ok {
		return made, nil
	}
	names := f.tables[at.Table()].Ops[at.Row]
	var ops []nn.MixedOp
	var err error
	if f.method.Sample.Ops != nil {
		ops, err = f.method.Sample.Ops(at, names)
	} else {
		ops, err = nn.MixedOps(names, at.Channels, at.Stride)
	}
	if err == nil {
		f.made[at] = ops
	}
	return ops, err
}

// gating makes the gates of all kinds of cells; draw are noise and mask of each table, as [functions.drawShapes] has them.
func (f *functions) gating(e nn.Env, alphas, toRelax, draw []nn.Value) []nn.Value {
	s, kinds := f.method.Sample, f.kinds()
	noise, mask := draw[:len(f.tables)], draw[len(f.tables):]
	out := make([]nn.Value, kinds*s.vectors())
	for kind := range kinds {
		tables := len(f.tables) / kinds
		gates := nn.NewLeaf(f.gates[kind], nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
			list := make([]Drawn, tables)
			for i := range list {
				list[i] = Drawn{in[i], in[tables+i], in[2*tables+i], in[3*tables]}
			}
			return s.Gates(kind, list)
		})
		in := slices.Concat(of(f, kind, alphas), of(f, kind, noise), of(f, kind, mask), toRelax[len(toRelax)-1:])
		for v, gate := range e.Call("", gates, in...) {
			out[v*kinds+kind] = gate
		}
	}
	return out
}

// drawShapes are the shapes of what a draw adds to the objective's inputs: the noise of all tables, then their masks.
func (f *functions) drawShapes() (out []shapes.Shape) {
	for range 2 {
		for _, table := range f.tables {
			out = append(out, shapes.Make(dtypes.Float32, len(table.Rows), table.columns()))
		}
	}
	return out
}

// gumbelStream tells the noise of draws from other random numbers of a seed.
const gumbelStream = 0x6a3be1

// Gumbel are rows of numbers of the standard Gumbel distribution.
func Gumbel(r *rand.Rand, rows, columns int) [][]float64 {
	out := make([][]float64, rows)
	for i := range out {
		out[i] = make([]float64, columns)
		for k := range out[i] {
			// An exponential number is 0 once in a very long time, and the noise then infinite.
			out[i][k] = -math.Log(max(r.ExpFloat64(), math.SmallestNonzeroFloat64))
		}
	}
	return out
}

// noise is a pass's, of all tables.
func (f *functions) noise(p Pass) (out [][][]float64) {
	r := rand.New(rand.NewPCG(f.config.Seed^gumbelStream, p.Number()))
	for t, table := range f.tables {
		rows, columns := len(table.Rows), table.columns()
		if own := f.method.Sample.Noise; own != nil {
			out = append(out, own(p, t, rows, columns))
		} else {
			out = append(out, Gumbel(r, rows, columns))
		}
	}
	return out
}

// Draw is one network drawn from a supernet.
type Draw struct {
	// Network takes images and the gates' vectors of each kind of cell to logits.
	Network nn.Module
	// Choices are what was drawn, for each kind of cell.
	Choices []Choice
	// inputs are what it adds to the objective's.
	inputs [][][]float64
}

// draw is the network for parameters and noise of all tables, [rows][columns].
func (f *functions) draw(values, noise [][][]float64) (d Draw, err error) {
	for what, tables := range map[string][][][]float64{"parameters": values, "noise": noise} {
		if len(tables) != len(f.tables) {
			return d, fmt.Errorf("draw: %s: expected %d tables, got %d", what, len(f.tables), len(tables))
		}
		for t, rows := range tables {
			if err := f.tables[t].full(rows); err != nil {
				return d, fmt.Errorf("draw: %s of %s: %w", what, f.tables[t].Name, err)
			}
		}
	}
	perturbed := make([][][]float64, len(values))
	for i, rows := range values {
		for k, row := range rows {
			sum := make([]float64, len(row))
			for j, v := range row {
				sum[j] = v + noise[i][k][j]
			}
			perturbed[i] = append(perturbed[i], sum)
		}
	}
	masks := make([][][]float64, len(values))
	for kind := range f.kinds() {
		c, err := f.choose(kind, perturbed)
		if err != nil {
			return d, err
		}
		for i, mask := range f.masks(kind, c) {
			masks[kind+i*f.kinds()] = mask
		}
		d.Choices = append(d.Choices, c)
	}
	d.inputs = slices.Concat(noise, masks)
	d.Network, err = f.drawn(d.Choices)
	return d, err
}

// tensors are a draw's inputs of the objective.
func (d Draw) tensors(e *engine.Engine) (out []*tensors.Tensor) {
	for _, table := range d.inputs {
		out = append(out, e.Tensor(slices.Concat(table...), len(table), len(table[0])))
	}
	return out
}

// sampled sums the gradients of the networks that a half of a step draws. They run one after the other, so that the memory
// does not grow with their number.
func (t *task) sampled(b run.Batch, p Pass) (sum *engine.Gradients, err error) {
	defer func() {
		if err != nil && sum != nil {
			err = errors.Join(err, sum.Finalize())
		}
	}()
	values := make([][][]float64, len(t.alphas))
	for i, v := range t.alphas {
		flat, err := engine.Values(v.Value)
		if err != nil {
			return nil, err
		}
		values[i] = slices.Collect(slices.Chunk(flat, t.tables[i].columns()))
	}
	draws := t.draws(p.Half)
	p.Draws = max(t.draws(0), t.draws(1))
	for p.Draw = range draws {
		g, err := t.one(b, p, values)
		if err != nil {
			return sum, err
		}
		if sum, err = t.model.Accumulate(sum, g); err != nil {
			return sum, err
		}
	}
	return sum, t.model.ScaleInputs(sum, 1/float64(draws))
}

// draws is the number of networks of a half of a step.
func (t *task) draws(half int) int {
	if s := t.method.Sample; s != nil {
		return s.Draws[half]
	}
	return 1
}

// one is the gradient of one drawn network.
func (t *task) one(b run.Batch, p Pass, values [][][]float64) (g *engine.Gradients, err error) {
	d, err := t.draw(values, t.noise(p))
	if err != nil {
		return nil, err
	}
	in := append(t.inputs(b, p), d.tensors(t.engine)...)
	defer func() { err = errors.Join(err, run.Finalize(t.own(in)...)) }()
	return t.part(t.model.Path(t.objective(d.Network)), p, in)
}

// Objective is what a search that draws differentiates, outside a search: for numbers of other code, and for counting.
type Objective struct {
	engine    *engine.Engine
	functions *functions
}

// NewObjective makes it for a method with a [Sampler].
func NewObjective(e *engine.Engine, c Config, m Method) (*Objective, error) {
	if m.Sample == nil {
		return nil, fmt.Errorf("method %s: expected one that draws networks", m.Name)
	}
	f, err := newFunctions(e, c, m)
	if err != nil {
		return nil, err
	}
	return &Objective{e, f}, nil
}

// Supernet has all tensors: images, labels and what [Objective.Draw] gives to loss, number of correct samples and 0.
func (o *Objective) Supernet() (nn.Module, error) {
	net, err := o.functions.whole()
	if err != nil {
		return nil, err
	}
	return o.functions.objective(net), nil
}

// Draw makes a network of parameters and noise of all tables, [rows][columns], and its objective with the inputs behind
// images and labels: parameters, temperature, noise and masks.
func (o *Objective) Draw(values, noise [][][]float64, temperature float64) (d Draw, objective nn.Module, in []*tensors.Tensor, err error) {
	if d, err = o.functions.draw(values, noise); err != nil {
		return d, nil, nil, err
	}
	for _, table := range values {
		in = append(in, o.engine.Tensor(slices.Concat(table...), len(table), len(table[0])))
	}
	in = append(in, o.engine.Scalar(temperature))
	return d, o.functions.objective(d.Network), append(in, d.tensors(o.engine)...), nil
}
