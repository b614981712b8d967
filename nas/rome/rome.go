// Package rome is ROME (2011.11233): a search that draws single networks, as GDAS does, but draws the two inputs of each node
// apart from the operations, and sums the gradients of several draws.
package rome

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/ranges"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// Name of the method.
const Name = "rome"

// How the inputs of a node are drawn.
const (
	// Top2 draws the two largest of perturbed parameters, one for each edge: ROME-V2 (equations 7 and 8).
	Top2 = "top2"
	// Pairs draws one of the pairs of edges: ROME-V1 (equations 4 to 6).
	Pairs = "pairs"
	// All keeps every edge, as GDAS does.
	All = "all"
)

var topologies = []string{Top2, Pairs, All}

// Config is ROME's configuration.
type Config struct {
	diff.Config
	// Topology is top2, pairs or all.
	Topology string `json:"topology"`
	// Draws are networks in each half of a step, K in the paper.
	Draws       Draws            `json:"draws"`
	Temperature diff.Temperature `json:"temperature"`
}

// Draws are the numbers of networks whose gradients are summed.
type Draws struct {
	Weights      int `json:"weights"`
	Architecture int `json:"architecture"`
}

// DefaultConfig is the search of ROME-V2 (2011.11233, section 4.1) on CIFAR-10: 50 epochs, K = 7, SGD from 0.05, Adam 3e-4,
// operations without none. In no source are batch, weight decay, the rate's end and the clipping of the sum of K gradients,
// here DARTS's, and the temperature, here that of GDAS's code, 10 to 0.1 in a line.
func DefaultConfig() Config {
	c := Config{Config: diff.DefaultConfig(), Topology: Top2, Draws: Draws{7, 7}, Temperature: diff.Temperature{First: 10, Last: 0.1}}
	c.Weights.LearningRate, c.Primitives = 0.05, slices.Clone(space.FairDARTSPrimitives)
	return c
}

// Spaces are those of cells: in NAS-Bench-201 a node has one input to three and keeps them all, so that there are no two to
// draw.
func Spaces() []string { return cells.Names() }

// Validate reports the first field out of range.
func (c Config) Validate() error {
	switch err := c.Config.Validate(); {
	case err != nil:
		return err
	case !slices.Contains(Spaces(), c.Space):
		return fmt.Errorf("config: space %q: expected one of %s, whose nodes have two inputs", c.Space, strings.Join(Spaces(), ", "))
	case !slices.Contains(topologies, c.Topology):
		return fmt.Errorf("config: topology: expected one of %s, got %q", strings.Join(topologies, ", "), c.Topology)
	}
	if err := cmp.Or(ranges.In("draws.weights", c.Draws.Weights, 1, 1000), ranges.In("draws.architecture", c.Draws.Architecture, 1, 1000)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := c.ValidateDrawing(); err != nil {
		return err
	}
	return c.Temperature.Validate()
}

// ablation is a variant of Table 6: topology apart or not, and K for the architecture and for the weights.
func ablation(label, title, topology string, architecture, weights int) method.Variant {
	return method.Variant{Label: label, Title: "ROME, " + title,
		Set: fmt.Sprintf(`{"topology": %q, "draws": {"weights": %d, "architecture": %d}}`, topology, weights, architecture)}
}

// reducedEpochs are those of the reduced profiles.
var reducedEpochs = map[string]int{profile.Smoke: 3, profile.Quick: 10, profile.GPU: 10, profile.Day: 20}

// of is a variant of Table 5, where the product of K and epochs is about 350; it stays in the reduced profiles too.
func of(k, epochs int) method.Variant {
	v := ablation(fmt.Sprintf("k%d", k), fmt.Sprintf("K = %d", k), Top2, k, k)
	v.At, v.Notes = map[string]string{profile.Paper: fmt.Sprintf(`{"epochs": %d}`, epochs)}, map[string]string{}
	of := profiles()
	for name, n := range reducedEpochs {
		own := n * 7 / k
		v.At[name] = fmt.Sprintf(`{"epochs": %d}`, own)
		v.Notes[name] = regexp.MustCompile(`\d+ epochs`).ReplaceAllString(of[name].Note, fmt.Sprintf("%d epochs", own))
	}
	return v
}

// profiles are those of a search over cells; quick has fewer steps, for each runs 14 networks.
func profiles() map[string]method.Profile {
	p := diff.ByEdges(diff.Profiles(diff.FewSteps, ""), 25)
	quick := p[profile.Quick]
	quick.Note = diff.FewStepsNote
	p[profile.Quick] = quick
	return p
}

// Method is ROME for the registry.
func Method() method.Method {
	return method.Method{
		Name: Name, Title: "ROME", Paper: method.Paper{ArXiv: "2011.11233", Title: "ROME: Robustifying Memory-Efficient NAS via Topology Disentanglement and Gradient Accumulation"},
		Spaces: Spaces(), Data: datasets.CIFAR10Name,
		New:      method.From(DefaultConfig),
		Profiles: profiles(),
		Variants: append(diff.ReducedSpaces("ROME"), []method.Variant{
			{Label: "v1", Title: "ROME-V1", Set: `{"topology": "pairs"}`},
			ablation("none", "none of its parts (GDAS)", All, 1, 1),
			ablation("ga-alpha", "K of α alone", All, 7, 1),
			ablation("ga-theta", "K of θ alone", All, 1, 7),
			ablation("ga", "K alone", All, 7, 7),
			ablation("td", "topology alone", Top2, 1, 1),
			ablation("td-ga-alpha", "topology and K of α", Top2, 7, 1),
			ablation("td-ga-theta", "topology and K of θ", Top2, 1, 7),
			of(1, 350), of(4, 87), of(10, 35),
		}...),
		Run: diff.Run(Search),
	}
}

// Search is what ROME adds to GDAS: tables of inputs beside those of operations, and K.
func Search(c *Config) diff.Method {
	m := diff.DARTS()
	m.Name = Name
	t := topology{kind: c.Topology}
	m.Sample = &diff.Sampler{Draws: [2]int{c.Draws.Weights, c.Draws.Architecture}, Temperature: c.Temperature.At, Choose: diff.OneEach,
		Gates: func(_ int, tables []diff.Drawn) []*graph.Node { return []*graph.Node{tables[0].Gate()} }}
	if c.Topology != All {
		m.Also, m.Relax, m.Derive = t.tables, t.relax, t.derive
		m.Sample.Choose, m.Sample.Gates = t.choose, t.gates
	}
	return m
}
