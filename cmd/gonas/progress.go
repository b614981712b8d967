package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/gonas/gonas/nas/run"
)

// terminal tells whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// meter shows how far something is: a bar on a terminal, elsewhere a line every few seconds.
type meter struct {
	w     io.Writer
	bar   *progressbar.ProgressBar
	stage string
	last  time.Time
	isTTY bool
}

func newMeter(w io.Writer) *meter { return &meter{w: w, isTTY: terminal(w)} }

// quiet is the time between two lines.
const quiet = 5 * time.Second

// show tells done of total; a new stage starts a new bar. line makes the text where there is no terminal.
func (m *meter) show(stage string, done, total int64, line func() string) {
	if !m.isTTY {
		if stage != m.stage || time.Since(m.last) >= quiet {
			m.stage, m.last = stage, time.Now()
			fmt.Fprintln(m.w, line())
		}
		return
	}
	if stage != m.stage || m.bar == nil {
		m.end()
		m.stage = stage
		if total <= 0 {
			total = -1
		}
		m.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(m.w), progressbar.OptionSetDescription(stage),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionFullWidth())
	}
	// A bar that cannot be drawn is no reason to stop.
	_ = m.bar.Set64(done)
}

// end leaves the bar's line.
func (m *meter) end() {
	if m.bar != nil {
		fmt.Fprintln(m.w)
		m.bar = nil
	}
}

// epochLine tells of an epoch's row of the log, but for how far the run is.
func epochLine(row run.Values) string {
	var parts []string
	for _, v := range row {
		format := "%.4g"
		switch {
		case v.Name == "epoch" || v.Name == "steps":
			continue
		case strings.HasSuffix(v.Name, "loss"):
			format = "%.4f"
		case strings.HasSuffix(v.Name, "accuracy"):
			format = "%.3f"
		}
		parts = append(parts, fmt.Sprintf("%s "+format, v.Name, v.Number))
	}
	return strings.Join(parts, ", ")
}

// showProgress shows a run's events: a bar over all steps on a terminal, elsewhere a line an epoch.
func showProgress(w io.Writer) run.Listener { return newMeter(w).listener() }

func (m *meter) listener() run.Listener {
	began := time.Now()
	since := func() time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
	return func(e run.Event) {
		switch e.Kind {
		case run.EventStart:
			if e.Epoch < e.Epochs {
				fmt.Fprintf(m.w, "%d epochs of %d steps, from epoch %d on; the first step compiles what the cache does not hold\n", e.Epochs, e.Steps, e.Epoch+1)
			}
		case run.EventStep:
			if m.isTTY {
				m.show("running", int64((e.Epoch-1)*e.Steps+e.Step), int64(e.Epochs*e.Steps), nil)
				text := fmt.Sprintf("epoch %d/%d", e.Epoch, e.Epochs)
				if len(e.Values) > 0 {
					text += fmt.Sprintf(" %s %.3f", e.Values[0].Name, e.Values[0].Number)
				}
				m.bar.Describe(text)
			}
		case run.EventEpoch:
			if !m.isTTY {
				text := fmt.Sprintf("epoch %d/%d: ", e.Epoch, e.Epochs)
				if line := epochLine(e.Values); line != "" {
					text += line + "; "
				}
				fmt.Fprintf(m.w, "%s%s\n", text, since())
			}
		case run.EventMeasure:
			if e.Epochs == 0 {
				m.show("measuring the landscape", int64(e.Step), int64(e.Steps), func() string {
					return fmt.Sprintf("landscape: %d of %d points measured; %s", e.Step, e.Steps, since())
				})
				return
			}
			m.show(fmt.Sprintf("measuring paths, generation %d/%d", e.Epoch, e.Epochs), int64(e.Step), int64(e.Steps), func() string {
				return fmt.Sprintf("generation %d/%d: %d of %d paths measured; %s", e.Epoch, e.Epochs, e.Step, e.Steps, since())
			})
		case run.EventEnd:
			m.end()
		}
	}
}
