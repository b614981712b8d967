package run

import "fmt"

// ROC is how words are detected, each by itself, over all thresholds of its probability: the share of its clips that are
// rejected, where no more than a share of all other clips raises a false alarm, as a mean over words at each rate of alarms.
type ROC struct {
	// Words is the number of words that the mean is over.
	Words int `json:"words"`
	// FalseAlarms are rates from 0 to 1, rising; FalseRejects the mean rates of false rejects there.
	FalseAlarms  []float64 `json:"false_alarms"`
	FalseRejects []float64 `json:"false_rejects"`
}

// Area is that under false rejects over false alarms: 0 is perfect, one half is chance.
func (r ROC) Area() float64 {
	area := 0.0
	for i := 1; i < len(r.FalseAlarms); i++ {
		area += (r.FalseAlarms[i] - r.FalseAlarms[i-1]) * (r.FalseRejects[i] + r.FalseRejects[i-1]) / 2
	}
	return area
}

// Validate reports the first thing that does not fit together.
func (r ROC) Validate() error {
	if r.Words < 1 || len(r.FalseAlarms) < 2 || len(r.FalseRejects) != len(r.FalseAlarms) {
		return fmt.Errorf("roc: expected at least one word and two rates of false alarms, and as many of false rejects, got %d, %d and %d", r.Words, len(r.FalseAlarms), len(r.FalseRejects))
	}
	for i := range r.FalseAlarms {
		for what, v := range map[string]float64{"false_alarms": r.FalseAlarms[i], "false_rejects": r.FalseRejects[i]} {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("roc: %s[%d]: expected 0 to 1, got %g", what, i, v)
			}
		}
		if i > 0 && (r.FalseAlarms[i] <= r.FalseAlarms[i-1] || r.FalseRejects[i] > r.FalseRejects[i-1]) {
			return fmt.Errorf("roc: rate %d: expected false alarms to rise and false rejects not to", i)
		}
	}
	return nil
}
