// Package engine runs modules of nas/nn: it cuts a network into blocks at a chosen granularity, compiles each
// kind of block once (forward and vector-Jacobian product), and walks plans of block calls forwards and back.
// Any path through a supernet runs without compiling anything new. See docs/architecture.md.
package engine

import (
	"cmp"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"
	"golang.org/x/sync/errgroup"

	"github.com/gonas/gonas/nas/nn"
)

// Engine owns the executables of one backend. It is safe for concurrent use.
type Engine struct {
	backend compute.Backend
	dtype   dtypes.DType
	// parallel is how many blocks of a plan, and compilations, run side by side.
	parallel int

	mu          sync.Mutex
	executables map[string]*executable

	compilations atomic.Int64
	compileNanos atomic.Int64
	calls        atomic.Int64
	observe      func(Call)

	wideOnce sync.Once
	wide     *Engine
}

// New makes an engine on a backend that computes in float32.
func New(backend compute.Backend) *Engine { return newEngine(backend, dtypes.Float32) }

// NewFloat64 makes an engine that computes in float64, to compare with reference numbers where float32's rounding
// would hide a mistake. No CPU kernel of ours takes part.
func NewFloat64(backend compute.Backend) *Engine { return newEngine(backend, dtypes.Float64) }

func newEngine(backend compute.Backend, dtype dtypes.DType) *Engine {
	return &Engine{backend: backend, dtype: dtype, parallel: runtime.GOMAXPROCS(0), executables: map[string]*executable{}}
}

// Float64 is the engine in float64 on the same backend, one for all that ask, so that its programs are compiled once.
func (e *Engine) Float64() *Engine {
	if e.dtype == dtypes.Float64 {
		return e
	}
	e.wideOnce.Do(func() { e.wide = NewFloat64(e.backend) })
	return e.wide
}

// DType is the type of weights and images: float32 or float64.
func (e *Engine) DType() dtypes.DType { return e.dtype }

// Backend is where the engine computes.
func (e *Engine) Backend() compute.Backend { return e.backend }

// Stats counts what an engine did.
type Stats struct {
	// Executables made so far: graphs built and compiled, or loaded from the backend's cache on disk.
	Executables int64
	// PrepareTime is the wall time that building and compiling took, summed over parallel workers.
	PrepareTime time.Duration
	// Calls of executables.
	Calls int64
}

// Stats returns the counts since the engine was made.
func (e *Engine) Stats() Stats {
	return Stats{e.compilations.Load(), time.Duration(e.compileNanos.Load()), e.calls.Load()}
}

// Call is one call of an executable, for a profile.
type Call struct {
	// Key is "forward|", "gradient|", "update|" and the like, then the block's signature and the inputs' shapes.
	Key        string
	Begin, End time.Time
}

// Observe has f told of every call from now on, by the worker that made it, several at once; nil ends that. Nothing may
// run meanwhile.
func (e *Engine) Observe(f func(Call)) { e.observe = f }

// executable is one compiled graph. It is built and compiled once, by whoever needs it first.
type executable struct {
	engine *Engine
	key    string
	inputs []shapes.Shape
	build  func(in []*graph.Node) []*graph.Node

	buildOnce, compileOnce sync.Once
	graph                  *graph.Graph
	outNodes               []*graph.Node
	outputs                []shapes.Shape
	buildErr, compileErr   error
	compiled               atomic.Bool
}

// executable returns the one of this key; build makes its outputs from one parameter per input shape.
func (e *Engine) executable(key string, inputs []shapes.Shape, build func(in []*graph.Node) []*graph.Node) *executable {
	var b strings.Builder
	b.WriteString(key)
	for _, s := range inputs {
		b.WriteByte(';')
		b.WriteString(s.String())
	}
	full := b.String()
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.executables[full]
	if !ok {
		x = &executable{engine: e, key: full, inputs: inputs, build: build}
		e.executables[full] = x
	}
	return x
}

// trace builds the graph, which tells the outputs' shapes, without compiling it.
func (x *executable) trace() error {
	x.buildOnce.Do(func() {
		start := time.Now()
		x.buildErr = exceptions.TryCatch[error](func() {
			g := graph.NewGraph(x.engine.backend, "block")
			in := make([]*graph.Node, len(x.inputs))
			for i, s := range x.inputs {
				in[i] = graph.Parameter(g, fmt.Sprintf("p%d", i), s)
			}
			x.outNodes = x.build(in)
			// What the function has captured, such as a whole search, can go.
			x.build = nil
			for i, n := range x.outNodes {
				// A parameter passed through needs a node of its own to be an output.
				if n.Type() == graph.NodeTypeParameter {
					x.outNodes[i] = graph.Identity(n)
				}
				x.outputs = append(x.outputs, x.outNodes[i].Shape())
			}
			x.graph = g
		})
		if x.buildErr != nil {
			x.buildErr = fmt.Errorf("building block %s: %w", x.key, x.buildErr)
		}
		x.engine.compileNanos.Add(int64(time.Since(start)))
	})
	return x.buildErr
}

func (x *executable) compile() error {
	if err := x.trace(); err != nil {
		return err
	}
	x.compileOnce.Do(func() {
		start := time.Now()
		err := exceptions.TryCatch[error](func() {
			if err := x.graph.Compile(x.outNodes...); err != nil {
				panic(err)
			}
		})
		if err != nil {
			x.compileErr = fmt.Errorf("compiling block %s: %w", x.key, err)
		}
		x.outNodes = nil
		x.compiled.Store(err == nil)
		x.engine.compilations.Add(1)
		x.engine.compileNanos.Add(int64(time.Since(start)))
	})
	return x.compileErr
}

// run calls the executable; an input is a *tensors.Tensor or a donated one.
func (x *executable) run(in ...any) (out []*tensors.Tensor, err error) {
	if err := x.compile(); err != nil {
		return nil, err
	}
	x.engine.calls.Add(1)
	if f := x.engine.observe; f != nil {
		begin := time.Now()
		defer func() { f(Call{x.key, begin, time.Now()}) }()
	}
	err = exceptions.TryCatch[error](func() { out = x.graph.Run(in...) })
	if err != nil {
		return nil, fmt.Errorf("running block %s: %w", x.key, err)
	}
	return out, nil
}

// Evaluate runs a graph function on inputs. A key names the function, which must always be the same under it, so that it
// compiles once for inputs of the same shapes; under an empty key it compiles at every call.
func (e *Engine) Evaluate(key string, f func(in []*graph.Node) []*graph.Node, in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	dims, args := make([]shapes.Shape, len(in)), make([]any, len(in))
	for i, t := range in {
		dims[i], args[i] = t.Shape(), t
	}
	if key == "" {
		x := &executable{engine: e, key: "evaluate", inputs: dims, build: f}
		defer x.finalize()
		return x.run(args...)
	}
	return e.executable("evaluate|"+key, dims, f).run(args...)
}

// finalize frees the program.
func (x *executable) finalize() {
	if x.graph != nil {
		x.graph.Finalize()
	}
}

// compileAll compiles in parallel what is not compiled yet.
func (e *Engine) compileAll(list []*executable) error {
	var left []*executable
	seen := map[*executable]bool{}
	for _, x := range list {
		if !x.compiled.Load() && !seen[x] {
			seen[x] = true
			left = append(left, x)
		}
	}
	return e.each(len(left), func(i int) error { return left[i].compile() })
}

// each calls f with 0 to n-1, some side by side, and returns the first of its errors by number.
func (e *Engine) each(n int, f func(int) error) error {
	var g errgroup.Group
	g.SetLimit(e.parallel)
	errs := make([]error, n)
	for i := range n {
		g.Go(func() error {
			errs[i] = f(i)
			return nil
		})
	}
	_ = g.Wait()
	return cmp.Or(errs...)
}

// vector is the shape of a flat vector.
func (e *Engine) vector(n int) shapes.Shape { return shapes.Make(e.dtype, n) }

// Tensor puts values on the device in the engine's type, with these dimensions (none for a scalar).
func (e *Engine) Tensor(values []float64, dims ...int) *tensors.Tensor {
	if e.dtype == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(slices.Clone(values), dims...)
	}
	flat := make([]float32, len(values))
	for i, v := range values {
		flat[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(flat, dims...)
}

// Scalar puts one number on the device in the engine's type.
func (e *Engine) Scalar(v float64) *tensors.Tensor { return e.Tensor([]float64{v}) }

// Values reads a float32 or float64 tensor from the device; nil gives nil.
func Values(t *tensors.Tensor) (out []float64, err error) {
	if t == nil {
		return nil, nil
	}
	err = t.ConstFlatData(func(flat any) {
		switch flat := flat.(type) {
		case []float64:
			out = slices.Clone(flat)
		case []float32:
			out = make([]float64, len(flat))
			for i, v := range flat {
				out[i] = float64(v)
			}
		}
	})
	return out, err
}

// layout is where a block's tensors lie in its flat vectors. The weights' vector ends in zeros that nothing reads, so
// that many blocks share a length, and with it the programs that update them.
type layout struct {
	specs            []nn.Spec
	weights, buffers int
	padding          int // of weights
}

// rounded is the next of four lengths an octave, and a multiple of 16. The longest have none to share it with.
func rounded(n int) int {
	if n > 1<<20 {
		return n
	}
	step := max(16, 1<<bits.Len(uint(n))>>3)
	return (n + step - 1) / step * step
}

func newLayout(specs []nn.Spec) layout {
	l := layout{specs: specs}
	for _, s := range specs {
		switch {
		case s.Counter:
		case s.Buffer:
			l.buffers += s.Size()
		default:
			l.weights += s.Size()
		}
	}
	if l.weights > 0 {
		l.padding = rounded(l.weights) - l.weights
		l.weights += l.padding
	}
	return l
}

// cut slices the flat vectors (nil where there is none) into tensors by name.
func (l layout) cut(weights, buffers *graph.Node) map[string]*graph.Node {
	cut := map[string]*graph.Node{}
	at := map[bool]int{}
	for _, s := range l.specs {
		flat := weights
		if s.Buffer {
			flat = buffers
		}
		if s.Counter || flat == nil {
			continue
		}
		start := at[s.Buffer]
		at[s.Buffer] += s.Size()
		cut[s.Name] = graph.Reshape(graph.Slice(flat, graph.AxisRange(start, start+s.Size())), s.EngineShape()...)
	}
	return cut
}

// joinBuffers is the flat vector of the buffers after a pass, from the context's updates.
func (l layout) joinBuffers(c *nn.Ctx, tensors map[string]*graph.Node) *graph.Node {
	var parts []*graph.Node
	updates := c.Updates()
	for _, s := range l.specs {
		if !s.Buffer || s.Counter {
			continue
		}
		n, ok := updates[s.Name]
		if !ok {
			n = tensors[s.Name]
		}
		parts = append(parts, graph.Reshape(n, s.Size()))
	}
	return concat(parts)
}

func concat(parts []*graph.Node) *graph.Node {
	if len(parts) == 1 {
		return parts[0]
	}
	return graph.Concatenate(parts, 0)
}

// formatFloat writes a number for a signature, exactly.
func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
