package nb

import (
	"fmt"
	"html"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"github.com/gonas/gonas/nas/search"
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
	// ops are the operations of an edge, nil for what has none.
	ops []string

	began, shown time.Time
	// from is the number of steps that were done before.
	from   int
	losses []float64
	// accuracies are the mean accuracies of a supernet's paths, by epoch.
	accuracies []float64
	// standing is how the last epoch left the search.
	standing string
	broken   bool
}

func newProgress(what string, ops []string) *progress { return &progress{what: what, ops: ops} }

// listen hears of a run's events.
func (p *progress) listen(e search.Event) {
	switch e.Kind {
	case search.EventStart:
		p.began, p.from = time.Now(), e.Epoch*e.Steps
		p.losses, p.accuracies, p.standing = nil, nil, ""
		if e.Epoch < e.Epochs {
			p.update(e)
		}
	case search.EventStep:
		p.losses = append(p.losses, e.TrainLoss)
		if p.due() {
			p.update(e)
		}
	case search.EventEpoch:
		switch {
		case e.Alphas != nil:
			p.standing = leading(p.ops, slices.Concat(e.Alphas.NormalWeights, e.Alphas.ReduceWeights))
		case e.Paths != nil:
			p.accuracies = append(p.accuracies, e.Paths.TrainAccuracy)
			p.standing = strings.TrimSpace(pathAccuracy(*e.Paths) + " " + sparkline(p.accuracies, 24))
		}
	case search.EventMeasure:
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
func (p *progress) update(e search.Event) {
	done, all := p.from+len(p.losses), e.Epochs*e.Steps
	head := []string{fmt.Sprintf("%s: %d of %d steps", p.what, done, all)}
	var rest []string
	if n := len(p.losses); n > 0 {
		rest = append(rest, fmt.Sprintf("loss %.3f %s", p.losses[n-1], sparkline(p.losses, 24)))
	}
	if p.standing != "" {
		rest = append(rest, p.standing)
	}
	if n := len(p.losses); n > 1 {
		left := time.Duration(float64(time.Since(p.began)) / float64(n) * float64(all-done))
		head = append(head, left.Round(time.Second).String()+" left")
	} else {
		rest = append(rest, "the first step compiles what the cache does not hold")
	}
	p.state(done, all, head, rest)
}

// measured shows how many paths of a supernet are measured.
func (p *progress) measured(e search.Event) {
	head := p.what + ": "
	if e.Epochs > 1 {
		head += fmt.Sprintf("generation %d of %d, ", e.Epoch, e.Epochs)
	}
	head += fmt.Sprintf("%d of %d paths measured", e.Step, e.Steps)
	var rest []string
	if p.standing != "" {
		rest = append(rest, p.standing)
	}
	p.state(max(e.Epoch-1, 0)*e.Steps+e.Step, e.Epochs*e.Steps, []string{head}, rest)
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

// leading tells on how many edges the three strongest operations lead, by weights [edge][operation].
func leading(ops []string, weights [][]float64) string {
	count := make([]int, len(ops))
	for _, edge := range weights {
		if len(edge) == len(ops) && len(ops) > 0 {
			count[slices.Index(edge, slices.Max(edge))]++
		}
	}
	order := make([]int, len(ops))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return count[b] - count[a] })
	var parts []string
	for _, i := range order[:min(3, len(order))] {
		if count[i] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", ops[i], count[i]))
		}
	}
	if parts == nil {
		return ""
	}
	return "edges led by " + strings.Join(parts, ", ")
}
