package nb_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/notebooks/nb"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro"
)

// temporary keeps an example's folders out of the working folder.
func temporary() (dir string, clean func()) {
	dir = nb.Must(os.MkdirTemp("", "nb"))
	nb.Check(os.Setenv(nb.EnvRuns, dir))
	return dir, func() {
		os.Unsetenv(nb.EnvRuns)
		os.RemoveAll(dir)
	}
}

// printed is what f prints.
func printed(f func()) string {
	r, w, err := os.Pipe()
	nb.Check(err)
	stdout := os.Stdout
	os.Stdout = w
	f()
	os.Stdout = stdout
	nb.Check(w.Close())
	return string(nb.Must(io.ReadAll(r)))
}

// small makes a run of a few seconds one of a moment.
var small = nb.Set(`{"epochs": 1, "steps_per_epoch": 1}`)

var cell = arch.Cell{Edges: []arch.Edge{{Op: "max_pool_3x3", From: 1, To: 2}}, Concat: []int{2}}

func ExampleOpen() {
	e := nb.Must(nb.Open())
	fmt.Println(e.DType())
	// Output: Float32
}

func ExampleMust() {
	dir, clean := temporary()
	defer clean()
	fmt.Println(len(nb.Must(os.ReadDir(dir))))
	// Output: 0
}

func ExampleCheck() {
	nb.Check(nil) // an error would end the program here
	// Output:
}

// A notebook says how much it does; its test says less.
func ExampleParam() {
	nb.Check(os.Setenv("GONAS_NB_STEPS", "2"))
	defer os.Unsetenv("GONAS_NB_STEPS")
	fmt.Println(nb.Param("steps", 500), nb.Param("rate", 0.1))
	// Output: 2 0.1
}

func ExampleFigure() {
	nb.Figure(plots.Cell(cell, "My cell"))
	// Output:
	// figure: My cell
	// Graph of a cell: max_pool_3x3 from c_{k-1} to 0; c_{k} concatenates 0.
}

func ExampleCells() {
	nb.Cells(arch.Genotype{Style: arch.StyleThreshold, Normal: cell, Reduce: cell}, "What was found")
	// Output:
	// figure: What was found
	// Graphs of two cells. Normal cell: max_pool_3x3 from c_{k-1} to 0; c_{k} concatenates 0. Reduction cell: max_pool_3x3 from c_{k-1} to 0; c_{k} concatenates 0.
}

// A short search may keep nothing.
func ExampleCells_nothing() {
	nb.Cells(arch.Genotype{Style: arch.StyleThreshold}, "What was found")
	// Output: What was found: nothing was kept in either cell
}

func ExampleImages() {
	// Two images of 2×2 grey pixels.
	nb.Images([]float32{0, 1, 1, 0, -1, -1, 1, 1}, [4]int{2, 2, 2, 1}, []string{"diagonal", "stripes"}, 2)
	// Output: 2 images of 2×2×1: diagonal, stripes
}

func ExampleExamples() {
	nb.Examples(nb.Must(nb.Data()).Train, 3, 3)
	// Output: 3 images of 32×32×3: frog, truck, truck
}

func ExampleData() {
	data := nb.Must(nb.Data())
	fmt.Println(data.Train.Len(), data.Test.Len())
	// Output: 4000 1000
}

func ExampleAudio() {
	nb.Audio([]float32{0, 0.5, 0, -0.5}, 4)
	// Output: audio: 1.00 s at 4 Hz, peak 0.5
}

func ExampleTable() {
	nb.Table([]string{"method", "seed", "accuracy"}, [][]any{{"darts", 0, 0.51234}, {"fairdarts", 10, 0.5}})
	// Output:
	// method     seed  accuracy
	// ---------  ----  --------
	// darts         0    0.5123
	// fairdarts    10       0.5
}

func ExampleMarkdown() {
	nb.Markdown("The loss is $-(\\sigma(\\alpha) - 0.5)^2$, weighted by %d.", 10)
	// Output: The loss is $-(\sigma(\alpha) - 0.5)^2$, weighted by 10.
}

func ExampleVerdict() {
	dir, clean := temporary()
	defer clean()
	// Without any run only arithmetic can be decided.
	nb.Must(repro.Decide(dir, profile.Quick))
	nb.Verdict(dir, "akws-8x")
	// Output:
	// reproduced: akws-8x (autokws, arXiv 2009.03658, text): ratio of parameters, NAS2 to NoisyDARTS-TC14
	// the paper prints  measured (95 % interval)
	// ----------------  ------------------------
	// 8 x               8.12844 x
	// profile quick (reduced: at best consistent with the paper)
	// ratio of the printed parameters is 8.12844
}

func ExampleClaims() {
	dir, clean := temporary()
	defer clean()
	nb.Must(repro.Decide(dir, profile.Quick))
	for line := range strings.Lines(printed(func() { nb.Claims(dir, "autokws") })) {
		if strings.HasPrefix(line, "claim ") || strings.HasPrefix(line, "akws-8x") {
			fmt.Print(line)
		}
	}
	// Output:
	// claim                                             status          the paper prints   measured (95 % interval), profile quick
	// akws-8x                                           reproduced      8 x                8.12844 x
}

// The work is done by the first cell that asks for it.
func ExampleCached() {
	_, clean := temporary()
	defer clean()
	config := map[string]int{"steps": 3}
	for range 2 {
		dir := nb.Must(nb.Cached("count", config, func(dir string) error {
			fmt.Println("working")
			return os.WriteFile(filepath.Join(dir, "count.txt"), []byte("3"), 0o600)
		}))
		fmt.Println(string(nb.Must(os.ReadFile(filepath.Join(dir, "count.txt")))))
	}
	// Output:
	// working
	// 3
	// 3
}

func ExampleCachedValue() {
	_, clean := temporary()
	defer clean()
	for range 2 {
		squares := nb.Must(nb.CachedValue("squares", 3, func(string) ([]int, error) {
			fmt.Println("working")
			return []int{0, 1, 4}, nil
		}))
		fmt.Println(squares)
	}
	// Output:
	// working
	// [0 1 4]
	// [0 1 4]
}

func ExampleMethod() {
	fmt.Println(nb.Method("fairdarts").Paper.ArXiv)
	// Output: 1911.12126
}

func ExampleSearch() {
	_, clean := temporary()
	defer clean()
	r := nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", small))
	fmt.Println(r.Spec.Method, r.Numbers.Of("steps"))
	// Output: fairdarts 1
}

// A method of one's own: DARTS with a softmax at a temperature.
func ExampleSearch_own() {
	_, clean := temporary()
	defer clean()
	m := diff.DARTS()
	m.Name = "sharp"
	m.Relax = func(_ int, a *graph.Node, _ []*graph.Node) *graph.Node {
		return graph.Softmax(graph.DivScalar(a, 0.25), -1)
	}
	r := nb.Must(nb.Search(m, "smoke", small))
	fmt.Println(r.Spec.Method, len(r.Genotype.Normal.Edges))
	// Output: sharp 8
}

func ExampleSet() {
	_, clean := temporary()
	defer clean()
	r := nb.Must(nb.Search(nb.Method("darts"), "smoke", nb.Set(`{"epochs": 1, "steps_per_epoch": 2, "size": {"cells": 4}}`)))
	fmt.Println(r.Spec.Profile, r.Numbers.Of("steps"), len(r.Tables[0].Epochs), len(r.Tables[0].Rows))
	// Output: custom 2 2 14
}

func ExampleSeed() {
	_, clean := temporary()
	defer clean()
	fmt.Println(nb.Must(nb.Search(nb.Method("darts"), "smoke", nb.Seed(1), small)).Spec.Seed)
	// Output: 1
}

func ExampleVariant() {
	_, clean := temporary()
	defer clean()
	fmt.Println(nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", nb.Variant("no01"), small)).Spec.Label())
	// Output: fairdarts-no01
}

func ExampleSpace() {
	_, clean := temporary()
	defer clean()
	r := nb.Must(nb.Search(nb.Method("darts"), "smoke", nb.Space("S3"), small))
	fmt.Println(r.Tables[0].Ops(0))
	// Output: [none skip_connect sep_conv_3x3]
}

func ExampleTrain() {
	_, clean := temporary()
	defer clean()
	trained := nb.Must(nb.Train(nb.Must(nb.Search(nb.Method("darts"), "smoke", small)), small))
	fmt.Println(trained.Spec.Name, len(trained.Log.Rows))
	// Output: darts 1
}

func ExampleTrainNetwork() {
	_, clean := temporary()
	defer clean()
	trained := nb.Must(nb.TrainNetwork(train.Random(1, space.DARTSPrimitives, 2), "random", "smoke", small))
	fmt.Println(trained.Spec.Name, len(trained.Log.Rows))
	// Output: random 1
}

// A network trained in one cell goes on in another.
func ExampleSaveWeights() {
	_, clean := temporary()
	defer clean()
	size := darts.DefaultConfig().Size
	size.Cells, size.Channels = 3, 4
	network := nb.Must(space.Supernet(size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(space.DARTSPrimitives))))
	model := nb.Must(nb.Must(nb.Open()).NewModel(network, nn.Edge))
	dir := nb.Must(nb.Cached("supernet", size, func(dir string) error {
		nb.Check(model.Load(nn.Initialise(network.Specs(), 1))) // and a training
		return nb.SaveWeights(dir, model)
	}))
	nb.Check(nb.LoadWeights(dir, model))
	// Output:
}

// The weights that a search has left go into a network of the same size.
func ExampleLoadWeights() {
	_, clean := temporary()
	defer clean()
	r := nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", small))
	config := nb.Must(nb.Method("fairdarts").Config("smoke", "")).(*fairdarts.Config)
	network := nb.Must(space.Supernet(config.Size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(config.Primitives))))
	model := nb.Must(nb.Must(nb.Open()).NewModel(network, nn.Edge))
	nb.Check(nb.LoadWeights(r.Dir, model))
	// Output:
}

// A claim that is counted needs no run.
func ExampleEvidence() {
	_, clean := temporary()
	defer clean()
	dir := nb.Must(nb.Evidence("smoke", 3, "fd-x-loss-algebra"))
	nb.Verdict(dir, "fd-x-loss-algebra")
	// Output:
	// reproduced: fd-x-loss-algebra (fairdarts, arXiv 1911.12126, equations of the relaxation and of the zero-one loss): values and gradients of the zero-one loss, independence of the sigmoids
	// the paper prints   measured (95 % interval)
	// -----------------  ------------------------
	// (derived from it)  15 values
	// profile smoke (reduced: at best consistent with the paper)
	// all 15 values agree
}

func ExampleNumbers() {
	_, clean := temporary()
	defer clean()
	a := nb.Must(nb.TrainNetwork(train.Random(1, space.DARTSPrimitives, 2), "random", "smoke", small))
	b := nb.Must(nb.TrainNetwork(nb.Must(zoo.Get("darts-v2")).Network, "darts-v2", "smoke", small))
	firstLines(func() { nb.Numbers(a, b) })
	// Output: run                                        test accuracy  parameters  multiply adds
}

func ExampleWeights() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Weights(nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", small))) })
	// Output: figure: fairdarts, profile custom, seed 0: weights over the epochs
}

func ExampleFinal() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Final(nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", small)), "Final sigmoids") })
	// Output: figure: Final sigmoids
}

func ExampleDominant() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Dominant(nb.Must(nb.Search(nb.Method("darts"), "smoke", small))) })
	// Output: figure: darts, profile custom, seed 0: strongest operations
}

func ExampleLosses() {
	_, clean := temporary()
	defer clean()
	a, b := nb.Must(nb.Search(nb.Method("darts"), "smoke", small)), nb.Must(nb.Search(nb.Method("fairdarts"), "smoke", small))
	firstLines(func() { nb.Losses("Losses", a, b) })
	// Output: figure: Losses
}

func ExampleTrueAccuracies() {
	_, clean := temporary()
	defer clean()
	firstLines(func() {
		nb.TrueAccuracies("True accuracies", nb.Must(nb.Search(nb.Method("darts"), "smoke", nb.Variant("nb201"), small)))
	})
	// Output: figure: True accuracies
}

// ranked is a supernet of a moment that has ranked two networks.
func ranked(variant string) *nb.Run {
	return nb.Must(nb.Search(nb.Method("fairnas"), "smoke", nb.Variant(variant), small, nb.Set(`{"rank": 2}`)))
}

// firstLines are what f prints, but only titles of figures and headers of tables.
func firstLines(f func()) {
	for line := range strings.Lines(printed(f)) {
		if slices.Contains([]string{"figure:", "run", "epoch", "network", "block"}, strings.Fields(line + " -")[0]) {
			fmt.Print(line)
		}
	}
}

func ExampleShow() {
	_, clean := temporary()
	defer clean()
	r := nb.Must(nb.Search(nb.Method("fairnas"), "smoke", small))
	firstLines(func() { nb.Show(r) })
	// Output:
	// epoch  learning rate  train loss  train accuracy  lowest  highest
	// figure: fairnas, profile custom, seed 0: losses
	// figure: fairnas, profile custom, seed 0: training accuracy of paths
	// figure: fairnas, profile custom, seed 0: updates of the blocks
	// figure: fairnas, profile custom, seed 0: first fronts
	// network   accuracy, %  multiply-adds, M  parameters, M
	// figure: fairnas, profile custom, seed 0: what was found
	// block  operation            kernel  hidden channels  stride  channels in  channels out
	// run                              front hypervolume
}

func ExampleEpochs() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Epochs(ranked("strict")) })
	// Output: epoch  learning rate  train loss  train accuracy  lowest  highest
}

// Supernets that were sampled otherwise stand beside each other.
func ExampleRanges() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Ranges("Training accuracy", ranked("strict"), ranked("uniform")) })
	// Output: figure: Training accuracy
}

func ExampleUpdates() {
	_, clean := temporary()
	defer clean()
	nb.Updates("Updates", ranked("strict"))
	// Output:
	// figure: Updates
	// Updates of every choice in 8 layers. strict: 3 paths, updates of a choice from 1 to 1, furthest from the mean 0.
}

func ExampleRanking() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Ranking("Ranking", ranked("strict"), ranked("uniform")) })
	// Output: figure: Ranking
}

func ExampleOneShot() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.OneShot("One-shot accuracy", ranked("strict")) })
	// Output: figure: One-shot accuracy
}

func ExampleSimilarity() {
	_, clean := temporary()
	defer clean()
	firstLines(func() {
		nb.Similarity(nb.Must(nb.Search(nb.Method("scarlet"), "smoke", nb.Variant("stabiliser"))), "Choices")
	})
	// Output: figure: Choices
}

func ExamplePareto() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Pareto(nb.Must(nb.Search(nb.Method("fairnas"), "smoke", small)), "Fronts") })
	// Output: figure: Fronts
}

func ExampleFront() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Front(nb.Must(nb.Search(nb.Method("fairnas"), "smoke", small))) })
	// Output: network   accuracy, %  multiply-adds, M  parameters, M
}

func ExampleNetwork() {
	firstLines(func() { nb.Network(nb.Must(zoo.Get("fairnas-a")).Network, "FairNAS-A") })
	// Output:
	// figure: FairNAS-A
	// block  operation            kernel  hidden channels  stride  channels in  channels out
}
