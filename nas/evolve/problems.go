package evolve

import (
	"context"
	"fmt"
	"math"
)

// Problem is a reference problem whose Pareto front is known. Both or all three of its objectives are minimised.
type Problem struct {
	Name       string
	Space      Box
	Objectives []Objective
	// Values are the objectives of x, which has as many variables as the space.
	Values func(x []float64) []float64
	// Front has at least n points of the Pareto front, evenly over its first objective, or over the simplex that the
	// sphere of DTLZ2 is seen through.
	Front func(n int) [][]float64
	// Reference is the point that hypervolumes are taken to, 1.1 in every objective; Hypervolume that of the whole front.
	Reference   []float64
	Hypervolume float64
}

// Evaluate makes a problem its own Evaluator.
func (p Problem) Evaluate(_ context.Context, genomes [][]float64) ([]Measured, error) {
	measured := make([]Measured, len(genomes))
	for i, x := range genomes {
		if len(x) != len(p.Space.Low) {
			return nil, fmt.Errorf("%s: expected %d variables, got %d", p.Name, len(p.Space.Low), len(x))
		}
		measured[i].Values = p.Values(x)
	}
	return measured, nil
}

// Problems are ZDT1 to 3 with 30 variables (Zitzler, Deb and Thiele 2000) and DTLZ2 with 12 variables and 3 objectives
// (Deb, Thiele, Laumanns and Zitzler 2002).
func Problems() []Problem {
	return []Problem{
		zdt("zdt1", func(f1, g float64) float64 { return g * (1 - math.Sqrt(f1/g)) }, [][2]float64{{0, 1}}, 0.11+0.1+2./3),
		zdt("zdt2", func(f1, g float64) float64 { return g * (1 - f1/g*f1/g) }, [][2]float64{{0, 1}}, 0.11+0.1+1./3),
		zdt("zdt3", zdt3, zdt3Segments, zdt3Hypervolume()),
		dtlz2(),
	}
}

// LookupProblem is the problem of that name.
func LookupProblem(name string) (Problem, error) {
	var names []string
	for _, p := range Problems() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Problem{}, fmt.Errorf("problem: expected one of %v, got %q", names, name)
}

func minimised(names ...string) (objectives []Objective, reference []float64) {
	for _, name := range names {
		objectives, reference = append(objectives, Objective{Name: name, Direction: Minimise}), append(reference, 1.1)
	}
	return objectives, reference
}

// zdt is a problem f1 = x1, f2 = second(f1, g) with g = 1 + 9 mean(x2..xn), whose front has g = 1 and f1 in segments.
func zdt(name string, second func(f1, g float64) float64, segments [][2]float64, hypervolume float64) Problem {
	p := Problem{Name: name, Space: DefaultBox(30, 0, 1), Hypervolume: hypervolume}
	p.Objectives, p.Reference = minimised("f1", "f2")
	p.Values = func(x []float64) []float64 {
		sum := 0.0
		for _, v := range x[1:] {
			sum += v
		}
		return []float64{x[0], second(x[0], 1+9*sum/float64(len(x)-1))}
	}
	p.Front = func(n int) [][]float64 {
		length := 0.0
		for _, s := range segments {
			length += s[1] - s[0]
		}
		var front [][]float64
		for _, s := range segments {
			points := max(2, int(math.Ceil(float64(n)*(s[1]-s[0])/length)))
			for i := range points {
				f1 := s[0] + (s[1]-s[0])*float64(i)/float64(points-1)
				front = append(front, []float64{f1, second(f1, 1)})
			}
		}
		return front
	}
	return p
}

func zdt3(f1, g float64) float64 {
	return g * (1 - math.Sqrt(f1/g) - f1/g*math.Sin(10*math.Pi*f1))
}

// zdt3Segments are the parts of ZDT3's front: each ends where f2 has a minimum, and the next begins where f2 falls below
// that.
var zdt3Segments = [][2]float64{
	{0, 0.0830015349}, {0.1822287280, 0.2577623634}, {0.4093136748, 0.4538821041},
	{0.6183967944, 0.6525117038}, {0.8233317983, 0.8518328654},
}

// zdt3Hypervolume integrates the height between f2 and 1.1: below a segment by the antiderivative of f2, between segments
// and behind the last as a rectangle over the least f2 so far.
func zdt3Hypervolume() float64 {
	integral := func(x float64) float64 {
		const a = 10 * math.Pi
		return x - 2./3*math.Pow(x, 1.5) - (math.Sin(a*x)/(a*a) - x*math.Cos(a*x)/a)
	}
	volume := 0.0
	for i, s := range zdt3Segments {
		end := 1.1
		if i+1 < len(zdt3Segments) {
			end = zdt3Segments[i+1][0]
		}
		volume += 1.1*(s[1]-s[0]) - (integral(s[1]) - integral(s[0])) + (1.1-zdt3(s[1], 1))*(end-s[1])
	}
	return volume
}

// dtlz2 has the octant of the unit sphere as its front; the box to the reference less the octant of the ball is dominated.
func dtlz2() Problem {
	p := Problem{Name: "dtlz2", Space: DefaultBox(12, 0, 1), Hypervolume: 1.1*1.1*1.1 - math.Pi/6}
	p.Objectives, p.Reference = minimised("f1", "f2", "f3")
	p.Values = func(x []float64) []float64 {
		radius := 1.0
		for _, v := range x[2:] {
			radius += (v - 0.5) * (v - 0.5)
		}
		sin1, cos1 := math.Sincos(x[0] * math.Pi / 2)
		sin2, cos2 := math.Sincos(x[1] * math.Pi / 2)
		return []float64{radius * cos1 * cos2, radius * cos1 * sin2, radius * sin1}
	}
	p.Front = func(n int) [][]float64 {
		parts := 1
		for (parts+1)*(parts+2)/2 < n {
			parts++
		}
		var front [][]float64
		for i := range parts + 1 {
			for j := range parts + 1 - i {
				a, b, c := float64(i), float64(j), float64(parts-i-j)
				norm := math.Sqrt(a*a + b*b + c*c)
				front = append(front, []float64{a / norm, b / norm, c / norm})
			}
		}
		return front
	}
	return p
}
