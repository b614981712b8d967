package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/plots"
)

type latencyPlotCmd struct {
	Figure   string   `arg:"" help:"macs or shares, see above."`
	Table    string   `required:"" placeholder:"NAME|FILE" help:"${tables}, or a CSV file."`
	Space    string   `placeholder:"NAME" help:"Space of random paths: ${spaces}."`
	Image    int      `help:"Side of the space's images in pixels. Default: that of the space."`
	Paths    int      `placeholder:"N" help:"Different random paths of the space. Default: 200 for macs, 4 for shares."`
	Seed     uint64   `help:"Seed of the paths."`
	Networks []string `placeholder:"NAME,…" help:"Networks of the zoo (gonas zoo list)."`
	Out      string   `required:"" placeholder:"FILE" help:"Picture to write; its ending, .svg or .png, is the format. The data that it shows go beside it as .csv."`
	DPI      float64  `default:"144" help:"Resolution of a PNG."`
}

// Help is the text of --help between the usage and the flags.
func (latencyPlotCmd) Help() string {
	return "Latencies are sums of the table's rows.\n\nFigures:\n" +
		"  macs    latency against multiply-adds, of random paths of a space, of networks of the zoo, or of both\n" +
		"  shares  what each kind of block takes of their latency: k5 e6 SE is a block of kernel 5 and expansion 6 with squeeze-and-excitation,\n" +
		"          head the last convolution and the classifier"
}

// Run draws.
func (c latencyPlotCmd) Run(a *app) error {
	fail := func(err error) error { return fmt.Errorf("latency plot %s: %w", c.Figure, err) }
	files, err := pictureFiles(c.Out)
	if err != nil {
		return fmt.Errorf("latency plot --out %w", err)
	}
	t, err := latency.Open(c.Table)
	if err != nil {
		return fail(err)
	}
	networks := make([]*zoo.Net, len(c.Networks))
	for i, name := range c.Networks {
		if networks[i], err = zoo.Get(name); err != nil {
			return fail(err)
		}
	}
	var f plots.Figure
	switch {
	case c.Figure != "macs" && c.Figure != "shares":
		err = errors.New("expected macs or shares")
	case c.Space == "" && len(networks) == 0:
		err = errors.New("expected --space, --networks or both, got none")
	case c.Figure == "macs":
		f, err = c.macs(t, networks)
	default:
		f, err = c.shares(t, networks)
	}
	if err != nil {
		return fail(err)
	}
	if err := writeFigure(f, c.DPI, files); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s\n", c.Out, f.Title())
	return err
}

// macs draws latencies against multiply-adds.
func (c latencyPlotCmd) macs(t latency.Table, networks []*zoo.Net) (plots.Figure, error) {
	var series []plots.LatencySeries
	if c.Space != "" {
		s, err := c.randomPaths(t)
		if err != nil {
			return plots.Figure{}, err
		}
		series = append(series, s)
	}
	published := plots.LatencySeries{Name: "networks of the zoo"}
	for _, n := range networks {
		shares, err := t.Shares(n.Network)
		if err != nil {
			return plots.Figure{}, fmt.Errorf("%s: %w", n.Name, err)
		}
		macs, err := n.MACs(0)
		if err != nil {
			return plots.Figure{}, fmt.Errorf("%s: %w", n.Name, err)
		}
		p := plots.LatencyPoint{Label: n.Name, MACs: float64(macs) / 1e6}
		for _, s := range shares {
			p.MS += s.MS
		}
		published.Points = append(published.Points, p)
	}
	if len(published.Points) > 0 {
		series = append(series, published)
	}
	return plots.LatencyScatter(series, "Latency against multiply-adds: "+t.Device())
}

// randomPaths are latencies and multiply-adds of different random paths of the space.
func (c latencyPlotCmd) randomPaths(t latency.Table) (s plots.LatencySeries, err error) {
	p, paths, err := c.drawPaths(200)
	if err != nil {
		return s, err
	}
	sums, err := t.Sums(p)
	if err != nil {
		return s, err
	}
	b, err := backend.Open()
	if err != nil {
		return s, err
	}
	costs, err := oneshot.CountPaths(engine.New(b.Backend), p)
	if err != nil {
		return s, err
	}
	s.Name = "random paths of " + p.Name
	for _, path := range paths {
		macs, _ := costs.Of(path)
		s.Points = append(s.Points, plots.LatencyPoint{MACs: float64(macs) / 1e6, MS: sums.Of(path)})
	}
	return s, nil
}

// drawPaths draws different random paths of the space, usual where --paths is left out.
func (c latencyPlotCmd) drawPaths(usual int) (space.Paths, [][]int, error) {
	p, err := spaceFlags{c.Space, c.Image}.paths()
	if err != nil {
		return p, nil, err
	}
	paths, err := latency.RandomPaths(p, cmp.Or(c.Paths, usual), c.Seed)
	return p, paths, err
}

// shares draws what kinds of blocks take.
func (c latencyPlotCmd) shares(t latency.Table, networks []*zoo.Net) (plots.Figure, error) {
	var p plots.LatencyParts
	var all [][]latency.Share
	add := func(name string, a arch.Network) error {
		shares, err := t.Shares(a)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all, p.Networks = append(all, shares), append(p.Networks, name)
		for _, s := range shares {
			if !slices.Contains(p.Kinds, s.Kind) {
				p.Kinds = append(p.Kinds, s.Kind)
			}
		}
		return nil
	}
	for _, n := range networks {
		if err := add(n.Name, n.Network); err != nil {
			return plots.Figure{}, err
		}
	}
	if c.Space != "" {
		from, paths, err := c.drawPaths(4)
		if err != nil {
			return plots.Figure{}, err
		}
		for _, path := range paths {
			a, err := from.Network(path)
			if err == nil {
				err = add(from.Code(path), a)
			}
			if err != nil {
				return plots.Figure{}, err
			}
		}
	}
	slices.SortFunc(p.Kinds, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	for _, shares := range all {
		row := make([]float64, len(p.Kinds))
		for _, s := range shares {
			row[slices.Index(p.Kinds, s.Kind)] = s.MS
		}
		p.MS = append(p.MS, row)
	}
	return plots.LatencyShares(p, "Latency by kind of block: "+t.Device())
}

// place orders the kinds: the stem, blocks of a name, blocks of kernels, the head.
func place(kind string) int {
	switch {
	case kind == "stem":
		return 0
	case kind == "head":
		return 3
	case strings.HasPrefix(kind, "k"):
		return 2
	}
	return 1
}
