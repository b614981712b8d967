package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/space"
)

type latencyCmd struct {
	Measure latencyMeasureCmd `cmd:"" help:"Time every block of a space on this machine, one image a call, and write the table."`
	Check   latencyCheckCmd   `cmd:"" help:"Time whole networks of random paths beside a table's sums."`
	Show    latencyShowCmd    `cmd:"" help:"Print a table, or what of a space it has."`
	Plot    latencyPlotCmd    `cmd:"" help:"Draw a table's latencies: against multiply-adds, or by kind of block."`
}

// spaceFlags name a space of paths at an image size.
type spaceFlags struct {
	Space string `required:"" help:"Space of paths: ${spaces}."`
	Image int    `help:"Side of the images in pixels. Default: that of the space."`
}

// paths is the space.
func (f spaceFlags) paths() (space.Paths, error) {
	p, err := space.LookupPaths(f.Space)
	if err != nil {
		return p, err
	}
	if f.Image < 0 {
		return p, fmt.Errorf("--image: expected at least 1, got %d", f.Image)
	}
	if f.Image > 0 {
		p = p.Resized(f.Image, p.Shared.Classes)
	}
	return p, nil
}

type latencyMeasureCmd struct {
	spaceFlags
	Repeats int    `default:"50" help:"Timed calls of each block."`
	Seed    uint64 `help:"Seed of weights and images."`
	Out     string `required:"" placeholder:"FILE.csv" help:"Table to write."`
}

// Help is the text of --help between the usage and the flags.
func (latencyMeasureCmd) Help() string {
	return "The table has the median of the calls in milliseconds and their interquartile range. Nothing else should run meanwhile."
}

// Run measures.
func (c latencyMeasureCmd) Run(a *app) error {
	p, err := c.paths()
	if err != nil {
		return fmt.Errorf("latency measure: %w", err)
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	m := newMeter(a.stderr)
	t, err := latency.Measure(a.ctx, engine.New(b.Backend), p, latency.Options{Repeats: c.Repeats, Seed: c.Seed, Device: b.Device()}, m.steps)
	m.end()
	if err != nil {
		return fmt.Errorf("latency measure: %w", err)
	}
	if err := t.Save(c.Out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %d blocks of %s, %d calls each, on %s\n", c.Out, len(t), strings.TrimSpace(c.Space), c.Repeats, b.Device())
	return err
}

type latencyCheckCmd struct {
	spaceFlags
	Table    string `placeholder:"NAME|FILE" help:"Table whose sums to check: ${tables}, or a CSV file. Default: the blocks are measured first."`
	Networks int    `default:"30" help:"Different random paths."`
	Repeats  int    `default:"50" help:"Timed calls of each network, and of each block that is measured first."`
	Seed     uint64 `help:"Seed of paths, weights and images."`
	JSON     bool   `help:"Print JSON."`
}

// Help is the text of --help between the usage and the flags.
func (latencyCheckCmd) Help() string {
	return "Each network is compiled as one program and called on one image; its time is the median of the calls. Nothing else should run meanwhile."
}

// Run times.
func (c latencyCheckCmd) Run(a *app) error {
	p, err := c.paths()
	if err != nil {
		return fmt.Errorf("latency check: %w", err)
	}
	var t latency.Table
	if c.Table != "" {
		if t, err = latency.Open(c.Table); err != nil {
			return fmt.Errorf("latency check --table: %w", err)
		}
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	e, m := engine.New(b.Backend), newMeter(a.stderr)
	defer m.end()
	if t == nil {
		if t, err = latency.Measure(a.ctx, e, p, latency.Options{Repeats: c.Repeats, Seed: c.Seed, Device: b.Device()}, m.steps); err != nil {
			return fmt.Errorf("latency check: %w", err)
		}
	}
	checked, err := latency.Check(a.ctx, e, t, p, latency.CheckOptions{Networks: c.Networks, Repeats: c.Repeats, Seed: c.Seed}, m.steps)
	m.end()
	if err != nil {
		return fmt.Errorf("latency check: %w", err)
	}
	if c.JSON {
		return writeJSON(a.stdout, checked)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tsum (ms)\ttimed (ms)\tspread (ms)\t")
	for _, n := range checked.Networks {
		fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t\n", n.Code, n.Sum, n.Timed, n.Spread)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Kendall's tau-b %.3f, Spearman %.3f over %d networks on %s\nmean error of the sums %.3f ms, %.1f %%; of %.4f times the sums %.3f ms, %.1f %%\n",
		checked.Tau, checked.Spearman, len(checked.Networks), b.Device(), checked.AsSummed.MS, checked.AsSummed.Percent, checked.Factor, checked.Scaled.MS, checked.Scaled.Percent)
	return err
}

type latencyShowCmd struct {
	Table string `arg:"" help:"${tables}, or a CSV file."`
	Space string `placeholder:"NAME" help:"Print the rows of this space's blocks, and the blocks that have none: ${spaces}."`
	Image int    `help:"Side of the space's images in pixels. Default: that of the space."`
	JSON  bool   `help:"Print JSON."`
}

// Help is the text of --help between the usage and the flags.
func (latencyShowCmd) Help() string {
	return "A row is of a block where operation, kernels, hidden channels, stride, activation, squeeze-and-excitation and shapes are the same. " +
		"Where there is none, relu and relu6 stand for each other, since both clamp every number; nothing else does.\n" +
		"pixel1 is ProxylessNAS's table, xeon6130 and titanrtx are TF-NAS's, titanrtx of 32 images a call."
}

// Run prints.
func (c latencyShowCmd) Run(a *app) error {
	t, err := latency.Open(c.Table)
	if err != nil {
		return fmt.Errorf("latency show: %w", err)
	}
	if c.Space == "" {
		if c.JSON {
			return writeJSON(a.stdout, t)
		}
		return writeRows(a.stdout, t)
	}
	p, err := spaceFlags{c.Space, c.Image}.paths()
	if err != nil {
		return fmt.Errorf("latency show: %w", err)
	}
	found, err := t.Cover(p)
	if err != nil {
		return fmt.Errorf("latency show: %w", err)
	}
	if c.JSON {
		return writeJSON(a.stdout, found)
	}
	if err := writeRows(a.stdout, found.Matched); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%d of the %d blocks of %s have a row, %d of them that of the other of relu and relu6\n",
		len(found.Matched), len(found.Matched)+len(found.Missing), c.Space, len(found.Clamps))
	for _, k := range found.Missing {
		if _, err := fmt.Fprintf(a.stdout, "no row: %s, %s to %s\n", k.Block, k.Input, k.Output); err != nil {
			return err
		}
	}
	return nil
}

// writeRows prints rows as aligned text.
func writeRows(to io.Writer, t latency.Table) error {
	if len(t) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "block\tinput\toutput\tms\tspread\tdevice")
	for _, r := range t {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4f\t%.4f\t%s\n", r.Block, r.Input, r.Output, r.MS, r.Spread, r.Device)
	}
	return w.Flush()
}

// steps shows steps of a stage.
func (m *meter) steps(stage string, done, total int) {
	m.show(stage, int64(done), int64(total), func() string { return fmt.Sprintf("%s: %d of %d", stage, done, total) })
}
