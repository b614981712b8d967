package fairdarts

import "math"

// Form is the shape of the zero-one loss.
type Form string

const (
	// L2 is -mean((s-1/2)²), the paper's loss.
	L2 Form = "l2"
	// L1 is -mean(|s-1/2|), the paper's variant, whose gradient does not vanish at 1/2.
	L1 Form = "l1"
)

// DefaultLossWeight multiplies the zero-one loss (w01 of the paper).
const DefaultLossWeight = 10.0

// Sigmoid is the weight of an operation with parameter alpha.
func Sigmoid(alpha float64) float64 {
	if alpha >= 0 {
		return 1 / (1 + math.Exp(-alpha))
	}
	e := math.Exp(alpha) // the other form overflows for large negative alpha
	return e / (1 + e)
}

// ZeroOneLoss is the loss, unweighted, of all architecture parameters of a search together (both cells' tables, any
// order): lowest where every sigmoid is 0 or 1. No parameters give 0.
func ZeroOneLoss(form Form, alphas []float64) float64 {
	sum := 0.0
	for _, a := range alphas {
		d := Sigmoid(a) - 0.5
		if form == L1 {
			sum += math.Abs(d)
		} else {
			sum += d * d
		}
	}
	if sum == 0 {
		return 0
	}
	return -sum / float64(len(alphas))
}

// ZeroOneGradient is the gradient of ZeroOneLoss with respect to alphas: -(2/N)(s-1/2)s(1-s) in the L2 form,
// -(1/N)sign(s-1/2)s(1-s) in the L1 form (0 at s = 1/2).
func ZeroOneGradient(form Form, alphas []float64) []float64 {
	out := make([]float64, len(alphas))
	for i, a := range alphas {
		s := Sigmoid(a)
		d := s - 0.5
		g := 2 * d
		if form == L1 {
			switch {
			case d > 0:
				g = 1
			case d < 0:
				g = -1
			default:
				g = 0
			}
		}
		// Sigmoid(-a) is 1-s without the cancellation near s = 1.
		out[i] = -g * s * Sigmoid(-a) / float64(len(alphas))
	}
	return out
}

// Flatten joins the tables of a search, [edges][primitives] each, into one list.
func Flatten(tables ...[][]float64) []float64 {
	var out []float64
	for _, t := range tables {
		for _, row := range t {
			out = append(out, row...)
		}
	}
	return out
}
