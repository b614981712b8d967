// Package figures makes the data that package plots draws from the results of searches.
package figures

import (
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/plots"
)

// History is the weights of a search's operations over its epochs.
func History(r search.Result) plots.WeightHistory {
	h := plots.WeightHistory{Ops: r.Primitives, Threshold: threshold(r)}
	for _, a := range r.History {
		h.Epochs = append(h.Epochs, a.Epoch)
		h.Normal, h.Reduce = append(h.Normal, a.NormalWeights), append(h.Reduce, a.ReduceWeights)
	}
	return h
}

// Final is the weights at a search's end beside what was derived from them; without weights where it has none.
func Final(r search.Result) plots.FinalWeights {
	w := plots.FinalWeights{Ops: r.Primitives, Kept: r.Genotype, Threshold: threshold(r)}
	if n := len(r.History); n > 0 {
		w.Normal, w.Reduce = r.History[n-1].NormalWeights, r.History[n-1].ReduceWeights
	}
	return w
}

// threshold is the weight that the rule of derivation asks for, 0 where it asks for none.
func threshold(r search.Result) float64 {
	rule, after, found := strings.Cut(r.DerivedBy, ", threshold ")
	v, err := strconv.ParseFloat(after, 64)
	if !found || rule == fairdarts.MethodDARTS || err != nil || !(v > 0 && v < 1) {
		return 0
	}
	return v
}
