package fairdarts_test

import (
	"context"
	"fmt"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/method"
)

// A search on real images, made small enough to take seconds; so few steps need no threshold.
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
	c := fairdarts.DefaultConfig()
	c.Size.Cells, c.Size.Channels, c.Image, c.Batch = 3, 4, 8, 8
	c.Epochs, c.StepsPerEpoch, c.Granularity = 2, 2, "edge"
	c.Discretisation = fairdarts.MethodDARTS
	env := method.Env{Engine: engine.New(b.Backend), Train: images.Source()}
	result, err := diff.Search(context.Background(), env, c.Config, fairdarts.Search(&c))
	if err != nil {
		fmt.Println(err)
		return
	}
	sigmoids, _ := result.Table("normal")
	fmt.Printf("%g steps, weights start at %.1f, derived by %s\n", result.Numbers.Of("steps"), sigmoids.Epochs[0].Weights[0][0], result.DerivedBy)
	// Output: 4 steps, weights start at 0.5, derived by darts, threshold 0.85
}

// The zero-one loss is 0 where all weights are one half and lowest where all are decided.
func ExampleZeroOneLoss() {
	fmt.Println(fairdarts.ZeroOneLoss(fairdarts.L2, []float64{0, 0, 0}) == 0)
	fmt.Printf("%.2f\n", fairdarts.ZeroOneLoss(fairdarts.L2, []float64{-100, 100, 100}))
	// Output:
	// true
	// -0.25
}
