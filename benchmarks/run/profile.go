package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gonas/gonas/nas/engine"
)

// phase is a part of a step, in the order in which they follow each other.
type phase int

const (
	passes phase = iota
	reading
	update
	freeing
	phases
)

// recorder notes the calls of executables in the steps it sees, and when each phase of a step ended. A nil one notes
// nothing.
type recorder struct {
	mu    sync.Mutex
	calls []engine.Call
	steps []stepMarks
	parts int
}

// stepMarks are when a step, or a part of it with phases of its own, began and when its phases ended.
type stepMarks struct {
	begin time.Time
	ends  [phases]time.Time
}

// newRecorder observes the engine; parts is how often a step begins.
func newRecorder(e *engine.Engine, parts int) *recorder {
	r := &recorder{parts: parts}
	e.Observe(func(c engine.Call) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, c)
	})
	return r
}

func (r *recorder) begin() {
	if r != nil {
		r.steps = append(r.steps, stepMarks{begin: time.Now()})
	}
}

func (r *recorder) mark(p phase) {
	if r != nil {
		r.steps[len(r.steps)-1].ends[p] = time.Now()
	}
}

// profile is where a step's time goes. All times are seconds a step, means over the steps.
type profile struct {
	// Wall is a step's time, the sum of Planning (from its beginning to the first call of an executable), Passes
	// (forward and backward), Reading (of losses), Update (by the optimizer) and Freeing.
	Wall     float64 `json:"wall_s"`
	Planning float64 `json:"planning_s"`
	Passes   float64 `json:"passes_s"`
	Reading  float64 `json:"reading_s"`
	Update   float64 `json:"update_s"`
	Freeing  float64 `json:"freeing_s"`
	// Busy is how much of Passes and of Update that many executables ran at once: none, one, two and so on.
	BusyPasses []float64 `json:"passes_by_executables_at_once_s"`
	BusyUpdate []float64 `json:"update_by_executables_at_once_s"`
	// Rows are the executables, each on its own thread, the most expensive first.
	Rows []profileRow `json:"executables"`
}

// profileRow is the calls of executables of one name.
type profileRow struct {
	// Kind is forward, gradient, update and so on; Block is what it is of.
	Kind    string  `json:"kind"`
	Block   string  `json:"block"`
	Calls   float64 `json:"calls"`
	Seconds float64 `json:"seconds"`
}

// profile puts together what was noted.
func (r *recorder) profile() *profile {
	p := &profile{}
	share := float64(r.parts) / float64(len(r.steps))
	add := func(to *float64, d time.Duration) { *to += share * d.Seconds() }
	for _, s := range r.steps {
		first := s.ends[passes]
		for _, c := range r.calls {
			if c.Begin.After(s.begin) && c.Begin.Before(first) {
				first = c.Begin
			}
		}
		add(&p.Wall, s.ends[freeing].Sub(s.begin))
		add(&p.Planning, first.Sub(s.begin))
		add(&p.Passes, s.ends[passes].Sub(first))
		add(&p.Reading, s.ends[reading].Sub(s.ends[passes]))
		add(&p.Update, s.ends[update].Sub(s.ends[reading]))
		add(&p.Freeing, s.ends[freeing].Sub(s.ends[update]))
		p.BusyPasses = addBusy(p.BusyPasses, share, r.calls, first, s.ends[passes])
		p.BusyUpdate = addBusy(p.BusyUpdate, share, r.calls, s.ends[reading], s.ends[update])
	}
	at := map[[2]string]int{}
	for _, c := range r.calls {
		kind, block := describeKey(c.Key)
		key := [2]string{kind, block}
		i, ok := at[key]
		if !ok {
			i, at[key] = len(p.Rows), len(p.Rows)
			p.Rows = append(p.Rows, profileRow{Kind: kind, Block: block})
		}
		p.Rows[i].Calls += share
		add(&p.Rows[i].Seconds, c.End.Sub(c.Begin))
	}
	slices.SortStableFunc(p.Rows, func(a, b profileRow) int {
		return cmp.Or(-cmp.Compare(a.Seconds, b.Seconds), cmp.Compare(a.Block, b.Block), cmp.Compare(a.Kind, b.Kind))
	})
	return p
}

// addBusy adds to busy[n], times share, how long n calls ran at once between two moments.
func addBusy(busy []float64, share float64, calls []engine.Call, from, to time.Time) []float64 {
	type change struct {
		at time.Time
		by int
	}
	changes := []change{{to, 0}}
	for _, c := range calls {
		if c.End.After(from) && c.Begin.Before(to) {
			changes = append(changes, change{c.Begin, 1}, change{c.End, -1})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	n, last := 0, from
	for _, c := range changes {
		if c.at.After(last) && !c.at.After(to) {
			for len(busy) <= n {
				busy = append(busy, 0)
			}
			busy[n] += share * c.at.Sub(last).Seconds()
			last = c.at
		}
		n += c.by
	}
	return busy
}

// bottleneckKey finds an inverted bottleneck and the side of its images in an executable's key.
var bottleneckKey = regexp.MustCompile(`bottleneck\|.* In:(\d+) Hidden:(\d+) Out:(\d+) Kernel:(\d+) Stride:(\d+) .*?\[\d+, (\d+), `)

// describeKey splits an executable's key into kind and block, in words where it is a bottleneck.
func describeKey(key string) (kind, block string) {
	name, _, _ := strings.Cut(key, ";")
	kind, rest, _ := strings.Cut(name, "|")
	if m := bottleneckKey.FindStringSubmatch(key); m != nil {
		return kind, fmt.Sprintf("%s×%s, %s→%s→%s, stride %s, %s×%s", m[4], m[4], m[1], m[2], m[3], m[5], m[6], m[6])
	}
	if kind == "forward" || kind == "gradient" {
		// The signature alone, neither mode nor what is wanted; a bar would end the cell of a table.
		block, _, _ = strings.Cut(rest, "|{")
		return kind, strings.Join(strings.FieldsFunc(block, func(r rune) bool { return r == '|' }), " ")
	}
	return kind, "weights"
}
