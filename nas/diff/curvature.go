package diff

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
)

// CurvatureConfig asks a search for the ends of the spectrum of the Hessian of the validation loss in all parameters of
// the architecture, after every epoch: the indicator of collapse of R-DARTS (1909.09656), which DARTS- (2009.01027) shows
// in Figures 3 and 4. The search itself is the same as without.
type CurvatureConfig struct {
	// Batch is the number of validation samples, the same after every epoch: the first of the architecture's half, without
	// augmentation. Batch norm is in training mode, as it is in the step that the architecture takes.
	Batch int `json:"batch"`
	// Iterations are at most so many products with the Hessian, of two gradients each.
	Iterations int `json:"iterations"`
	// Tolerance is the relative residual at which it stops before; 0 does all iterations.
	Tolerance float64 `json:"tolerance,omitempty"`
}

// validate reports the first field out of range; nil has none.
func (c *CurvatureConfig) validate() error {
	if c == nil {
		return nil
	}
	if err := cmp.Or(ranges.In("curvature.batch", c.Batch, 2, 1<<16), ranges.In("curvature.iterations", c.Iterations, 1, 1e6),
		ranges.Below("curvature.tolerance", c.Tolerance, 0, 1)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// Curvature is the variant of a method, called title, that searches S3, where DARTS collapses, and measures the curvature
// over the epochs and the landscape at the end, for Figures 3 and 4 of DARTS-.
func Curvature(title string) method.Variant {
	v := OverLandscape(title)
	v.Label, v.Seconds = "curvature", map[string]float64{profile.Smoke: 5, profile.Quick: 30}
	v.Set = joined(v.Set, `{"curvature": {"batch": 64, "iterations": 20, "tolerance": 0.01}}`)
	v.At[profile.Smoke] = joined(v.At[profile.Smoke], `{"curvature": {"batch": 8, "iterations": 3}}`)
	v.At[profile.Quick] = joined(v.At[profile.Quick], `{"curvature": {"batch": 16, "iterations": 15, "tolerance": 0.02}}`)
	return v
}

// joined has the fields of two JSON objects.
func joined(a, b string) string {
	return strings.TrimSuffix(a, "}") + ", " + strings.TrimPrefix(b, "{")
}

// Columns of the log that [CurvatureConfig] adds.
const (
	// Eigenvalue is the largest eigenvalue, as the official code of DARTS- takes it, EigenvalueLowest the most negative one:
	// the one of them further from 0 is the largest by absolute value.
	Eigenvalue       = "eigenvalue"
	EigenvalueLowest = "eigenvalue_lowest"
	// EigenvalueResidual is max ‖Hv - λv‖ of both over the larger |λ|, EigenvalueIterations the number of products.
	EigenvalueResidual   = "eigenvalue_residual"
	EigenvalueIterations = "eigenvalue_iterations"
)

// Steps of differences along a direction of length 1, in turn while one crosses a jump. The derivative of a ReLU jumps: a
// difference over jumps is their sum over the step, which grows as the step shrinks until none is crossed. Only there is it
// the Hessian that the official code has by differentiating twice, for which jumps do not exist. DARTS's 1e-2 in float32
// finds mostly jumps: on a search at quick 1.20 where the eigenvalue is 0.10. In float64 steps of 1e-6 to 1e-8 agree on
// all digits.
var differenceSteps = []float64{1e-7, 1e-8, 1e-9}

// jump is how far the differences to both sides may be apart, as a share of their sum; smooth, they are by about the step.
// rounding is how far, as a share of the gradient, for its own digits.
const (
	jump     = 1e-3
	rounding = 1e-11
)

// curvature measures on the fixed batch after an epoch: nil where the configuration does not ask.
func (t *task) curvature(p run.Position) (row run.Values, err error) {
	c := t.config.Curvature
	if c == nil {
		return nil, nil
	}
	batches, err := validation(t.source, t.config, c.Batch, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, freeBatches(batches)) }()
	s, free, err := t.wideSurface(batches[0], Pass{Position: p, Half: 1})
	if err != nil {
		return nil, fmt.Errorf("curvature: %w", err)
	}
	defer func() { err = errors.Join(err, free()) }()
	found, err := s.spectrum(rand.New(rand.NewPCG(t.config.Seed^0xc0f0e, uint64(p.Epoch))), *c)
	if err != nil {
		return nil, fmt.Errorf("curvature after epoch %d: %w", p.Epoch+1, err)
	}
	return run.Values{{Name: Eigenvalue, Number: found.largest}, {Name: EigenvalueLowest, Number: found.lowest},
		{Name: EigenvalueResidual, Number: found.residual}, {Name: EigenvalueIterations, Number: float64(found.iterations)}}, nil
}

// spectrum is that of the Hessian at the surface's own parameters, from a random direction.
func (s surface) spectrum(random *rand.Rand, c CurvatureConfig) (spectrum, error) {
	at, err := s.parameters()
	if err != nil {
		return spectrum{}, err
	}
	here, err := s.gradient(at)
	if err != nil {
		return spectrum{}, err
	}
	start := make([]float64, len(at))
	for i := range start {
		start[i] = random.NormFloat64()
	}
	return ends(start, func(v []float64) ([]float64, error) { return s.product(at, here, v) }, c.Iterations, c.Tolerance)
}

// product is that of the Hessian at some parameters, where the gradient is here, with a direction v of length 1, by the
// central difference (∇L(α + rv) - ∇L(α - rv)) / 2r. Where even the smallest step crosses a jump, the residual shows it.
func (s surface) product(at, here, v []float64) (out []float64, err error) {
	for _, r := range differenceSteps {
		var sides [2][]float64
		for i, sign := range []float64{1, -1} {
			if sides[i], err = s.gradient(floats.AddScaledTo(make([]float64, len(at)), at, sign*r, v)); err != nil {
				return nil, err
			}
			floats.Sub(sides[i], here)
		}
		apart := floats.AddTo(make([]float64, len(at)), sides[0], sides[1])
		out = floats.SubTo(make([]float64, len(at)), sides[0], sides[1])
		smooth := floats.Norm(apart, 2) <= jump*floats.Norm(out, 2)+rounding*floats.Norm(here, 2)
		floats.Scale(1/(2*r), out)
		if smooth {
			break
		}
	}
	return out, nil
}

// spectrum has the ends of a symmetric matrix's spectrum, and how well they are known.
type spectrum struct {
	largest, lowest float64
	// residual is max ‖Av - λv‖ of both ends over the larger |λ|: no further, in units of that, are they from eigenvalues.
	residual   float64
	iterations int
}

// ends finds the ends of the spectrum of a symmetric matrix from its products with vectors alone. Power iteration would
// keep the last product of a sequence v, Av, A²v, ...; this takes the best vectors in the space of all of them (Lanczos,
// by Rayleigh and Ritz, every basis vector made orthogonal to all before), which costs no product more, needs far fewer
// of them, and tells two eigenvalues of opposite sign and like size apart.
func ends(start []float64, product func([]float64) ([]float64, error), iterations int, tolerance float64) (spectrum, error) {
	var basis, images [][]float64
	next, before := start, 0.0
	for {
		length := floats.Norm(next, 2)
		if length <= 1e-12*before { // only rounding is left: the space is exhausted
			return ritz(basis, images)
		}
		v := floats.ScaleTo(make([]float64, len(next)), 1/length, next)
		image, err := product(v)
		if err != nil {
			return spectrum{}, err
		}
		if !finite(image) {
			return spectrum{}, fmt.Errorf("product %d with the Hessian is not finite", len(basis)+1)
		}
		basis, images = append(basis, v), append(images, image)
		found, err := ritz(basis, images)
		if err != nil || found.residual <= tolerance || len(basis) == min(iterations, len(start)) {
			return found, err
		}
		next, before = slices.Clone(image), floats.Norm(image, 2)
		for range 2 { // once leaves the rounding of the first time
			for _, b := range basis {
				floats.AddScaled(next, -floats.Dot(b, next), b)
			}
		}
	}
}

// ritz are the ends of the spectrum within the space of an orthonormal basis, whose products with the matrix are images.
func ritz(basis, images [][]float64) (spectrum, error) {
	n := len(basis)
	if n == 0 {
		return spectrum{}, errors.New("expected a start other than 0")
	}
	small := mat.NewSymDense(n, nil)
	for i := range n {
		for k := range i + 1 {
			small.SetSym(i, k, (floats.Dot(basis[i], images[k])+floats.Dot(basis[k], images[i]))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(small, true) {
		return spectrum{}, fmt.Errorf("the eigenvalues of a symmetric matrix of %d rows were not found", n)
	}
	values := eigen.Values(nil) // ascending
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	out := spectrum{largest: values[n-1], lowest: values[0], iterations: n}
	scale := max(math.Abs(values[0]), math.Abs(values[n-1]))
	for _, k := range []int{0, n - 1} {
		rest := make([]float64, len(basis[0]))
		for i := range n {
			floats.AddScaled(rest, vectors.At(i, k), images[i])
			floats.AddScaled(rest, -values[k]*vectors.At(i, k), basis[i])
		}
		if r := floats.Norm(rest, 2); r > 0 {
			out.residual = max(out.residual, r/scale)
		}
	}
	return out, nil
}

// finite tells whether all numbers are.
func finite(list []float64) bool {
	for _, v := range list {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
