package diff

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// exact are all eigenvalues of a symmetric matrix, ascending.
func exact(t *testing.T, m *mat.SymDense) []float64 {
	t.Helper()
	var eigen mat.EigenSym
	require.True(t, eigen.Factorize(m, false))
	return eigen.Values(nil)
}

// normals are standard normal numbers.
func normals(n int, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i := range out {
		out[i] = random.NormFloat64()
	}
	return out
}

// randomMatrix is a symmetric one of n rows.
func randomMatrix(n int) *mat.SymDense {
	m := mat.NewSymDense(n, nil)
	for i, v := range normals(n*n, 7) {
		m.SetSym(i/n, i%n, v)
	}
	return m
}

// times is the product with a matrix, which counts.
func times(m mat.Matrix, count *int) func([]float64) ([]float64, error) {
	return func(v []float64) ([]float64, error) {
		*count++
		var out mat.VecDense
		out.MulVec(m, mat.NewVecDense(len(v), v))
		return out.RawVector().Data, nil
	}
}

// The ends of a spectrum are those of the whole matrix, after fewer products than it has rows, and the residual bounds how
// far they are off.
func TestEnds(t *testing.T) {
	const n = 40
	m := randomMatrix(n)
	want := exact(t, m)
	for _, tolerance := range []float64{0.3, 1e-2, 1e-6, 0} {
		count := 0
		got, err := ends(normals(n, 3), times(m, &count), 100, tolerance)
		require.NoError(t, err)
		assert.Equal(t, count, got.iterations)
		assert.LessOrEqual(t, got.residual, tolerance+1e-12)
		scale := max(-want[0], want[n-1])
		assert.InDelta(t, want[0], got.lowest, got.residual*scale+1e-9)
		assert.InDelta(t, want[n-1], got.largest, got.residual*scale+1e-9)
		if tolerance > 1e-3 {
			assert.Less(t, count, n, "tolerance %g", tolerance)
		}
	}
	count := 0
	got, err := ends(normals(n, 3), times(m, &count), 5, 1e-9)
	require.NoError(t, err)
	assert.Equal(t, 5, got.iterations)
	assert.Greater(t, got.residual, 1e-2, "what is not reached is told")
}

// Two eigenvalues of opposite sign and the same size, between which power iteration would go to and fro; a matrix of zeros;
// a start in a space that products do not leave.
func TestEndsOfSpecialMatrices(t *testing.T) {
	diagonal := mat.NewDiagDense(4, []float64{2, -2, 1, 0})
	count := 0
	got, err := ends([]float64{1, 1, 1, 1}, times(diagonal, &count), 10, 1e-10)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{2, -2}, []float64{got.largest, got.lowest}, 1e-9)
	got, err = ends([]float64{0, 0, 1, 1}, times(diagonal, &count), 10, 0)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{1, 0}, []float64{got.largest, got.lowest}, 1e-9)
	assert.Equal(t, 2, got.iterations)
	got, err = ends([]float64{1, 2}, times(mat.NewDense(2, 2, nil), &count), 10, 0)
	require.NoError(t, err)
	assert.Equal(t, spectrum{iterations: 1}, got)
	_, err = ends([]float64{0, 0}, times(mat.NewDense(2, 2, nil), &count), 10, 0)
	require.Error(t, err)
	_, err = ends([]float64{1, 1}, func(v []float64) ([]float64, error) { return []float64{math.NaN(), 0}, nil }, 10, 0)
	assert.ErrorContains(t, err, "product 1 with the Hessian is not finite")
}

func openEngine(t *testing.T) *engine.Engine {
	t.Helper()
	b, err := backend.Open()
	require.NoError(t, err)
	return engine.New(b.Backend)
}

// The Hessian of a small loss of two tables, α [3, 4] and β [2, 2], whose second derivatives are known:
// Σ_rows log Σ exp α + 0.3 (u·α)(w·β) + 4 relu(β_0 - kink). It is diag(p) - ppᵀ for each row's softmax p, and 0.3 uwᵀ between
// the tables; the kink, a tenth of the first step away, has no part in it.
func TestCurvatureOfAToy(t *testing.T) {
	const a, b, coupling = 12, 4, 0.3
	e := openEngine(t).Float64()
	u, w, alpha, beta := normals(a, 1), normals(b, 2), normals(a, 3), normals(b, 4)
	kink := beta[0] + 1e-8
	toy := nn.NewLeaf("toy", nil, func(_ *nn.Ctx, in []*graph.Node) []*graph.Node {
		dot := func(x, y *graph.Node) *graph.Node {
			return graph.ReduceAllSum(graph.Mul(x, graph.Reshape(y, x.Shape().Dimensions...)))
		}
		loss := graph.ReduceAllSum(graph.Log(graph.ReduceSum(graph.Exp(in[2]), 1)))
		loss = graph.Add(loss, graph.MulScalar(graph.Mul(dot(in[0], in[2]), dot(in[1], in[3])), coupling))
		first := graph.Slice(graph.Reshape(in[3], b), graph.AxisRange(0, 1))
		jump := graph.MaxScalar(graph.AddScalar(first, -kink), 0)
		return []*graph.Node{graph.Add(loss, graph.MulScalar(graph.ReduceAllSum(jump), 4)), loss, graph.ZerosLike(loss)}
	})
	m, err := e.NewModel(toy, nn.Operation)
	require.NoError(t, err)
	s := surface{m, []*tensors.Tensor{e.Tensor(u, a), e.Tensor(w, b), e.Tensor(alpha, 3, 4), e.Tensor(beta, 2, 2)}, 2}

	hessian := mat.NewSymDense(a+b, nil)
	for row := range 3 {
		p := make([]float64, 4)
		for k := range p {
			p[k] = math.Exp(alpha[4*row+k])
		}
		floats.Scale(1/floats.Sum(p), p)
		for i := range p {
			for k := range i + 1 {
				v := -p[i] * p[k]
				if i == k {
					v += p[i]
				}
				hessian.SetSym(4*row+i, 4*row+k, v)
			}
		}
	}
	for i := range u {
		for k := range w {
			hessian.SetSym(i, a+k, coupling*u[i]*w[k])
		}
	}
	want := exact(t, hessian)
	got, err := s.spectrum(rand.New(rand.NewPCG(1, 2)), CurvatureConfig{Iterations: 16, Tolerance: 1e-5})
	require.NoError(t, err)
	assert.InDelta(t, want[len(want)-1], got.largest, 1e-3)
	assert.InDelta(t, want[0], got.lowest, 1e-3)
	assert.Less(t, got.residual, 1e-3)
	parameters, err := s.parameters()
	require.NoError(t, err)
	assert.Equal(t, append(append([]float64{}, alpha...), beta...), parameters, "they stay")
}

// smallTask is a search on NAS-Bench-201 before its first step.
func smallTask(t *testing.T, e *engine.Engine) *task {
	t.Helper()
	c := DefaultConfig()
	c.Space, c.Size = space.NASBench201Name, space.Size{Cells: 1, Channels: 4, Classes: 10, InputChannels: 3}
	c.Image, c.Batch, c.Epochs, c.StepsPerEpoch = 8, 8, 1, 1
	k, err := newTask(e, c, DARTS())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.close()) })
	train, _, err := datasets.Embedded()
	require.NoError(t, err)
	k.source = train.Source()
	return k
}

// The Hessian of a supernet, column by column, is symmetric, and its eigenvalues are what the products find: with ReLUs, pools
// and batch norm on real images. In float32 with DARTS's step it would be neither.
func TestCurvatureOfASupernet(t *testing.T) {
	k := smallTask(t, openEngine(t))
	batches, err := validation(k.source, k.config, 8, 1)
	require.NoError(t, err)
	defer func() { require.NoError(t, freeBatches(batches)) }()
	s, free, err := k.wideSurface(batches[0], Pass{Position: run.Position{Epochs: 1, Steps: 1}, Half: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, free()) }()
	at, err := s.parameters()
	require.NoError(t, err)
	here, err := s.gradient(at)
	require.NoError(t, err)
	n := len(at)
	require.Equal(t, 6*5, n)
	hessian := mat.NewSymDense(n, nil)
	columns := make([][]float64, n)
	for i := range n {
		unit := make([]float64, n)
		unit[i] = 1
		columns[i], err = s.product(at, here, unit)
		require.NoError(t, err)
		for k := range i + 1 {
			hessian.SetSym(i, k, columns[i][k])
		}
	}
	want := exact(t, hessian)
	scale := max(-want[0], want[n-1])
	require.Greater(t, scale, 1e-6)
	for i := range n {
		for k := range n {
			assert.InDelta(t, columns[k][i], columns[i][k], 1e-4*scale, "row %d, column %d", i, k)
		}
	}
	got, err := s.spectrum(rand.New(rand.NewPCG(1, 2)), CurvatureConfig{Iterations: n, Tolerance: 1e-3})
	require.NoError(t, err)
	assert.Less(t, got.iterations, n)
	assert.InDelta(t, want[n-1], got.largest, 1e-3*scale)
	assert.InDelta(t, want[0], got.lowest, 1e-3*scale)
}

// Both directions are as long as the parameters, table by table, orthogonal there, and the seed's.
func TestDirections(t *testing.T) {
	k := &task{functions: &functions{config: DefaultConfig(), tables: twoTables()}}
	at := normals(2*14*8, 5)
	floats.Scale(3, at[112:])
	d, lengths, err := k.directions(at)
	require.NoError(t, err)
	require.Len(t, lengths, 2)
	for table, part := range [][2]int{{0, 112}, {112, 224}} {
		a, b := d[0][part[0]:part[1]], d[1][part[0]:part[1]]
		assert.InDelta(t, floats.Norm(at[part[0]:part[1]], 2), lengths[table], 1e-12)
		assert.InDelta(t, lengths[table], floats.Norm(a, 2), 1e-9)
		assert.InDelta(t, lengths[table], floats.Norm(b, 2), 1e-9)
		assert.InDelta(t, 0, floats.Dot(a, b), 1e-9)
	}
	again, _, err := k.directions(at)
	require.NoError(t, err)
	assert.Equal(t, d, again)
	k.config.Seed = 1
	other, _, err := k.directions(at)
	require.NoError(t, err)
	assert.NotEqual(t, d, other)
	_, _, err = k.directions(make([]float64, 224))
	assert.ErrorContains(t, err, "all parameters of the table normal are 0")
	assert.Equal(t, []float64{-2, -1, 0, 1, 2}, LandscapeConfig{Points: 5, Radius: 2}.axis())
}

// twoTables are those of DARTS's cells in S0.
func twoTables() []TableSpec {
	s, _ := DefaultConfig().Over()
	return s.Tables()
}
