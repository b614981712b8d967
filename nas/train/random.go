package train

import (
	"math/rand/v2"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/nn"
)

// AnySkips lets [Random] draw skip connections like every other operation.
const AnySkips = -1

// Random draws an architecture of DARTS's style: each node takes two distinct states before it, each with an
// operation drawn uniformly from the primitives other than none. With skips of 0 or more the normal cell has exactly
// so many skip connections, on edges drawn uniformly, and the other operations on the rest: FairDARTS's control. The
// result depends on the arguments alone. Primitives that leave nothing to draw, and more skips than the cell has
// edges, give the zero Genotype, which Validate refuses.
func Random(seed uint64, primitives []string, skips int) arch.Genotype {
	ops := slices.DeleteFunc(slices.Clone(primitives), func(p string) bool { return p == nn.None })
	others := slices.DeleteFunc(slices.Clone(ops), func(p string) bool { return p == nn.SkipConnect })
	const edges = 2 * arch.Nodes
	if len(ops) == 0 || skips > edges || skips >= 0 && skips < edges && len(others) == 0 {
		return arch.Genotype{}
	}
	r := rand.New(rand.NewPCG(seed, 0x7a2d06))
	cell := func(skips int) arch.Cell {
		var c arch.Cell
		for to := 2; to < 2+arch.Nodes; to++ {
			for _, from := range r.Perm(to)[:2] {
				c.Edges = append(c.Edges, arch.Edge{From: from, To: to})
			}
			c.Concat = append(c.Concat, to)
		}
		pool := ops
		if skips >= 0 {
			pool = others
			for _, i := range r.Perm(edges)[:skips] {
				c.Edges[i].Op = nn.SkipConnect
			}
		}
		for i := range c.Edges {
			if c.Edges[i].Op == "" {
				c.Edges[i].Op = pool[r.IntN(len(pool))]
			}
		}
		return c
	}
	return arch.Genotype{Style: arch.StyleDARTS, Normal: cell(skips), Reduce: cell(AnySkips)}
}
