package oneshot_test

import (
	"context"
	"fmt"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/space"
)

// A supernet of paths, trained for a moment and searched over accuracy and multiply-adds.
func ExampleSearch() {
	b, err := backend.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	images, _, err := datasets.Embedded()
	if err != nil {
		fmt.Println(err)
		return
	}
	c := oneshot.Config{
		Common:   method.Common{Space: space.NASBenchMacroName, Image: 8, Epochs: 2, StepsPerEpoch: 2, Batch: 4, Granularity: "edge"},
		Sampling: oneshot.Strict, Weights: method.WeightsConfig{LearningRate: 0.02, Momentum: 0.9},
		Holdout: 0.1, Recalibrate: 8, Measure: 16,
		Evolution: &oneshot.EvolutionConfig{Population: 4, Generations: 2, Params: evolve.Minimise},
	}
	e := engine.New(b.Backend)
	p, err := c.Paths(images.Classes)
	if err != nil {
		fmt.Println(err)
		return
	}
	costs, err := oneshot.CountPaths(e, p)
	if err != nil {
		fmt.Println(err)
		return
	}
	env := method.Env{Engine: e, Train: images.Source()}
	r, err := oneshot.Search(context.Background(), env, p, c, []oneshot.Objective{oneshot.Accuracy(), costs.MACs()}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	updates, _ := r.Table("updates")
	fmt.Println("each choice of a layer trained", updates.Last().Values[0], "times,", r.Front.Evaluations, "paths measured")
	// Output: each choice of a layer trained [4 4 4] times, 8 paths measured
}
