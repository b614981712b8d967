package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/gonas/gonas/nas/search"
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

// searchEpoch tells of an epoch of a search.
func searchEpoch(s search.EpochStats) string {
	return fmt.Sprintf("loss %.4f, accuracy %.3f on the weights' half; %.4f, %.3f on the architecture's; skips %d+%d",
		s.TrainLoss, s.TrainAccuracy, s.ValLoss, s.ValAccuracy, s.SkipsNormal, s.SkipsReduce)
}

// trainEpoch tells of an epoch of a training.
func trainEpoch(s search.EpochStats) string {
	return fmt.Sprintf("loss %.4f, accuracy %.3f, rate %.4g", s.TrainLoss, s.TrainAccuracy, s.LearningRate)
}

// showProgress shows a run's events: a bar over all steps on a terminal, elsewhere a line an epoch.
func showProgress(w io.Writer, epoch func(search.EpochStats) string) search.Listener {
	bar, began := newMeter(w), time.Now()
	return func(e search.Event) {
		switch e.Kind {
		case search.EventStart:
			if e.Epoch < e.Epochs {
				fmt.Fprintf(w, "%d epochs of %d steps, from epoch %d on; the first step compiles what the cache does not hold\n", e.Epochs, e.Steps, e.Epoch+1)
			}
		case search.EventStep:
			if bar.isTTY {
				bar.show("running", int64((e.Epoch-1)*e.Steps+e.Step), int64(e.Epochs*e.Steps), nil)
				bar.bar.Describe(fmt.Sprintf("epoch %d/%d loss %.3f", e.Epoch, e.Epochs, e.TrainLoss))
			}
		case search.EventEpoch:
			if !bar.isTTY {
				text := epoch(*e.Stats)
				if p := e.Paths; p != nil {
					text = fmt.Sprintf("loss %.4f, accuracy %.3f of a path, %.3f to %.3f", p.TrainLoss, p.TrainAccuracy, p.Lowest, p.Highest)
				}
				fmt.Fprintf(w, "epoch %d/%d: %s; %s\n", e.Epoch, e.Epochs, text, time.Since(began).Round(100*time.Millisecond))
			}
		case search.EventMeasure:
			bar.show(fmt.Sprintf("measuring paths, generation %d/%d", e.Epoch, e.Epochs), int64(e.Step), int64(e.Steps), func() string {
				return fmt.Sprintf("generation %d/%d: %d of %d paths measured; %s", e.Epoch, e.Epochs, e.Step, e.Steps, time.Since(began).Round(100*time.Millisecond))
			})
		case search.EventEnd:
			bar.end()
		}
	}
}
