package darts_test

import (
	"context"
	"fmt"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/search"
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
	c.Profile = "example"
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch, c.Granularity = 2, 2, "edge"
	result, err := darts.Search(context.Background(), engine.New(b.Backend), images, c, search.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Steps, "steps,", len(result.History), "snapshots of alpha,", len(result.Genotype.Normal.Edges), "edges in a cell")
	// Output: 4 steps, 3 snapshots of alpha, 8 edges in a cell
}
