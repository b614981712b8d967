package zoo_test

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/zoo"
)

func ExampleGet() {
	net, err := zoo.Get("fairnas-a")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(net.Paper, len(net.Network.Chain.Blocks), "blocks")
	// Output: 1907.01845 20 blocks
}

func ExampleNet_Params() {
	net, _ := zoo.Get("fairdarts-b")
	p, _ := net.Params()
	fmt.Println(p.All, p.WithoutHead())
	// Output: 3884304 3407878
}

func ExampleNet_MACs() {
	net, _ := zoo.Get("moga-a")
	for _, side := range []int{224, 192} {
		macs, _ := net.MACs(side)
		fmt.Println(side, macs)
	}
	// Output:
	// 224 304042176
	// 192 224312864
}

func ExampleNet_Counts() {
	net, _ := zoo.Get("noisydarts-a")
	counts, _ := net.Counts()
	fmt.Println(counts[zoo.ConventionMACs], counts[zoo.Convention4BN])
	// Output: 513871488 533999232
}

func ExampleNet_Predict() {
	net, _ := zoo.Get("nasbenchmacro-00000000")
	weights, _ := net.InitialWeights(1)
	if err := net.Use(weights); err != nil {
		fmt.Println(err)
		return
	}
	images := tensors.FromFlatDataAndDimensions(make([]float32, 2*32*32*3), 2, 32, 32, 3)
	logits, err := net.Predict(images)
	fmt.Println(len(logits), len(logits[0]), err)
	// Output: 2 10 <nil>
}
