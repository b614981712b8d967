package rome

// Inclusion is the chance of each edge to be one of the two that Gumbel-Top2 draws with probabilities p, which sum to 1 (the
// theorem on Gumbel-Top2): p_i + Σ_{k≠i} p_k p_i / (1 - p_k), as of two drawn without putting back.
func Inclusion(p []float64) []float64 {
	out := make([]float64, len(p))
	for i := range p {
		out[i] = p[i]
		for k := range p {
			if k == i || p[k] == 0 {
				continue
			}
			if p[k] == 1 { // the first is certain, and the second one of those that have no chance
				out[i] += 1 / float64(len(p)-1)
				continue
			}
			out[i] += p[k] * p[i] / (1 - p[k])
		}
	}
	return out
}
