package evolve

import "testing"

// BenchmarkZDT1 is a whole search of the paper's size: 25,000 evaluations.
func BenchmarkZDT1(b *testing.B) {
	p, err := LookupProblem("zdt1")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Run(b.Context(), DefaultConfig(p.Objectives...), p.Space, p, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
