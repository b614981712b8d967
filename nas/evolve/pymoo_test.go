package evolve

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is testdata/pymoo.json, which testdata/pymoo_reference.py wrote.
type golden struct {
	Hypervolumes []struct {
		Points      [][]float64
		Hypervolume float64
	}
	Sorts []struct {
		Points [][]float64
		Fronts [][]int
	}
	Crowding []struct {
		Points    [][]float64
		Distances []float64
	}
	Problems []struct {
		Name      string
		X, Values [][]float64
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/pymoo.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

// minimise are objectives named by their number.
func minimise(n int) []Objective {
	objectives := make([]Objective, n)
	for i := range objectives {
		objectives[i] = Objective{Name: string(rune('a' + i)), Direction: Minimise}
	}
	return objectives
}

func measurements(points [][]float64) []Measured {
	out := make([]Measured, len(points))
	for i, p := range points {
		out[i].Values = p
	}
	return out
}

func TestHypervolumeAgainstPymoo(t *testing.T) {
	cases := readGolden(t).Hypervolumes
	require.Len(t, cases, 10)
	for _, c := range cases {
		n := len(c.Points[0])
		got, err := Hypervolume(c.Points, []float64{1, 1, 1}[:n], minimise(n))
		require.NoError(t, err)
		assert.InDelta(t, c.Hypervolume, got, 1e-12, "%d points of %d objectives", len(c.Points), n)
	}
}

func TestFrontsAgainstPymoo(t *testing.T) {
	cases := readGolden(t).Sorts
	require.Len(t, cases, 2)
	for _, c := range cases {
		got, err := Fronts(measurements(c.Points), minimise(len(c.Points[0])))
		require.NoError(t, err)
		assert.Equal(t, c.Fronts, got)
	}
}

func TestCrowdingAgainstPymoo(t *testing.T) {
	cases := readGolden(t).Crowding
	require.Len(t, cases, 2)
	for _, c := range cases {
		got, err := Crowding(measurements(c.Points), minimise(len(c.Points[0])), nil)
		require.NoError(t, err)
		for i, want := range c.Distances {
			if want < 0 {
				assert.True(t, math.IsInf(float64(got[i]), 1), "point %d", i)
				continue
			}
			assert.InDelta(t, want, float64(got[i]), 1e-12, "point %d", i)
		}
	}
}

func TestProblemsAgainstPymoo(t *testing.T) {
	cases := readGolden(t).Problems
	require.Len(t, cases, len(Problems()))
	for _, c := range cases {
		p, err := LookupProblem(c.Name)
		require.NoError(t, err)
		got, err := p.Evaluate(t.Context(), c.X)
		require.NoError(t, err)
		for i := range c.X {
			assert.InDeltaSlice(t, c.Values[i], got[i].Values, 1e-12, "%s, point %d", c.Name, i)
		}
	}
}
