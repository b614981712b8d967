package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// mark ends phases, several at once where they cannot be told apart.
func (r *recorder) mark(list ...phase) {
	if r == nil {
		return
	}
	now := time.Now()
	for _, p := range list {
		r.steps[len(r.steps)-1].ends[p] = now
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
	part := float64(r.parts) / float64(len(r.steps))
	add := func(to *float64, d time.Duration) { *to += part * d.Seconds() }
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
		p.BusyPasses = addBusy(p.BusyPasses, part, r.calls, first, s.ends[passes])
		p.BusyUpdate = addBusy(p.BusyUpdate, part, r.calls, s.ends[reading], s.ends[update])
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
		p.Rows[i].Calls += part
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
var bottleneckKey = regexp.MustCompile(`bottleneck\|.* In:(\d+) Hidden:(\d+) Out:(\d+) Kernel:\[(\d+) \d+\] Stride:(\d+) .*?\[\d+, (\d+), `)

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

// milliseconds and share print seconds in tables of a profile.
func milliseconds(seconds float64) string { return fmt.Sprintf("%.1f", 1000*seconds) }
func share(seconds, of float64) string    { return fmt.Sprintf("%.1f %%", 100*seconds/of) }

// clock is the profile by the clock; planned says whose planning comes before the first executable. Phases that were not
// told apart are left out.
func (p profile) clock(planned string) string {
	busy := func(list []float64) string {
		var parts []string
		for n, s := range list {
			parts = append(parts, fmt.Sprintf("%d at once %s ms", n, milliseconds(s)))
		}
		return "executables: " + strings.Join(parts, ", ")
	}
	row := func(what string, seconds float64, note string) []string {
		return []string{what, milliseconds(seconds), share(seconds, p.Wall), note}
	}
	rows := [][]string{row("planning: "+planned+", until the first executable runs", p.Planning, "")}
	if p.Update > 0 {
		rows = append(rows, row("forward and gradients", p.Passes, busy(p.BusyPasses)), row("reading losses", p.Reading, ""),
			row("optimizer", p.Update, busy(p.BusyUpdate)))
	} else {
		rows = append(rows, row("forward and gradients, reading losses, optimizer", p.Passes, busy(p.BusyPasses)))
	}
	rows = append(rows, row("freeing", p.Freeing, ""), []string{"step", milliseconds(p.Wall), "", ""})
	return "Of a process of its own after the timed ones, means over its steps. By the clock:\n\n" + table([]string{"", "ms", "of the step", ""}, rows)
}

// seconds are those of all executables together.
func (p profile) seconds() (total float64) {
	for _, r := range p.Rows {
		total += r.Seconds
	}
	return total
}

// executables is the profile by kind of executable and by what group makes of the block.
func (p profile) executables(group func(block string) string) string {
	groups, order := map[string]profileRow{}, []string{}
	for _, r := range p.Rows {
		name := r.Kind + " of " + group(r.Block)
		g, ok := groups[name]
		if !ok {
			order = append(order, name)
		}
		groups[name] = profileRow{Calls: g.Calls + r.Calls, Seconds: g.Seconds + r.Seconds}
	}
	slices.SortStableFunc(order, func(x, y string) int { return cmp.Compare(groups[y].Seconds, groups[x].Seconds) })
	total := p.seconds()
	var rows [][]string
	for _, name := range order {
		g := groups[name]
		rows = append(rows, []string{name, fmt.Sprintf("%.0f", g.Calls), milliseconds(g.Seconds), share(g.Seconds, total)})
	}
	rows = append(rows, []string{"all", "", milliseconds(total), ""})
	return "\nBy executable, each on its own thread (a gradient runs its block's forward again):\n\n" + table([]string{"", "calls", "ms", "of all"}, rows)
}

// bottleneckName is what describeKey calls an inverted bottleneck.
var bottleneckName = regexp.MustCompile(`^(\d)×\d, (\d+)→(\d+)→(\d+), (.*)$`)

// bottlenecks is the profile of inverted bottlenecks by layer and choice, empty where there is none.
func (p profile) bottlenecks() string {
	type cell struct{ forward, gradient float64 }
	layers, choices := []string{}, []string{}
	cells := map[[2]string]cell{}
	for _, r := range p.Rows {
		m := bottleneckName.FindStringSubmatch(r.Block)
		if m == nil {
			continue
		}
		in, _ := strconv.Atoi(m[2])
		hidden, _ := strconv.Atoi(m[3])
		layer, choice := fmt.Sprintf("%s→%s, %s", m[2], m[4], m[5]), fmt.Sprintf("%d·in, %s×%s", hidden/in, m[1], m[1])
		layers, choices = append(layers, layer), append(choices, choice)
		c := cells[[2]string{layer, choice}]
		if r.Kind == "forward" {
			c.forward += r.Seconds
		} else {
			c.gradient += r.Seconds
		}
		cells[[2]string{layer, choice}] = c
	}
	if len(layers) == 0 {
		return ""
	}
	for _, list := range []*[]string{&layers, &choices} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	// The first layers come first: larger images, then fewer channels.
	slices.SortStableFunc(layers, func(x, y string) int { return layerKey(x) - layerKey(y) })
	total := p.seconds()
	var rows [][]string
	for _, layer := range layers {
		row, sum := []string{layer}, 0.0
		for _, choice := range choices {
			c := cells[[2]string{layer, choice}]
			sum += c.forward + c.gradient
			row = append(row, milliseconds(c.forward)+" + "+milliseconds(c.gradient))
		}
		rows = append(rows, append(row, milliseconds(sum), share(sum, total)))
	}
	headings := append(append([]string{"layer"}, choices...), "ms", "of all")
	return "\nBottlenecks, forward + gradient in ms, by layer (channels, stride, side of its images) and choice (expansion, kernel):\n\n" + table(headings, rows)
}

// layerKey orders names of layers.
func layerKey(layer string) int {
	var in, out, stride, side int
	_, _ = fmt.Sscanf(strings.ReplaceAll(layer, ",", ""), "%d→%d stride %d %d", &in, &out, &stride, &side)
	return -1000000*side + 1000*in + out
}
