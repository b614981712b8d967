package nb_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/notebooks/nb"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
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

// small makes a search of a few seconds one of a moment.
func small(c *search.Base) { c.Epochs, c.StepsPerEpoch = 1, 1 }

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
	images, _, err := nb.LoadImages()
	nb.Check(err)
	nb.Examples(images, 3, 3)
	// Output: 3 images of 32×32×3: frog, truck, truck
}

func ExampleLoadImages() {
	train, test, err := nb.LoadImages()
	nb.Check(err)
	fmt.Println(train.N, test.N)
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
	nb.Must(repro.Decide(dir, claims.Quick))
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
	nb.Must(repro.Decide(dir, claims.Quick))
	for line := range strings.Lines(printed(func() { nb.Claims(dir, "autokws") })) {
		if strings.HasPrefix(line, "claim ") || strings.HasPrefix(line, "akws-8x") {
			fmt.Print(line)
		}
	}
	// Output:
	// claim                              status          the paper prints   measured (95 % interval), profile quick
	// akws-8x                            reproduced      8 x                8.12844 x
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

func ExampleSearch() {
	_, clean := temporary()
	defer clean()
	run := nb.Must(nb.Search("fairdarts", "smoke", small))
	fmt.Println(run.Method, run.Steps)
	// Output: fairdarts 1
}

func ExampleSearchConfig() {
	_, clean := temporary()
	defer clean()
	c := darts.DefaultConfig()
	c.Profile, c.Size.Cells, c.Size.Channels, c.Image, c.Batch = "custom", 3, 4, 8, 8
	small(&c.Base)
	run := nb.Must(nb.SearchConfig("darts", &c))
	fmt.Println(run.Profile, len(run.History().Epochs), len(run.Final().Normal))
	// Output: custom 2 14
}

func ExampleTrain() {
	_, clean := temporary()
	defer clean()
	g := train.Random(1, space.DARTSPrimitives, 2)
	trained := nb.Must(nb.Train(g, "random", "smoke", func(c *train.Config) { c.Epochs, c.StepsPerEpoch = 1, 1 }))
	fmt.Println(trained.Name, len(trained.Epochs))
	// Output: random 1
}

// A network trained in one cell goes on in another.
func ExampleSaveWeights() {
	_, clean := temporary()
	defer clean()
	size := darts.DefaultConfig().Size
	size.Cells, size.Channels = 3, 4
	network := nb.Must(space.Supernet(size, space.DARTSPrimitives, space.Options{}))
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
	run := nb.Must(nb.Search("fairdarts", "smoke", small))
	method := nb.Must(nas.Lookup("fairdarts"))
	config := nb.Must(method.Config("smoke")).(*fairdarts.Config)
	network := nb.Must(space.Supernet(config.Size, config.Primitives, space.Options{}))
	model := nb.Must(nb.Must(nb.Open()).NewModel(network, nn.Edge))
	nb.Check(nb.LoadWeights(run.Dir, model))
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

// A method of one's own: DARTS under another name.
func ExampleSearchMethod() {
	_, clean := temporary()
	defer clean()
	m := darts.Method()
	m.Name = "mine"
	c := nb.Must(nb.Must(nas.Lookup("darts")).Config("smoke")).(*darts.Config)
	small(&c.Base)
	run := nb.Must(nb.SearchMethod(m, c.Config))
	fmt.Println(run.Method, len(run.Genotype.Normal.Edges))
	// Output: mine 8
}

func ExampleRun_History() {
	_, clean := temporary()
	defer clean()
	run := nb.Must(nb.Search("fairdarts", "smoke", small))
	fmt.Println(nb.Must(plots.Sigmoids(run.History(), "Sigmoids")).Title())
	// Output: Sigmoids
}

func ExampleRun_Buildable() {
	_, clean := temporary()
	defer clean()
	run := nb.Must(nb.Search("darts", "smoke", small))
	g, asFound := run.Buildable()
	fmt.Println(len(g.Normal.Edges), asFound)
	// Output: 8 true
}

func ExampleRun_Final() {
	_, clean := temporary()
	defer clean()
	run := nb.Must(nb.Search("fairdarts", "smoke", small))
	fmt.Println(nb.Must(plots.Alphas(run.Final(), "Final weights")).Title())
	// Output: Final weights
}

// ranked is a supernet of a moment that has ranked two networks.
func ranked(sampling string) *nb.Run {
	c := nb.Must(nb.Must(nas.Lookup("fairnas")).Config("smoke")).(*fairnas.Config)
	nas.RankOnly(c)
	small(&c.Base)
	c.Sampling, c.Rank = sampling, 2
	return nb.Must(nb.SearchConfig("fairnas", c))
}

// firstLines are what f prints, but only titles of figures and headers of tables.
func firstLines(f func()) {
	for line := range strings.Lines(printed(f)) {
		if strings.HasPrefix(line, "figure: ") || strings.HasPrefix(line, "epoch ") || strings.HasPrefix(line, "network ") || strings.HasPrefix(line, "block ") {
			fmt.Print(line)
		}
	}
}

func ExampleSupernet() {
	_, clean := temporary()
	defer clean()
	run := nb.Must(nb.Search("fairnas", "smoke", small))
	run.Evolution.Chosen.Code = "chosen"
	firstLines(func() { nb.Supernet(run) })
	// Output:
	// epoch  learning rate  training loss  training accuracy  lowest  highest
	// figure: Training accuracy of paths: cifar_mobile, profile custom, seed 0
	// figure: Updates of the blocks: cifar_mobile, profile custom, seed 0
	// figure: First fronts: cifar_mobile, profile custom, seed 0
	// network   one-shot accuracy  multiply-adds  parameters
	// figure: Chosen: chosen
	// block  operation            kernel  hidden channels  stride  channels in  channels out
}

func ExampleEpochs() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Epochs(ranked(search.Strict)) })
	// Output: epoch  learning rate  training loss  training accuracy  lowest  highest
}

// Supernets that were sampled otherwise stand beside each other.
func ExampleRanges() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Ranges("Training accuracy", ranked(search.Strict), ranked(search.Uniform)) })
	// Output: figure: Training accuracy
}

func ExampleUpdates() {
	_, clean := temporary()
	defer clean()
	nb.Updates("Updates", ranked(search.Strict))
	// Output:
	// figure: Updates
	// Updates of every choice in 8 layers. strict: 3 paths, updates of a choice from 1 to 1, furthest from the mean 0.
}

func ExampleRanking() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Ranking("Ranking", ranked(search.Strict), ranked(search.Uniform)) })
	// Output: figure: Ranking
}

func ExampleOneShot() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.OneShot("One-shot accuracy", ranked(search.Strict)) })
	// Output: figure: One-shot accuracy
}

func ExamplePareto() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Pareto(nb.Must(nb.Search("fairnas", "smoke", small)), "Fronts") })
	// Output: figure: Fronts
}

func ExampleFront() {
	_, clean := temporary()
	defer clean()
	firstLines(func() { nb.Front(nb.Must(nb.Search("fairnas", "smoke", small))) })
	// Output: network   one-shot accuracy  multiply-adds  parameters
}

func ExampleNetwork() {
	firstLines(func() { nb.Network(nb.Must(zoo.Get("fairnas-a")).Network, "FairNAS-A") })
	// Output:
	// figure: FairNAS-A
	// block  operation            kernel  hidden channels  stride  channels in  channels out
}
