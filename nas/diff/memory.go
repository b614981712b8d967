package diff

import (
	"errors"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
)

// Memory counts what the larger half of a search step takes: [engine.Path.Memory] of its plan where each operation is a
// program of its own, what is inside of operations left out. Of a search that draws it is the most over networks that have
// the same operation everywhere, and inputs that stand next to each other in a method's own table; Live and Kept may be of
// different ones. Nothing runs.
func Memory(e *engine.Engine, c Config, m Method) (most engine.Memory, err error) {
	c.Granularity = nn.Operation.String()
	t, err := newTask(e, c, m)
	if err != nil {
		return most, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	in := t.shapes()
	if m.Sample == nil {
		net, err := t.whole()
		if err != nil {
			return most, err
		}
		return t.memory(net, in)
	}
	for number := range t.choices() {
		d, err := t.draw(t.zeros(), t.pointing(number))
		if err != nil {
			return most, err
		}
		one, err := t.memory(d.Network, slices.Concat(in, t.drawShapes()))
		if err != nil {
			return most, err
		}
		most = larger(most, one)
	}
	return most, nil
}

func larger(a, b engine.Memory) engine.Memory {
	return engine.Memory{Live: max(a.Live, b.Live), Kept: max(a.Kept, b.Kept)}
}

// shapes are those of the objective's inputs.
func (t *task) shapes() []shapes.Shape {
	c := t.config
	in := t.input
	out := []shapes.Shape{shapes.Make(dtypes.Float32, c.Batch, in[0], in[1], in[2]), shapes.Make(dtypes.Int32, c.Batch)}
	for _, table := range t.tables {
		out = append(out, shapes.Make(dtypes.Float32, len(table.Rows), table.columns()))
	}
	for _, in := range t.functions.inputs() {
		out = append(out, in.Shape(c))
	}
	return out
}

// memory is the larger of the two halves with a network.
func (t *task) memory(net nn.Module, in []shapes.Shape) (most engine.Memory, err error) {
	path := t.model.Path(t.objective(net))
	for half, inputs := range [][]int{nil, t.alphaInputs()} {
		one, err := path.Memory(nn.Mode{Train: true}, half == 0, inputs, in...)
		if err != nil {
			return most, err
		}
		most = larger(most, one)
	}
	return most, nil
}

// choices is how many draws [functions.pointing] tells apart.
func (f *functions) choices() int {
	n := 1
	for _, table := range f.tables[:f.kinds()] {
		n = max(n, table.columns())
	}
	if len(f.tables) == f.kinds() {
		return n
	}
	return n * f.tables[len(f.tables)-1].columns()
}

// zeros are parameters of all tables.
func (f *functions) zeros() (out [][][]float64) {
	for _, table := range f.tables {
		rows := make([][]float64, len(table.Rows))
		for i := range rows {
			rows[i] = make([]float64, table.columns())
		}
		out = append(out, rows)
	}
	return out
}

// pointing is noise that draws the same entry of every row of the space's tables, and next to each other those of a method's
// own, another for each number.
func (f *functions) pointing(number int) [][][]float64 {
	out := f.zeros()
	for t, rows := range out {
		for i, row := range rows {
			n := len(f.tables[t].Ops[i])
			if t < f.kinds() {
				row[number%n] = 1
				continue
			}
			at := number / f.tables[0].columns()
			row[at%n], row[(at+1)%n] = 2, 1
		}
	}
	return out
}
