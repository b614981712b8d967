package figures

import (
	"fmt"
	"slices"

	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/plots"
)

// Of a rank correlation's interval: its level, and the bootstrap's samples.
const (
	tauLevel   = 0.95
	tauSamples = 1000
)

// Ranking is what single-path supernets say of the same networks, beside the true accuracies of these: the first supernet
// that was measured before its training, then each after that, by its way of sampling.
func Ranking(list ...search.Result) ([]plots.RankingSeries, error) {
	if err := ranked(list); err != nil {
		return nil, err
	}
	codes := list[0].Ranking.Codes
	truth, err := fairnas.TrueAccuracies(codes)
	if err != nil {
		return nil, fmt.Errorf("ranking: %w", err)
	}
	var out []plots.RankingSeries
	for _, s := range oneShot(list) {
		tau, err := tauOf(s.Values, truth, list[0].Seed)
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
func OneShot(list ...search.Result) ([]plots.Sample, error) {
	if err := ranked(list); err != nil {
		return nil, err
	}
	return oneShot(list), nil
}

func oneShot(list []search.Result) []plots.Sample {
	var out []plots.Sample
	if i := slices.IndexFunc(list, func(r search.Result) bool { return len(r.Ranking.Untrained) > 0 }); i >= 0 {
		out = append(out, plots.Sample{Name: "untrained", Values: percent(list[i].Ranking.Untrained)})
	}
	for _, r := range list {
		out = append(out, plots.Sample{Name: r.Supernet.Sampling, Values: percent(r.Ranking.Trained)})
	}
	return out
}

// ranked wants supernets that ranked the same networks.
func ranked(list []search.Result) error {
	if err := supernets(list); err != nil {
		return err
	}
	for _, r := range list {
		if r.Ranking == nil || len(r.Ranking.Trained) == 0 {
			return fmt.Errorf("%s: expected networks that it ranked, found none", name(r))
		}
		if !slices.Equal(r.Ranking.Codes, list[0].Ranking.Codes) {
			return fmt.Errorf("%s: expected the networks that %s ranked, found others", name(r), name(list[0]))
		}
	}
	return nil
}

// supernets wants at least one, and no search over cells.
func supernets(list []search.Result) error {
	if len(list) == 0 {
		return fmt.Errorf("expected at least one search over a single-path supernet, got none")
	}
	for _, r := range list {
		if r.Supernet == nil {
			return fmt.Errorf("%s: expected a search over a single-path supernet, found one over cells", name(r))
		}
	}
	return nil
}

// name tells a result from others in errors.
func name(r search.Result) string {
	s := fmt.Sprintf("%s, profile %s, seed %d", r.Method, r.Profile, r.Seed)
	if r.Supernet != nil {
		s += ", sampling " + r.Supernet.Sampling
	}
	return s
}

// Updates is how often supernets trained each block, by their ways of sampling.
func Updates(list ...search.Result) ([]plots.Updates, error) {
	if err := supernets(list); err != nil {
		return nil, err
	}
	var out []plots.Updates
	for _, r := range list {
		out = append(out, plots.Updates{Name: r.Supernet.Sampling, Counts: r.Supernet.Updates})
	}
	return out, nil
}

// Ranges is the training accuracy of supernets' paths on batches, by their ways of sampling.
func Ranges(list ...search.Result) ([]plots.AccuracySeries, error) {
	if err := supernets(list); err != nil {
		return nil, err
	}
	var out []plots.AccuracySeries
	for _, r := range list {
		s := plots.AccuracySeries{Name: r.Supernet.Sampling}
		for _, e := range r.Supernet.Epochs {
			s.Epochs = append(s.Epochs, e.Epoch)
			s.Mean, s.Lowest, s.Highest = append(s.Mean, 100*e.TrainAccuracy), append(s.Lowest, 100*e.Lowest), append(s.Highest, 100*e.Highest)
		}
		out = append(out, s)
	}
	return out, nil
}

// Supernets draws what a function of this package takes from supernets.
func Supernets[S any](list []search.Result, title string, data func(...search.Result) (S, error), draw func(S, string) (plots.Figure, error)) (plots.Figure, error) {
	d, err := data(list...)
	if err != nil {
		return plots.Figure{}, err
	}
	return draw(d, title)
}

// DrawUpdates draws what [Updates] takes, the choices by number.
func DrawUpdates(series []plots.Updates, title string) (plots.Figure, error) {
	return plots.UpdateCounts(series, nil, title)
}

// Evolution is the first fronts of an evolutionary search over a supernet, in percent and millions.
func Evolution(r search.Result) (plots.Evolution, error) {
	v := r.Evolution
	if v == nil {
		return plots.Evolution{}, fmt.Errorf("%s: expected an evolutionary search over a supernet, found none", name(r))
	}
	units := []struct {
		name  string
		scale float64
	}{{", %", 100}, {", M", 1e-6}, {", M", 1e-6}}
	if len(v.Objectives) != len(units) {
		return plots.Evolution{}, fmt.Errorf("%s: evolution: expected %d objectives, got %d", name(r), len(units), len(v.Objectives))
	}
	var e plots.Evolution
	for i, o := range v.Objectives {
		e.Objectives = append(e.Objectives, plots.Objective{Name: o.Name + units[i].name, Maximise: o.Direction == evolve.Maximise})
	}
	scaled := func(values []float64) []float64 {
		out := make([]float64, len(values))
		for i, x := range values[:min(len(values), len(units))] {
			out[i] = x * units[i].scale
		}
		return out
	}
	for _, g := range v.Generations {
		f := plots.Front{Generation: g.Generation}
		for _, values := range g.Front {
			f.Values = append(f.Values, scaled(values))
		}
		e.Fronts = append(e.Fronts, f)
	}
	c := v.Chosen
	e.Chosen = []plots.Choice{{Name: c.Code, Values: scaled([]float64{c.Accuracy, float64(c.MACs), float64(c.Params)})}}
	return e, nil
}

// percent is the values times 100.
func percent(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = 100 * x
	}
	return out
}
