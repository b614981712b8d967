package diff_test

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/method"
)

// DARTS with a sharper softmax, on real images, made small enough to take seconds.
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
	m := diff.DARTS()
	m.Name = "sharp"
	m.Relax = func(_ int, alpha *graph.Node, _ []*graph.Node) *graph.Node {
		return graph.Softmax(graph.DivScalar(alpha, 0.25), -1)
	}
	c := diff.DefaultConfig()
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch = 2, 2
	env := method.Env{Engine: engine.New(b.Backend), Train: images.Source()}
	result, err := diff.Search(context.Background(), env, c, m)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(result.Log.Rows), "epochs,", len(result.Genotype.Normal.Edges), "edges in a cell, derived by", result.DerivedBy)
	// Output: 2 epochs, 8 edges in a cell, derived by two edges a node
}
