package figures

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/plots"
)

// Of a rank correlation's interval: its level, and the bootstrap's samples.
const (
	tauLevel   = 0.95
	tauSamples = 1000
)

// Ranking is what supernets say of the same networks, beside the true accuracies of these: the first supernet that was
// measured before its training, then each after that, by its ranking's name.
func Ranking(list ...run.Result) ([]plots.RankingSeries, error) {
	if err := errors.Join(ranked(list), each(list, hasTruth)); err != nil {
		return nil, err
	}
	codes := list[0].Ranking.Codes
	truth, err := space.TrueAccuracies(list[0].Spec.Space, codes)
	if err != nil {
		return nil, fmt.Errorf("ranking: %w", err)
	}
	var out []plots.RankingSeries
	for _, s := range oneShot(list) {
		tau, err := tauOf(s.Values, truth, list[0].Spec.Seed)
		if err != nil {
			return nil, fmt.Errorf("ranking: %s: %w", s.Name, err)
		}
		out = append(out, plots.RankingSeries{Name: s.Name, OneShot: s.Values, True: truth, Networks: codes, Tau: tau})
	}
	return out, nil
}

// tauOf is nil where all one-shot accuracies are equal, and has no interval of fewer networks than that takes.
func tauOf(oneShot, truth []float64, seed uint64) (*plots.Tau, error) {
	if slices.Min(oneShot) == slices.Max(oneShot) {
		return nil, nil
	}
	value, err := rank.TauB(oneShot, truth)
	if err != nil || len(truth) < rank.MinInterval {
		return &plots.Tau{Value: value}, err
	}
	i, err := rank.TauBInterval(oneShot, truth, tauLevel, tauSamples, seed)
	return &plots.Tau{Value: value, Low: i.Low, High: i.High, Level: tauLevel}, err
}

// OneShot is the one-shot accuracies of the networks that supernets ranked, in the series of [Ranking].
func OneShot(list ...run.Result) ([]plots.Sample, error) {
	if err := ranked(list); err != nil {
		return nil, err
	}
	return oneShot(list), nil
}

func oneShot(list []run.Result) []plots.Sample {
	var out []plots.Sample
	if i := slices.IndexFunc(list, func(r run.Result) bool { return len(r.Ranking.Untrained) > 0 }); i >= 0 {
		out = append(out, plots.Sample{Name: "untrained", Values: percent(list[i].Ranking.Untrained)})
	}
	called := supernetNames(list)
	for i, r := range list {
		out = append(out, plots.Sample{Name: called[i], Values: percent(r.Ranking.Trained)})
	}
	return out
}

// supernetNames are the names of supernets in one figure: how they were trained where their rankings say so, else what
// their runs are called.
func supernetNames(list []run.Result) []string {
	ranking := func(r run.Result) string {
		if r.Ranking == nil {
			return ""
		}
		return r.Ranking.Name
	}
	return names(list, ranking, title, titleAndSeed)
}

// ranked wants searches that ranked the same networks.
func ranked(list []run.Result) error {
	if err := each(list, hasRanking); err != nil {
		return err
	}
	for _, r := range list {
		if r.Spec.Space != list[0].Spec.Space || !slices.Equal(r.Ranking.Codes, list[0].Ranking.Codes) {
			return fmt.Errorf("%s: expected the networks that %s ranked, found others", name(r), name(list[0]))
		}
	}
	return nil
}

// each wants at least one result, and of each what has asks for.
func each(list []run.Result, has func(run.Result) error) error {
	if len(list) == 0 {
		return fmt.Errorf("expected at least one search, got none")
	}
	for _, r := range list {
		if err := has(r); err != nil {
			return fmt.Errorf("%s: %w", name(r), err)
		}
	}
	return nil
}

func hasRanking(r run.Result) error {
	if r.Ranking == nil || len(r.Ranking.Trained) == 0 {
		return NoData("expected networks that it ranked, found none")
	}
	return nil
}

// hasTruth wants a ranking of networks whose true accuracies are known.
func hasTruth(r run.Result) error {
	if err := hasRanking(r); err != nil {
		return err
	}
	if !space.HasTruth(r.Spec.Space) {
		return NoData(fmt.Sprintf("the true accuracies of the networks of %s are not known", r.Spec.Space))
	}
	return nil
}

func hasUpdates(r run.Result) error {
	_, err := counts(r)
	return err
}

// counts is the first table of counts.
func counts(r run.Result) (run.Table, error) {
	i := slices.IndexFunc(r.Tables, func(t run.Table) bool { return t.Kind == run.Counts && len(t.Epochs) > 0 })
	if i < 0 {
		return run.Table{}, NoData("expected a table of how often each block of a supernet was trained, found none")
	}
	return r.Tables[i], nil
}

func hasRanges(r run.Result) error {
	for _, column := range []string{"train_accuracy", "lowest", "highest"} {
		if r.Log.Column(column) == nil {
			return NoData(fmt.Sprintf("expected a log with the accuracies of a supernet's paths, found no column %s", column))
		}
	}
	return nil
}

// Updates is how often supernets trained each block, named as in [Ranking].
func Updates(list ...run.Result) ([]plots.Updates, error) {
	if err := each(list, hasUpdates); err != nil {
		return nil, err
	}
	called := supernetNames(list)
	var out []plots.Updates
	for i, r := range list {
		t, err := counts(r)
		if err != nil {
			return nil, err
		}
		u := plots.Updates{Name: called[i]}
		for _, row := range t.Last().Values {
			whole := make([]int, len(row))
			for k, n := range row {
				whole[k] = int(n)
			}
			u.Counts = append(u.Counts, whole)
		}
		out = append(out, u)
	}
	return out, nil
}

// DrawUpdates draws what [Updates] takes, the choices by number.
func DrawUpdates(series []plots.Updates, title string) (plots.Figure, error) {
	return plots.UpdateCounts(series, nil, title)
}

// Ranges is the training accuracy of supernets' paths on batches, named as in [Ranking].
func Ranges(list ...run.Result) ([]plots.AccuracySeries, error) {
	if err := each(list, hasRanges); err != nil {
		return nil, err
	}
	called := supernetNames(list)
	var out []plots.AccuracySeries
	for i, r := range list {
		out = append(out, plots.AccuracySeries{Name: called[i], Epochs: epochs(r.Log), Mean: percent(r.Log.Column("train_accuracy")),
			Lowest: percent(r.Log.Column("lowest")), Highest: percent(r.Log.Column("highest"))})
	}
	return out, nil
}

// Similarities are the cosines of a supernet's choices, layer by layer.
func Similarities(r run.Result) (out []plots.SimilarityMatrix, err error) {
	t, ok := r.Table(oneshot.SimilarityTable)
	if !ok || t.Kind != run.Cosines {
		return nil, NoData("expected a supernet whose choices were compared, found none")
	}
	for l, row := range t.Last().Values {
		m := plots.SimilarityMatrix{Name: t.Rows[l]}
		cosines := map[[2]string]float64{}
		for i, pair := range t.Ops(l) {
			a, b, ok := strings.Cut(pair, oneshot.Between)
			if !ok {
				return nil, fmt.Errorf("table %s: %s: expected the names of a pair, got %q", t.Name, t.Rows[l], pair)
			}
			for _, name := range []string{a, b} {
				if !slices.Contains(m.Choices, name) {
					m.Choices = append(m.Choices, name)
				}
			}
			cosines[[2]string{a, b}], cosines[[2]string{b, a}] = row[i], row[i]
		}
		if m.Choices == nil { // a layer of one choice
			continue
		}
		for _, a := range m.Choices {
			of := make([]float64, len(m.Choices))
			for k, b := range m.Choices {
				of[k] = cosines[[2]string{a, b}]
				if a == b {
					of[k] = 1
				}
			}
			m.Cosines = append(m.Cosines, of)
		}
		out = append(out, m)
	}
	return out, nil
}

func drawSimilarity(r run.Result, title string) (plots.Figure, error) {
	layers, err := Similarities(r)
	if err != nil {
		return plots.Figure{}, err
	}
	return plots.Similarities(layers, title)
}

// Front is the first fronts of an evolutionary search, its objectives in their units.
func Front(r run.Result) (plots.Evolution, error) {
	f := r.Front
	if f == nil {
		return plots.Evolution{}, NoData("expected an evolutionary search, found none")
	}
	var e plots.Evolution
	for _, o := range f.Objectives {
		if !(o.Scale > 0) {
			return e, fmt.Errorf("front: objective %s: scale: expected more than 0, got %g", o.Name, o.Scale)
		}
		e.Objectives = append(e.Objectives, plots.Objective{Name: o.Label(), Maximise: o.Direction == evolve.Maximise})
	}
	scaled := func(values []float64) ([]float64, error) {
		if len(values) != len(f.Objectives) {
			return nil, fmt.Errorf("front: expected a value for each of %d objectives, got %d", len(f.Objectives), len(values))
		}
		out := make([]float64, len(values))
		for i, x := range values {
			out[i] = x * f.Objectives[i].Scale
		}
		return out, nil
	}
	for _, g := range f.Generations {
		front := plots.Front{Generation: g.Generation}
		for _, values := range g.Front {
			v, err := scaled(values)
			if err != nil {
				return e, fmt.Errorf("generation %d: %w", g.Generation, err)
			}
			front.Values = append(front.Values, v)
		}
		e.Fronts = append(e.Fronts, front)
	}
	best := f.Best()
	v, err := scaled(best.Values)
	e.Chosen = []plots.Choice{{Name: best.Code, Values: v}}
	return e, err
}

func drawPareto(r run.Result, title string) (plots.Figure, error) {
	e, err := Front(r)
	if err != nil {
		return plots.Figure{}, err
	}
	if len(e.Objectives) < 2 {
		return plots.Figure{}, NoData("expected an evolutionary search for at least two objectives, found one for a single one")
	}
	return plots.Pareto(e, title)
}

// percent is the values times 100.
func percent(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = 100 * x
	}
	return out
}
