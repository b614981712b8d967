package latency

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/rank"
	"github.com/gonas/gonas/nas/space"
)

// CheckOptions say what [Check] times.
type CheckOptions struct {
	// Networks is the number of different random paths, at least 2.
	Networks int
	// Repeats is how often each is timed; 0 is [DefaultRepeats].
	Repeats int
	// Seed gives paths, weights and images.
	Seed uint64
}

// Checked is a table's sums beside what whole networks take, in milliseconds.
type Checked struct {
	Networks []CheckedNetwork `json:"networks"`
	// Tau is Kendall's tau-b and Spearman the rank correlation of sums and times.
	Tau      float64 `json:"tau_b"`
	Spearman float64 `json:"spearman"`
	// AsSummed is how far the sums are off as they are.
	AsSummed Deviation `json:"as_summed"`
	// Factor times a sum is the time with the least squared error, and Scaled how far that is off: calls of blocks one by
	// one take longer than one call of the network, or shorter, where their data stay in caches.
	Factor float64   `json:"factor"`
	Scaled Deviation `json:"scaled"`
}

// CheckedNetwork is one path.
type CheckedNetwork struct {
	Code string `json:"code"`
	// Sum is that of the table, Timed the median of the calls of the whole network, Spread their interquartile range.
	Sum    float64 `json:"sum_ms"`
	Timed  float64 `json:"timed_ms"`
	Spread float64 `json:"spread_ms"`
}

// Deviation is the mean of the absolute errors, in milliseconds and in percent of the times.
type Deviation struct {
	MS      float64 `json:"ms"`
	Percent float64 `json:"percent"`
}

// Check times whole networks of random paths of a space, each compiled as one program, as [Measure] times blocks, and
// compares them with the table's sums.
func Check(ctx context.Context, e *engine.Engine, t Table, p space.Paths, o CheckOptions, progress Progress) (c Checked, err error) {
	sums, err := t.Sums(p)
	if err != nil {
		return c, err
	}
	if o.Networks < 2 {
		return c, fmt.Errorf("checking %s: networks: expected at least 2, got %d", p.Name, o.Networks)
	}
	paths, err := RandomPaths(p, o.Networks, o.Seed)
	if err != nil {
		return c, err
	}
	s := stopwatch{engine: e, seed: o.Seed, progress: progress}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, path := range paths {
		a, err := p.Network(path)
		if err != nil {
			return c, err
		}
		m, err := space.Network(a, space.NetworkOptions{})
		if err != nil {
			return c, err
		}
		code := p.Code(path)
		s.programs = append(s.programs, program{name: code, module: m, in: a.Input, out: [3]int{1, 1, a.Classes}})
		c.Networks = append(c.Networks, CheckedNetwork{Code: code, Sum: sums.Of(path)})
	}
	times, err := s.times(ctx, o.Repeats)
	if err != nil {
		return c, fmt.Errorf("checking %s: %w", p.Name, err)
	}
	for i := range c.Networks {
		c.Networks[i].Timed, c.Networks[i].Spread = spreadOf(times[i])
	}
	return c, c.compare()
}

// RandomPaths are n different paths of a space, drawn uniformly; equal seeds give equal paths.
func RandomPaths(p space.Paths, n int, seed uint64) ([][]int, error) {
	if n < 1 || p.Size().Cmp(big.NewInt(int64(n))) < 0 {
		return nil, fmt.Errorf("random paths of %s: expected from 1 to the %s that there are, got %d", p.Name, p.Size(), n)
	}
	random, seen := rand.New(rand.NewPCG(seed, 1)), map[string]bool{}
	var paths [][]int
	for len(paths) < n {
		path := make([]int, len(p.Layers))
		for l, choices := range p.Layers {
			path[l] = random.IntN(len(choices))
		}
		if code := p.Code(path); !seen[code] {
			seen[code] = true
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// compare fills in what the networks say together.
func (c *Checked) compare() (err error) {
	var summed, timed []float64
	var products, squares float64
	for _, n := range c.Networks {
		summed, timed = append(summed, n.Sum), append(timed, n.Timed)
		products += n.Sum * n.Timed
		squares += n.Sum * n.Sum
	}
	if c.Tau, err = rank.TauB(summed, timed); err != nil {
		return err
	}
	if c.Spearman, err = rank.Spearman(summed, timed); err != nil {
		return err
	}
	c.Factor = products / squares
	c.AsSummed, c.Scaled = c.deviation(1), c.deviation(c.Factor)
	return nil
}

func (c *Checked) deviation(factor float64) (d Deviation) {
	for _, n := range c.Networks {
		off := math.Abs(factor*n.Sum-n.Timed) / float64(len(c.Networks))
		d.MS += off
		d.Percent += 100 * off / n.Timed
	}
	return d
}
