package oneshot

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rank"
)

// What paths are measured by on the held-out samples.
const (
	// MetricAccuracy is the share that is right.
	MetricAccuracy = "accuracy"
	// MetricMacroF1 is [rank.MacroF1]: it counts all classes alike, however many samples they have.
	MetricMacroF1 = "macro_f1"
)

// Metrics lists them.
func Metrics() []string { return []string{MetricAccuracy, MetricMacroF1} }

// metric is how a path is scored: by counts that are summed over batches.
type metric struct {
	// counts names what of counts: logits [batch, classes] and labels [batch] to float32.
	counts string
	of     func(logits, labels *graph.Node) *graph.Node
	// score makes a number from 0 to 1 of the sums over a number of samples.
	score func(counts []float64, samples int) float64
}

var (
	accuracy = metric{"correct", nn.Correct, func(counts []float64, samples int) float64 { return counts[0] / float64(samples) }}
	macroF1  = metric{"confusion", nn.Confusion, func(counts []float64, _ int) float64 {
		return rank.MacroF1(rank.FromCounts(counts, int(math.Sqrt(float64(len(counts))))))
	}}
)

func (s *Supernet) metric() metric {
	if s.config.Metric == MetricMacroF1 {
		return macroF1
	}
	return accuracy
}
