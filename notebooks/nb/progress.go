package nb

import (
	"fmt"
	"html"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"github.com/gonas/gonas/nas/run"
)

// Times between two states of a progress: in a notebook they replace each other, elsewhere each is a line.
const (
	everyUpdate = 300 * time.Millisecond
	everyLine   = 5 * time.Second
)

// progress shows how far a run is. A notebook keeps only the last state, however many there were: a notebook that is run
// without anyone looking would store each line.
type progress struct {
	what, id string

	began, shown time.Time
	// from is the number of steps that were done before, done those since.
	from, done int
	// watched is the first of a step's values, series what it was so far.
	watched string
	series  []float64
	// standing is how the last epoch left the run.
	standing string
	broken   bool
}

func newProgress(what string) *progress { return &progress{what: what} }

// listen hears of a run's events.
func (p *progress) listen(e run.Event) {
	switch e.Kind {
	case run.EventStart:
		p.began, p.from = time.Now(), e.Epoch*e.Steps
		p.done, p.series, p.standing = 0, nil, ""
		if e.Epoch < e.Epochs {
			p.update(e)
		}
	case run.EventStep:
		p.done++
		if len(e.Values) > 0 {
			p.watched, p.series = e.Values[0].Name, append(p.series, e.Values[0].Number)
		}
		if p.due() {
			p.update(e)
		}
	case run.EventEpoch:
		p.standing = strings.Join(slices.DeleteFunc([]string{leading(e.Tables), rowText(e.Values)}, func(s string) bool { return s == "" }), "; ")
	case run.EventMeasure:
		if p.due() {
			p.measured(e)
		}
	}
}

// due tells whether it is time for another state.
func (p *progress) due() bool {
	every := everyLine
	if gonbui.IsNotebook {
		every = everyUpdate
	}
	return time.Since(p.shown) >= every
}

// update shows a state on the way.
func (p *progress) update(e run.Event) {
	done, all := p.from+p.done, e.Epochs*e.Steps
	head := []string{fmt.Sprintf("%s: %d of %d steps", p.what, done, all)}
	var rest []string
	if n := len(p.series); n > 0 {
		rest = append(rest, fmt.Sprintf("%s %.3f %s", spaced(p.watched), p.series[n-1], sparkline(p.series, 24)))
	}
	if p.standing != "" {
		rest = append(rest, p.standing)
	}
	if p.done > 1 {
		left := time.Duration(float64(time.Since(p.began)) / float64(p.done) * float64(all-done))
		head = append(head, left.Round(time.Second).String()+" left")
	} else {
		rest = append(rest, "the first step compiles what the cache does not hold")
	}
	p.state(done, all, head, rest)
}

// measured shows how many paths of a supernet are measured.
func (p *progress) measured(e run.Event) {
	head := p.what + ": "
	if e.Epochs > 1 {
		head += fmt.Sprintf("generation %d of %d, ", e.Epoch, e.Epochs)
	}
	what := "paths"
	if e.Epochs == 0 {
		what = "points of the landscape"
	}
	head += fmt.Sprintf("%d of %d %s measured", e.Step, e.Steps, what)
	var rest []string
	if p.standing != "" {
		rest = append(rest, p.standing)
	}
	p.state(max(e.Epoch-1, 0)*e.Steps+e.Step, max(e.Epochs, 1)*e.Steps, []string{head}, rest)
}

// state shows a bar with a line beside it and one below.
func (p *progress) state(done, all int, head, rest []string) {
	p.shown = time.Now()
	text := strings.Join(slices.Concat(head, rest), "; ")
	if !gonbui.IsNotebook {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	// Two lines from the first state on: nothing below jumps while the second one grows.
	p.replace(output{text: text, html: fmt.Sprintf(`<div><progress value="%d" max="%d"></progress> %s<br>%s</div>`, done, all,
		html.EscapeString(strings.Join(head, "; ")), html.EscapeString(strings.Join(rest, "; ")))})
}

// end shows the last state, which stays.
func (p *progress) end(how string) {
	text := p.what + ": " + how
	if !gonbui.IsNotebook {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	p.replace(output{text: text, html: "<div>" + html.EscapeString(text) + "</div>"})
}

// replace shows o in the place of the state before. A progress that cannot be shown is no reason to end a run.
func (p *progress) replace(o output) {
	if p.broken {
		return
	}
	if p.id == "" {
		p.id = "gonas-progress-" + gonbui.UniqueId()
	}
	o.id = p.id
	p.broken = show(o) != nil
}

// sparkline draws values as at most width blocks, each the mean of its share.
func sparkline(values []float64, width int) string {
	if len(values) < 2 {
		return ""
	}
	width = min(width, len(values))
	means := make([]float64, width)
	for i := range means {
		from, to := i*len(values)/width, (i+1)*len(values)/width
		for _, v := range values[from:to] {
			means[i] += v / float64(to-from)
		}
	}
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	low, high := slices.Min(means), slices.Max(means)
	var b strings.Builder
	for _, m := range means {
		at := 0
		if high > low {
			at = int((m - low) / (high - low) * float64(len(levels)-1))
		}
		b.WriteRune(levels[at])
	}
	return b.String()
}

// leading tells in how many rows of the tables the three strongest columns have the highest weight; nothing where no table
// has weights.
func leading(tables []run.Table) string {
	var names []string
	count := map[string]int{}
	for _, t := range tables {
		for row, weights := range t.Last().Weights {
			best := t.Ops(row)[slices.Index(weights, slices.Max(weights))]
			if count[best] == 0 {
				names = append(names, best)
			}
			count[best]++
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	var parts []string
	for _, name := range names[:min(3, len(names))] {
		parts = append(parts, fmt.Sprintf("%s %d", name, count[name]))
	}
	if parts == nil {
		return ""
	}
	return "edges led by " + strings.Join(parts, ", ")
}

// rowText is an epoch's row of the log, but for what says how long a run is and how fast it learns.
func rowText(row run.Values) string {
	var parts []string
	for _, v := range row {
		if !slices.Contains([]string{"epoch", "steps", "learning_rate"}, v.Name) {
			parts = append(parts, spaced(v.Name)+" "+fraction(v.Number, 64))
		}
	}
	return strings.Join(parts, ", ")
}

// spaced is a column's name for people.
func spaced(name string) string { return strings.ReplaceAll(name, "_", " ") }
