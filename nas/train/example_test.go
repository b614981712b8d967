package train_test

import (
	"context"
	"fmt"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
)

// A random architecture, trained from scratch on real images by the recipe of the shortest profile.
func ExampleTrain() {
	b, err := backend.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := datasets.Open(datasets.EmbeddedName, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	drawn := train.DefaultConfig().Network(train.Random(1, space.DARTSPrimitives, 2))
	c, network, err := train.At("smoke", drawn)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := train.Train(context.Background(), train.Env{Engine: engine.New(b.Backend), Data: data}, network, c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(result.Log.Rows), "epochs,", result.Network.Cells.Cells, "cells, an accuracy on", data.Test.Len(), "images:", result.Numbers.Of(train.TestAccuracy) > 0)
	fmt.Println(arch.Nodes, "nodes,", result.Network.Cells.Genotype.Normal.Count("skip_connect"), "skips in the normal cell")
	// Output:
	// 2 epochs, 3 cells, an accuracy on 1000 images: true
	// 4 nodes, 2 skips in the normal cell
}
