package fairnas

import "math"

// EqualProbability is the paper's lemma: drawing one of m choices uniformly n times, the probability that all are drawn
// equally often, n! / ((n/m)!^m m^n); 0 where m does not divide n. It falls to 0 as n grows, so that uniform sampling
// trains unevenly almost surely.
func EqualProbability(n, m int) float64 {
	if m < 1 || n < 0 || n%m != 0 {
		return 0
	}
	all, _ := math.Lgamma(float64(n + 1))
	each, _ := math.Lgamma(float64(n/m + 1))
	return math.Exp(all - float64(m)*each - float64(n)*math.Log(float64(m)))
}

// EqualProbabilityLimit is Stirling's approximation of [EqualProbability] for large n: sqrt(m) (m/(2πn))^((m-1)/2).
func EqualProbabilityLimit(n, m int) float64 {
	return math.Sqrt(float64(m)) * math.Pow(float64(m)/(2*math.Pi*float64(n)), float64(m-1)/2)
}
