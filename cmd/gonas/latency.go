package main

import (
	"fmt"
	"strings"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/space"
)

type latencyCmd struct {
	Measure latencyMeasureCmd `cmd:"" help:"Time every block of a space on this machine, one image a call, and write the table."`
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

// steps shows steps of a stage.
func (m *meter) steps(stage string, done, total int) {
	m.show(stage, int64(done), int64(total), func() string { return fmt.Sprintf("%s: %d of %d", stage, done, total) })
}
