package rank

import (
	"cmp"
	"math"
	"slices"
)

// pairs are two lists reduced to what tau-b depends on: the order of x and the places of y among its different values.
type pairs struct {
	// rows are indices of the lists by rising x.
	rows []int
	// xs and ys number the different values from 0, by index of the lists.
	xs, ys []int
	// below counts, as a Fenwick tree over ys, the rows with smaller x.
	below []int64
	// ties counts the rows of each value of y.
	ties []int64
}

func newPairs(x, y []float64) *pairs {
	p := &pairs{rows: sorted(x)}
	p.xs, _ = numbered(x, p.rows)
	var different int
	p.ys, different = numbered(y, sorted(y))
	p.below, p.ties = make([]int64, different+1), make([]int64, different)
	return p
}

// sorted are the indices of x by rising value.
func sorted(x []float64) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(a, b)) })
	return order
}

// numbered replaces values by the numbers of the different ones, from 0.
func numbered(x []float64, order []int) (numbers []int, different int) {
	numbers = make([]int, len(x))
	for i, at := range order {
		if i > 0 && x[at] != x[order[i-1]] {
			different++
		}
		numbers[at] = different
	}
	return numbers, different + 1
}

// tauB counts row i as often as times says (nil: once), which spares a bootstrap sample its sorting. It is NaN if either
// side has a single value.
func (p *pairs) tauB(times []int64) float64 {
	clear(p.below)
	clear(p.ties)
	weight := func(row int) int64 {
		if times == nil {
			return 1
		}
		return times[row]
	}
	var n, balance, tiedX int64
	for from := 0; from < len(p.rows); {
		// Rows of equal x are compared with those of smaller x only.
		to, group := from, int64(0)
		for ; to < len(p.rows) && p.xs[p.rows[to]] == p.xs[p.rows[from]]; to++ {
			row := p.rows[to]
			w, y := weight(row), p.ys[row]
			if w > 0 {
				smaller, larger := p.count(y), n-p.count(y+1)
				balance += w * (smaller - larger)
				group += w
			}
		}
		for _, row := range p.rows[from:to] {
			if w := weight(row); w > 0 {
				p.add(p.ys[row], w)
				p.ties[p.ys[row]] += w
			}
		}
		n += group
		tiedX += group * (group - 1) / 2
		from = to
	}
	var tiedY int64
	for _, t := range p.ties {
		tiedY += t * (t - 1) / 2
	}
	all := n * (n - 1) / 2
	// Two roots, since the product of the factors may exceed the integers; they may round to slightly more than 1.
	tau := float64(balance) / (math.Sqrt(float64(all-tiedX)) * math.Sqrt(float64(all-tiedY)))
	return max(-1, min(1, tau))
}

// count is the number of counted rows whose y is smaller than value number y.
func (p *pairs) count(y int) (n int64) {
	for ; y > 0; y &= y - 1 {
		n += p.below[y]
	}
	return n
}

func (p *pairs) add(y int, n int64) {
	for i := y + 1; i < len(p.below); i += i & -i {
		p.below[i] += n
	}
}
