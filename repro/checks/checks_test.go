package checks

import (
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/oneshot"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// TestNames refuses a name that two papers' files have.
func TestNames(t *testing.T) {
	names := Names()
	assert.Equal(t, names, slices.Compact(slices.Clone(names)), "a name is there twice")
	assert.True(t, slices.IsSorted(names))
	for _, paper := range papers {
		assert.NotEmpty(t, paper)
	}
}

// TestEveryCheckExists also makes sure that no check is left over.
func TestEveryCheckExists(t *testing.T) {
	all, err := claims.All()
	require.NoError(t, err)
	used := map[string]bool{}
	for _, c := range all {
		for _, p := range c.Assertions() {
			if p.Measure == nil || p.Measure.Check == "" {
				continue
			}
			used[p.Measure.Check] = true
			_, err := Run(p.Measure.Check, p.Printed, p.Unit)
			assert.NoError(t, err, "%s %s", c.ID, p.Name)
		}
	}
	for _, name := range Names() {
		assert.True(t, used[name], "no record names the check %q", name)
	}
	for _, name := range []string{"none", "count none: all parameters", "count scarlet-a: all", "operations none: identity", "operations nasbench201-0: none"} {
		_, err := Run(name, "1", "")
		assert.Error(t, err, name)
	}
}

// TestEveryCheckedRecord decides each record that arithmetic decides: reproduced, or inconsistent where it says so.
func TestEveryCheckedRecord(t *testing.T) {
	all, err := claims.All()
	require.NoError(t, err)
	decided := 0
	for _, c := range all {
		var measured []verdict.Measured
		for _, p := range c.Assertions() {
			m := verdict.Measured{Missing: "runs"}
			if p.Measure != nil && p.Measure.Check != "" {
				m.Checks, err = Run(p.Measure.Check, p.Printed, p.Unit)
				require.NoError(t, err, "%s %s", c.ID, p.Name)
			}
			measured = append(measured, m)
		}
		v, err := verdict.Decide(c, profile.Smoke, measured)
		require.NoError(t, err)
		parts := v.Parts
		if len(parts) == 0 {
			parts = []verdict.Verdict{v}
		}
		for i, p := range c.Assertions() {
			if p.Measure == nil || p.Measure.Check == "" {
				continue
			}
			decided++
			want := verdict.Reproduced
			if p.Inconsistent != "" {
				want = verdict.PublishedInconsistently
			}
			assert.Equal(t, want, parts[i].Status, "%s %s: %s", c.ID, p.Name, parts[i].Reason)
		}
	}
	assert.Greater(t, decided, 100)
}

func TestChecksHold(t *testing.T) {
	for name, f := range fairDARTS {
		t.Run(name, func(t *testing.T) {
			all, err := f("")
			require.NoError(t, err)
			require.NotEmpty(t, all)
			for _, c := range all {
				if name == "fairdarts_mean_macs" { // printed cut, not rounded
					assert.InDelta(t, 457.857142857, c.Got, 1e-9)
				}
				if c.Want == "0" {
					assert.InDelta(t, 0, c.Got, 1e-9, c.Name)
				}
			}
		})
	}
	all, err := fairDARTSParse()
	require.NoError(t, err)
	assert.Len(t, all, 12)
	all, err = fairDARTSAlgebra()
	require.NoError(t, err)
	assert.Len(t, all, 15)
}

// TestChecksCanFail makes sure that the measures of error see an error.
func TestChecksCanFail(t *testing.T) {
	a, b := arch.Edge{Op: "a", From: 0, To: 2}, arch.Edge{Op: "b", From: 0, To: 2}
	assert.Equal(t, 0, differ([]arch.Edge{a, b}, []arch.Edge{a, b}))
	assert.Equal(t, 2, differ([]arch.Edge{a, b}, []arch.Edge{b, a}))
	assert.Equal(t, 3, differ([]arch.Edge{a}, []arch.Edge{b, a, b}))
	assert.Equal(t, 2.0, largest([]float64{1, -2}))
	assert.True(t, math.IsNaN(largest([]float64{1, math.NaN(), 2})))

	// An operation that takes from its neighbour shows, by how much.
	exclusive := diff.Method{Name: "exclusive", Relax: func(_ int, alpha *graph.Node, _ []*graph.Node) *graph.Node {
		return graph.Sub(alpha, graph.MulScalar(graph.Concatenate([]*graph.Node{
			graph.Slice(alpha, graph.AxisRange(), graph.AxisRange(1)), graph.Slice(alpha, graph.AxisRange(), graph.AxisRange(0, 1))}, 1), 0.25))
	}}
	got, err := couplings(exclusive, func(_, _ float64) float64 { return 0 })
	require.NoError(t, err)
	assert.InDelta(t, 0.25, got, 1e-9)

	// A loss of another weight or form is another loss.
	c := unweighted(fairdarts.L2)
	loss, gradient, err := penalty(c, slices.Repeat([]float64{0.5}, 196))
	require.NoError(t, err)
	c.ZeroOneWeight = 3
	tripled, third, err := penalty(c, slices.Repeat([]float64{0.5}, 196))
	require.NoError(t, err)
	assert.InDelta(t, 3*loss, tripled, 1e-12)
	assert.InDelta(t, 3*gradient[7], third[7], 1e-12)
	assert.Greater(t, math.Abs(gradient[7]), 1e-4)
}

// TestNoPlugin makes the checks that compute in a process that can load no plug-in.
func TestNoPlugin(t *testing.T) {
	const child = "GONAS_CHECKS_CHILD"
	if os.Getenv(child) != "" {
		for _, name := range []string{"fairdarts_loss_algebra", "fairdarts_parse"} {
			_, err := Run(name, "", "")
			require.NoError(t, err)
		}
		return
	}
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program, "-test.run", "^TestNoPlugin$")
	command.Env = append(os.Environ(), child+"=1", backend.EnvBackend+"=xla:/no/such/plugin.so")
	output, err := command.CombinedOutput()
	assert.NoError(t, err, string(output))
}

func TestTau(t *testing.T) {
	a := []float64{1, 2, 3, 4}
	assert.InDelta(t, 1, tau(a, a), 1e-12)
	assert.InDelta(t, -1, tau(a, []float64{4, 3, 2, 1}), 1e-12)
	assert.InDelta(t, 5/math.Sqrt(6*5), tau(a, []float64{1, 1, 2, 3}), 1e-12)
	for pairs := range 79 {
		assert.InDelta(t, 1-2*float64(pairs)/78, tau(swapped(models, pairs)), 1e-12)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		count   int64
		printed string
		want    bool
	}{{3_257_108, "3.25", true}, {3_257_108, "3.26", true}, {3_257_108, "3.24", false}, {534_000_000, "534", true}, {533_999_000, "533", true}, {1, "one", false}} {
		assert.Equal(t, c.want, fits(c.count, c.printed), "%d %s", c.count, c.printed)
	}
}

func TestSmallSpaces(t *testing.T) {
	assert.Equal(t, 1, sets(1, 3))
	assert.Equal(t, 2, sets(2, 2))
	assert.InDelta(t, 0.5, fairnas.EqualProbability(2, 2), 1e-12)
	assert.Equal(t, 8, draws(3, 2, func(counts []int) { assert.Len(t, counts, 2) }))
	assert.Equal(t, 4096.0, power(2, 12))
}

// TestUnfairSampling makes sure that the counts of updates see ways of sampling that are not fair.
func TestUnfairSampling(t *testing.T) {
	for sampling, want := range map[string]int{oneshot.Strict: 0, oneshot.Uniform: 19, oneshot.Expectation: 19} {
		uneven := 0
		sampled(sampling, 1, func(_ int, updates []int) {
			if slices.Max(updates) != slices.Min(updates) {
				uneven++
			}
		})
		assert.InDelta(t, want, uneven, 2, sampling)
	}
}

// TestPrinted refuses what prints no number.
func TestPrinted(t *testing.T) {
	for claim, part := range map[string]string{"p-none": "", "mg-A": "none", "akws-v1": "parameters"} {
		_, err := printed(claim, part)
		assert.ErrorContains(t, err, claim)
	}
	x, err := printed("rome-t2-v2-avg", "error")
	require.NoError(t, err)
	assert.Equal(t, 2.58, x)
}
