package figures

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/runs"
)

func drawZeroOneLoss(s Source) ([]Named, error) {
	hasLoss := func(r run.Result) bool {
		var config struct {
			Weight *float64 `json:"zero_one_weight"`
		}
		return json.Unmarshal(r.Spec.Config, &config) == nil && config.Weight != nil
	}
	if !slices.ContainsFunc(s.Searches, hasLoss) {
		return nil, NoData("expected a search whose configuration has a zero-one loss, found none")
	}
	var curves []plots.LossCurve
	for _, form := range []struct {
		name, formula string
		form          fairdarts.Form
	}{{"L2", "−(σ(α) − ½)²", fairdarts.L2}, {"L1", "−|σ(α) − ½|", fairdarts.L1}} {
		c := plots.LossCurve{Name: form.name, Formula: form.formula}
		const steps = 50 // to a unit of the parameter
		for i := -8 * steps; i <= 8*steps; i++ {
			a := []float64{float64(i) / steps}
			c.Alphas = append(c.Alphas, a[0])
			c.Losses = append(c.Losses, fairdarts.ZeroOneLoss(form.form, a))
			c.Gradients = append(c.Gradients, fairdarts.ZeroOneGradient(form.form, a)[0])
		}
		curves = append(curves, c)
	}
	f, err := plots.ZeroOneLoss(curves, "Zero-one loss of one parameter, unweighted, and its gradient")
	return []Named{{fairdarts.Name + "-zero-one-loss", "unweighted, from the method's own code", f}}, err
}

// ofCells tells whether a training is of a network of cells on CIFAR-10, or on a part of it, as those that FairDARTS's
// table lists.
func ofCells(r run.Result) bool {
	return r.Spec.Network != nil && r.Spec.Network.Cells != nil && slices.Contains([]string{datasets.CIFAR10Name, datasets.EmbeddedName}, r.Spec.Data.Name)
}

func drawMACs(s Source) ([]Named, error) {
	bySeries := map[string][]plots.MACsPoint{}
	for _, r := range s.Trainings {
		if ofCells(r) {
			label := r.Spec.Label()
			bySeries[label] = append(bySeries[label], plots.MACsPoint{Label: fmt.Sprintf("seed %d", r.Spec.Seed), MACs: r.Numbers.Of("multiply_adds") / 1e6, Accuracy: 100 * r.Numbers.Of("test_accuracy")})
		}
	}
	if len(bySeries) == 0 {
		return nil, NoData("expected trainings of cells from scratch on CIFAR-10, found none")
	}
	var here []plots.MACsSeries
	for _, label := range slices.Sorted(maps.Keys(bySeries)) {
		here = append(here, plots.MACsSeries{Name: runs.Title(label), Points: bySeries[label]})
	}
	published, err := publishedMACs()
	if err != nil {
		return nil, err
	}
	panels := []plots.MACsPanel{{Name: "Trained here, profile " + s.Profile, Series: here}, {Name: "As published, 600 epochs", Series: published}}
	if s.Profile == profile.Paper {
		for i := range published {
			published[i].Name += ", as published"
		}
		panels = []plots.MACsPanel{{Name: "600 epochs", Series: slices.Concat(here, published)}}
	}
	f, err := plots.MACs(panels, "Accuracy on CIFAR-10 against multiply-adds")
	return []Named{{fairdarts.Name + "-macs", "profile " + s.Profile + ", beside FairDARTS's table", f}}, err
}

// publishedMACs are the networks of FairDARTS's table, as its claims have them.
func publishedMACs() ([]plots.MACsSeries, error) {
	own, others := plots.MACsSeries{Name: "FairDARTS A to G"}, plots.MACsSeries{Name: "its baselines"}
	for _, letter := range "abcdefg" {
		p, err := printedPoint("fd-"+string(letter), "", strings.ToUpper(string(letter)))
		if err != nil {
			return nil, err
		}
		own.Points = append(own.Points, p)
	}
	for _, baseline := range []struct{ part, label string }{{"DARTS_V2 ", "DARTS"}, {"PC_DARTS ", "PC-DARTS"}, {"P_DARTS ", "P-DARTS"}} {
		p, err := printedPoint("fd-baselines", baseline.part, baseline.label)
		if err != nil {
			return nil, err
		}
		others.Points = append(others.Points, p)
	}
	return []plots.MACsSeries{own, others}, nil
}

// printedPoint has the multiply-adds and the accuracy that a claim prints, in the parts whose names begin with prefix.
func printedPoint(id, prefix, label string) (plots.MACsPoint, error) {
	p := plots.MACsPoint{Label: label}
	c, err := claims.Get(id)
	if err != nil {
		return p, err
	}
	for to, name := range map[*float64]string{&p.MACs: prefix + "multiply-adds", &p.Accuracy: prefix + "accuracy"} {
		at := slices.IndexFunc(c.Parts, func(p claims.Part) bool { return p.Name == name })
		if at < 0 {
			return p, fmt.Errorf("claim %s: expected a part called %q", id, name)
		}
		if *to, err = c.Parts[at].Number(); err != nil {
			return p, fmt.Errorf("claim %s: %s: %w", id, name, err)
		}
	}
	return p, nil
}
