package darts_test

import (
	"context"
	"fmt"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
)

// A search on real images, made small enough to take seconds.
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
	c := darts.DefaultConfig()
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch, c.Granularity = 2, 2, "edge"
	env := method.Env{Engine: engine.New(b.Backend), Train: images.Source()}
	result, err := diff.Search(context.Background(), env, c.Config, darts.Search(&c))
	if err != nil {
		fmt.Println(err)
		return
	}
	alphas, _ := result.Table("normal")
	fmt.Println(result.Numbers.Of("steps"), "steps,", len(alphas.Epochs), "snapshots of alpha,", len(result.Genotype.Normal.Edges), "edges in a cell")
	// Output: 4 steps, 3 snapshots of alpha, 8 edges in a cell
}
