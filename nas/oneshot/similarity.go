package oneshot

import (
	"fmt"

	"gonum.org/v1/gonum/stat"

	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
)

// SimilarityTable is the table of how alike a layer's choices are in what they put out.
const SimilarityTable = "similarity"

// Between stands between the two names of a pair.
const Between = " ~ "

// Similarity looks at how alike a layer's choices are: the cosine of what they put out for the same image ([space.Paths.Similarity]), as
// a table of pairs a ~ b, and the mean over the pairs that counts takes as a number of the result.
func Similarity(p space.Paths, name string, counts func(pair [2]string) bool) Look {
	return func(s *Supernet, r *run.Result) error {
		root, pairs, err := p.Similarity()
		if err != nil {
			return err
		}
		cosines, err := s.Observe(root)
		if err != nil {
			return fmt.Errorf("comparing choices: %w", err)
		}
		t := run.Table{Name: SimilarityTable, Kind: run.Cosines, Epochs: []run.Snapshot{{Epoch: s.config.Epochs}}}
		var taken []float64
		for l, of := range pairs {
			var names []string
			row := cosines[:len(of)]
			cosines = cosines[len(of):]
			for i, pair := range of {
				names = append(names, pair[0]+Between+pair[1])
				if counts(pair) {
					taken = append(taken, row[i])
				}
			}
			t.Rows, t.Columns = append(t.Rows, fmt.Sprintf("layer %d", l)), append(t.Columns, names)
			t.Epochs[0].Values = append(t.Epochs[0].Values, row)
		}
		r.Tables = append(r.Tables, t)
		if len(taken) > 0 {
			r.Numbers = append(r.Numbers, run.Value{Name: name, Number: stat.Mean(taken, nil)})
		}
		return nil
	}
}
