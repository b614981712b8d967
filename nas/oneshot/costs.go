package oneshot

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/evolve"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Costs are the counts of a space's paths: in a chain each layer's choice adds its own.
type Costs struct {
	// first is the path of first choices, more what a choice adds to it: [layer][choice].
	first cost
	more  [][]cost
}

type cost struct{ macs, params int64 }

// CountPaths counts the blocks of a space at its image size: multiply-adds of convolutions and linear layers for one
// image, and all parameters.
func CountPaths(e *engine.Engine, p space.Paths) (Costs, error) {
	counter := nn.NewCounter(e.Backend())
	image := shapes.Make(dtypes.Float32, 1, p.Shared.Input[0], p.Shared.Input[1], p.Shared.Input[2])
	of := func(path []int) (cost, error) {
		m, err := p.Tree([][]int{path})
		if err != nil {
			return cost{}, err
		}
		c, err := counter.Count(m, image)
		return cost{c.MACs, int64(nn.Params(m.Specs()))}, err
	}
	path := make([]int, len(p.Layers))
	var c Costs
	var err error
	if c.first, err = of(path); err != nil {
		return c, fmt.Errorf("counting %s: %w", p.Name, err)
	}
	for l, choices := range p.Layers {
		c.more = append(c.more, make([]cost, len(choices)))
		for k := range choices {
			path[l] = k
			with, err := of(path)
			if err != nil {
				return c, fmt.Errorf("counting %s: %w", p.Name, err)
			}
			c.more[l][k] = cost{with.macs - c.first.macs, with.params - c.first.params}
		}
		path[l] = 0
	}
	return c, nil
}

// Of is the counts of a path.
func (c Costs) Of(path []int) (macs, params int64) {
	sum := c.first
	for l, k := range path {
		sum.macs, sum.params = sum.macs+c.more[l][k].macs, sum.params+c.more[l][k].params
	}
	return sum.macs, sum.params
}

// Within returns an error where no path of the space has at most so many multiply-adds; 0 is no bound.
func (c Costs) Within(macs int64) error {
	path := make([]int, len(c.more))
	for l, choices := range c.more {
		for k := range choices {
			if choices[k].macs < choices[path[l]].macs {
				path[l] = k
			}
		}
	}
	if least, _ := c.Of(path); macs > 0 && least > macs {
		return fmt.Errorf("config: evolution.max_macs: no path of the space keeps %d: the cheapest, choices %v, has %d multiply-adds", macs, path, least)
	}
	return nil
}

// AtMost bounds the multiply-adds of a path; 0 is no bound.
func (c Costs) AtMost(macs int64) Constraint {
	if macs == 0 {
		return nil
	}
	return func(path []int) float64 {
		of, _ := c.Of(path)
		return evolve.AtMost(float64(of), float64(macs))
	}
}
