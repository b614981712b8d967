package evolve

import (
	"cmp"
	"fmt"
	"slices"
)

// Hypervolume is the exact area or volume, for 2 or 3 objectives, of what is at least as good as the reference point and
// no better than some of the values: the union of the boxes between each and the reference (Zitzler and Thiele 1998).
// Values that are not better than the reference everywhere add nothing.
//
// Points enter a staircase, the front of what has been seen in two objectives, in O(log n) and the moving of memory. For
// 2 objectives they enter in the order of the first one; for 3 in that of the third, and the area under the staircase is
// multiplied with the step to the next point.
func Hypervolume(values [][]float64, reference []float64, objectives []Objective) (float64, error) {
	if err := checkObjectives(objectives); err != nil {
		return 0, fmt.Errorf("hypervolume: %w", err)
	}
	if len(objectives) != 2 && len(objectives) != 3 {
		return 0, fmt.Errorf("hypervolume: expected 2 or 3 objectives, got %d", len(objectives))
	}
	measured := []Measured{{Values: reference}}
	for _, v := range values {
		measured = append(measured, Measured{Values: v})
	}
	all, err := costs(measured, objectives)
	if err != nil {
		return 0, fmt.Errorf("hypervolume (measurement 0 is the reference): %w", err)
	}
	corner := all[0].costs
	var inside [][]float64
	for _, p := range all[1:] {
		if insideCorner(p.costs, corner) {
			inside = append(inside, p.costs)
		}
	}
	solid, by := len(corner) == 3, 0
	if solid {
		by = 2
	}
	slices.SortFunc(inside, func(a, b []float64) int { return cmp.Compare(a[by], b[by]) })
	s := staircase{right: corner[0], top: corner[1]}
	volume, area := 0.0, 0.0
	for i, p := range inside {
		area += s.add(p[0], p[1])
		if solid {
			end := corner[2]
			if i+1 < len(inside) {
				end = inside[i+1][2]
			}
			volume += area * (end - p[2])
		}
	}
	if solid {
		return volume, nil
	}
	return area, nil
}

// insideCorner tells whether p is better than the corner everywhere.
func insideCorner(p, corner []float64) bool {
	for i, c := range corner {
		if p[i] >= c {
			return false
		}
	}
	return true
}

// staircase is a front of two costs below and left of a corner: x never falls, y never rises.
type staircase struct {
	right, top float64
	x, y       []float64
}

// add puts in a point, drops what it dominates, and returns by how much the dominated area grows.
func (s *staircase) add(x, y float64) float64 {
	from, _ := slices.BinarySearch(s.x, x)
	above := s.top
	if from > 0 {
		above = s.y[from-1]
	}
	if above <= y {
		return 0
	}
	gained, left, to := 0.0, x, from
	for ; to < len(s.x) && s.y[to] >= y; to++ {
		gained += (s.x[to] - left) * (above - y)
		left, above = s.x[to], s.y[to]
	}
	end := s.right
	if to < len(s.x) {
		end = s.x[to]
	}
	gained += (end - left) * (above - y)
	s.x, s.y = slices.Replace(s.x, from, to, x), slices.Replace(s.y, from, to, y)
	return gained
}
