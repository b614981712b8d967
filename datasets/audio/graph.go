package audio

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Graph is Features of a batch of clips of one length, as a graph: samples [batch, samples] of any float type become
// [batch, frames, coefficients] of float32. It panics where [Config.Shape] would give an error.
//
// It computes in float64: the quiet bands of a loud sound are smaller than what a transform in float32 leaves there. Where the
// backend has no FFT (GoMLX's own in Go) the transform is a product with a matrix of cosines and sines, many times slower.
func (e *Extractor) Graph(samples *graph.Node) *graph.Node {
	c := e.config
	if samples.Rank() != 2 {
		exceptions.Panicf("audio: samples of shape %s, expected [batch, samples]", samples.Shape())
	}
	batch := samples.Shape().Dimensions[0]
	frames, width, err := c.shape(samples.Shape().Dimensions[1])
	if err != nil {
		panic(err)
	}
	x := e.framesGraph(e.padGraph(graph.ConvertDType(samples, dtypes.Float64)), frames)
	g := x.Graph()
	x = graph.Mul(x, graph.Reshape(graph.Const(g, e.window), 1, 1, c.Window))
	x = graph.Reshape(x, batch*frames, c.Window)
	x = e.powerGraph(x)
	x = graph.Dot(x, graph.Const(g, e.denseFilters())).Product()
	x = e.logarithmGraph(graph.Reshape(x, batch, frames*c.Mels))
	if e.cosines != nil {
		x = graph.Dot(graph.Reshape(x, batch*frames, c.Mels), graph.Const(g, transposed(e.cosines))).Product()
	}
	return graph.ConvertDType(graph.Reshape(x, batch, frames, width), dtypes.Float32)
}

// padGraph puts around the clips [batch, samples] what pad puts around one.
func (e *Extractor) padGraph(x *graph.Node) *graph.Node {
	c := e.config
	batch := x.Shape().Dimensions[0]
	if c.Pad > 0 {
		x = graph.Concatenate([]*graph.Node{zerosLike(x, c.Pad), x, zerosLike(x, c.Pad)}, 1)
	}
	margin := c.margin()
	if margin == 0 {
		return x
	}
	if c.PadMode == PadConstant {
		return graph.Concatenate([]*graph.Node{zerosLike(x, margin), x, zerosLike(x, margin)}, 1)
	}
	length := x.Shape().Dimensions[1]
	before, behind := make([][]int32, margin), make([][]int32, margin)
	for i := range margin {
		mirrored := c.mirrored(i)
		before[margin-1-i] = []int32{int32(mirrored)}
		behind[i] = []int32{int32(length - 1 - mirrored)}
	}
	byTime := graph.TransposeAllAxes(x, 1, 0)
	edge := func(indices [][]int32) *graph.Node {
		return graph.Reshape(graph.TransposeAllAxes(graph.Gather(byTime, graph.Const(x.Graph(), indices)), 1, 0), batch, margin)
	}
	return graph.Concatenate([]*graph.Node{edge(before), x, edge(behind)}, 1)
}

// framesGraph cuts clips [batch, samples] into [batch, frames, Window]: every frame is a piece of Hop samples and the pieces
// behind it.
func (e *Extractor) framesGraph(x *graph.Node, frames int) *graph.Node {
	c := e.config
	batch := x.Shape().Dimensions[0]
	pieces := (c.Window + c.Hop - 1) / c.Hop // of a frame
	offset := c.offset()
	// All pieces, of which the last may need zeros that no window reaches.
	want := (frames - 1 + pieces) * c.Hop
	if have := x.Shape().Dimensions[1] - offset; have < want {
		x = graph.Concatenate([]*graph.Node{x, zerosLike(x, want-have)}, 1)
	}
	x = graph.Reshape(graph.Slice(x, graph.AxisRange(), graph.AxisRange(offset, offset+want)), batch, frames-1+pieces, c.Hop)
	if c.Hop >= c.Window {
		return graph.Slice(x, graph.AxisRange(), graph.AxisRange(), graph.AxisRange(0, c.Window))
	}
	parts := make([]*graph.Node, pieces)
	for i := range parts {
		parts[i] = graph.Slice(x, graph.AxisRange(), graph.AxisRange(i, i+frames), graph.AxisRange(0, min(c.Hop, c.Window-i*c.Hop)))
	}
	return graph.Concatenate(parts, 2)
}

// powerGraph is |FFT|^Power of windowed frames [n, Window]: [n, FFT/2+1].
func (e *Extractor) powerGraph(x *graph.Node) *graph.Node {
	c := e.config
	n, bins := x.Shape().Dimensions[0], c.FFT/2+1
	var re, im *graph.Node
	if x.Graph().Backend().Capabilities().Operations[compute.OpTypeFFT] {
		if c.FFT > c.Window {
			x = graph.Concatenate([]*graph.Node{x, zerosLike(x, c.FFT-c.Window)}, 1)
		}
		spectrum := graph.RealFFT(x)
		re, im = graph.Real(spectrum), graph.Imag(spectrum)
	} else {
		waves := make([][]float64, c.Window)
		for t := range waves {
			waves[t] = make([]float64, 2*bins)
			for k := range bins {
				sin, cos := math.Sincos(2 * math.Pi * float64(t*k%c.FFT) / float64(c.FFT))
				waves[t][k], waves[t][bins+k] = cos, sin
			}
		}
		both := graph.Dot(x, graph.Const(x.Graph(), waves)).Product()
		re = graph.Slice(both, graph.AxisRange(), graph.AxisRange(0, bins))
		im = graph.Slice(both, graph.AxisRange(), graph.AxisRange(bins, 2*bins))
	}
	power := graph.Reshape(graph.Add(graph.Mul(re, re), graph.Mul(im, im)), n, bins)
	if c.Power == 1 {
		return graph.Sqrt(power)
	}
	return power
}

// logarithmGraph is logarithm of clips [batch, values].
func (e *Extractor) logarithmGraph(x *graph.Node) *graph.Node {
	c := e.config
	if c.Log == LogNone {
		return x
	}
	if c.FloorBy == FloorAdd {
		x = graph.AddScalar(x, c.Floor)
	} else {
		x = graph.MaxScalar(x, c.Floor)
	}
	x = graph.MulScalar(graph.Log(x), c.logScale())
	largest := graph.ReduceAndKeep(x, graph.ReduceMax, 1)
	if c.RelativeToMax {
		x = graph.Sub(x, largest)
		largest = graph.ZerosLike(largest)
	}
	if c.TopDB > 0 {
		x = graph.Max(x, graph.BroadcastToDims(graph.AddScalar(largest, -c.TopDB), x.Shape().Dimensions...))
	}
	return x
}

// denseFilters is the filter bank as [bins, mels].
func (e *Extractor) denseFilters() [][]float64 {
	dense := make([][]float64, e.config.FFT/2+1)
	for bin := range dense {
		dense[bin] = make([]float64, len(e.filters))
	}
	for m, f := range e.filters {
		for i, weight := range f.weights {
			dense[f.first+i][m] = weight
		}
	}
	return dense
}

func transposed(rows [][]float64) [][]float64 {
	columns := make([][]float64, len(rows[0]))
	for j := range columns {
		columns[j] = make([]float64, len(rows))
		for i := range rows {
			columns[j][i] = rows[i][j]
		}
	}
	return columns
}

// zerosLike is zeros [rows of x, n].
func zerosLike(x *graph.Node, n int) *graph.Node {
	shape := x.Shape().Clone()
	shape.Dimensions[1] = n
	return graph.Zeros(x.Graph(), shape)
}
