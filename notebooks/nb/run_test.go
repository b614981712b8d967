package nb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runfolder"
)

// evidenceFolder holds verdicts of all claims without any run.
func evidenceFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	_, err := repro.Decide(dir, claims.Quick)
	require.NoError(t, err)
	return dir
}

func TestSearchOnceAndWeightsLiveOn(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	run, err := Search("fairdarts", nas.Smoke, func(c *search.Base) { c.Seed = 3 })
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(filepath.Base(run.Dir), "fairdarts-smoke-s3-"))
	assert.Equal(t, uint64(3), run.Seed)
	log, err := evidence.ReadEvents(run.Dir)
	require.NoError(t, err)

	again, err := Search("fairdarts", nas.Smoke, func(c *search.Base) { c.Seed = 3 })
	require.NoError(t, err)
	assert.Equal(t, run, again)
	after, err := evidence.ReadEvents(run.Dir)
	require.NoError(t, err)
	assert.Len(t, after, len(log), "nothing ran again")

	_, err = plots.Sigmoids(run.History(), "")
	require.NoError(t, err)
	_, err = plots.Alphas(run.Final(), "")
	require.NoError(t, err)
	assert.InDelta(t, fairdarts.DefaultThreshold, run.Final().Threshold, 0)

	kept := run.Genotype
	run.Genotype = genotype
	g, asFound := run.Buildable()
	assert.True(t, asFound)
	assert.Equal(t, genotype, g)
	run.Genotype.Normal = arch.Cell{}
	g, asFound = run.Buildable()
	assert.False(t, asFound)
	assert.Len(t, g.Normal.Edges, 2*arch.Nodes)
	assert.Len(t, g.Reduce.Edges, 2*arch.Nodes)
	run.Genotype = kept

	// The supernet's weights go into a network of the same size, and change what it computes.
	e, err := Open()
	require.NoError(t, err)
	m, err := nas.Lookup("fairdarts")
	require.NoError(t, err)
	c, err := m.Config(nas.Smoke)
	require.NoError(t, err)
	base := c.(*fairdarts.Config)
	net, err := space.Supernet(base.Size, base.Primitives, space.Options{})
	require.NoError(t, err)
	model, err := e.NewModel(net, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, LoadWeights(run.Dir, model))
	want, err := model.State()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, SaveWeights(dir, model))
	other, err := e.NewModel(net, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, other.Load(nn.Initialise(net.Specs(), 9)))
	require.NoError(t, LoadWeights(dir, other))
	got, err := other.State()
	require.NoError(t, err)
	assert.Equal(t, want, got)

	bigger := base.Size
	bigger.Cells++
	net, err = space.Supernet(bigger, base.Primitives, space.Options{})
	require.NoError(t, err)
	other, err = e.NewModel(net, nn.Edge)
	require.NoError(t, err)
	assert.ErrorContains(t, LoadWeights(dir, other), search.CheckpointFile)
	assert.ErrorIs(t, LoadWeights(t.TempDir(), other), os.ErrNotExist)
}

// TestSearchOfAChangedProfile says so, and the gonas command could go on with its folder.
func TestSearchOfAChangedProfile(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	m, err := nas.Lookup("fairdarts")
	require.NoError(t, err)
	c, err := m.Config(nas.Smoke)
	require.NoError(t, err)
	own := c.(*fairdarts.Config)
	own.ZeroOneWeight, own.Epochs, own.StepsPerEpoch = 0, 2, 2
	run, err := SearchConfig("fairdarts", c)
	require.NoError(t, err)
	assert.Equal(t, runfolder.CustomProfile, run.Profile)
	assert.Equal(t, nas.Smoke, own.Profile, "the caller's configuration stays as it is")
	assert.Equal(t, 4, run.Steps)
	var config runfolder.Config
	text, err := os.ReadFile(filepath.Join(run.Dir, runfolder.ConfigFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &config))
	assert.Equal(t, "search", config.Command)
	assert.Contains(t, config.Note, "profile smoke, changed: ")
	assert.Equal(t, runfolder.Data{Name: "embedded"}, config.Data)

	trained, err := Train(genotype, "by hand", nas.Smoke, func(c *train.Config) { c.StepsPerEpoch = 2 })
	require.NoError(t, err)
	assert.Equal(t, "by hand", trained.Name)
	assert.Equal(t, runfolder.CustomProfile, trained.Profile)
	again, err := Train(genotype, "by hand", nas.Smoke, func(c *train.Config) { c.StepsPerEpoch = 2 })
	require.NoError(t, err)
	assert.Equal(t, trained, again)
}

func TestRunErrors(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	for want, f := range map[string]func() (*Run, error){
		"expected one of darts": func() (*Run, error) { return Search("nats", nas.Smoke) },
		"profile \"huge\"":      func() (*Run, error) { return Search("darts", "huge") },
		"batch":                 func() (*Run, error) { return Search("darts", nas.Smoke, func(c *search.Base) { c.Batch = 0 }) },
		"expected a configuration made by": func() (*Run, error) {
			c := darts.DefaultConfig()
			return SearchConfig("fairdarts", &c)
		},
	} {
		_, err := f()
		assert.ErrorContains(t, err, want)
	}
	_, err := Train(genotype, "x", "huge")
	assert.ErrorContains(t, err, "profile \"huge\"")
	t.Setenv(ParamPrefix+"DATA", filepath.Join(t.TempDir(), "none"))
	_, err = Search("darts", nas.Smoke)
	assert.Error(t, err)
}

// TestInterruptedSearchGoesOn: an interrupted cell says how to go on; run again it ends with what an unbroken run finds.
func TestInterruptedSearchGoesOn(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	whole, err := Search("fairdarts", nas.Smoke)
	require.NoError(t, err)

	root := t.TempDir()
	n := newNotebook(t)
	cmd := cell(t, "search", append(n.env, EnvRuns+"="+root)...)
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	checkpoint := filepath.Join(root, filepath.Base(whole.Dir), search.CheckpointFile)
	require.Eventually(t, func() bool { _, err := os.Stat(checkpoint); return err == nil }, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait(), "the search ended before it was interrupted")
	assert.Contains(t, log.String(), "interrupted")
	n.mu.Lock()
	assert.Contains(t, n.got[len(n.got)-1].Data["text/plain"], "running this again goes on")
	n.mu.Unlock()

	t.Setenv(EnvRuns, root)
	resumed, err := Search("fairdarts", nas.Smoke)
	require.NoError(t, err)
	assert.Equal(t, whole.Result, resumed.Result)
}

// cellStart is what a cell tells of its own start.
type cellStart struct {
	// Seconds since the process was started.
	Main, Open, Images, Ready, First, Second float64
	Stats                                    backend.Stats
	Engine                                   engine.Stats
	Backend                                  string
}

const envStarted = "NB_STARTED"

// firstStep makes two steps of the full DARTS supernet, as a search does, and tells when they were done.
func firstStep() {
	began := time.Now()
	started := Must(time.Parse(time.RFC3339Nano, os.Getenv(envStarted)))
	since := func() float64 { return time.Since(started).Seconds() }
	at := cellStart{Main: began.Sub(started).Seconds()}
	e := Must(Open())
	at.Open = since()
	at.Backend = Must(backend.Open()).Info.Kind
	c := darts.DefaultConfig()
	c.Epochs, c.StepsPerEpoch, c.Batch = 1, 2, 16
	images, _, err := datasets.Load("embedded", "")
	Check(err)
	at.Images = since()
	listen := func(ev search.Event) {
		switch {
		case ev.Kind == search.EventStart:
			at.Ready = since()
		case ev.Kind == search.EventStep && ev.Step == 1:
			at.First, at.Engine = since(), e.Stats()
		case ev.Kind == search.EventStep:
			at.Second = since()
		}
	}
	_, err = darts.Search(context.Background(), e, images, c, search.Options{Listeners: []search.Listener{listen}})
	Check(err)
	at.Stats = backend.CompileStats()
	Check(json.NewEncoder(os.Stdout).Encode(at))
}

// TestCellStartsFast: with the compile cache a cell that steps the supernet compiles nothing and has its first step done
// in under 4 seconds.
func TestCellStartsFast(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	start := func() (at cellStart) {
		cmd := cell(t, "first step", envStarted+"="+time.Now().Format(time.RFC3339Nano))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(out, &at))
		return at
	}
	at := start()
	if at.Backend == backend.KindGo {
		t.Skip("the pure-Go backend compiles nothing")
	}
	t.Logf("first: %+v", at)
	// Other work on the machine may disturb a start, not three.
	for range 3 {
		at = start()
		t.Logf("seconds since the start of the process: main %.2f, backend open %.2f, images read %.2f, network ready %.2f, first step done %.2f, second %.2f; "+
			"%d programs made in %.2f s, %.2f of it reading the cache (both summed over parallel workers), %d compiled", at.Main, at.Open, at.Images, at.Ready, at.First, at.Second,
			at.Engine.Executables, at.Engine.PrepareTime.Seconds(), at.Stats.LoadTime.Seconds(), at.Stats.Compilations)
		require.Zero(t, at.Stats.Compilations)
		if at.First < 4 {
			return
		}
	}
	// A machine with more to do than it can says nothing about us.
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		var load float64
		if _, err := fmt.Sscan(string(text), &load); err == nil && load > 1.5*float64(runtime.NumCPU()) {
			t.Skipf("the machine is busy: load %.1f on %d processors, first step done after %.1f s", load, runtime.NumCPU(), at.First)
		}
	}
	t.Errorf("the first step was done after %.1f s, expected less than 4", at.First)
}

// TestSupernetLoadsFast: a trained supernet of full size is read in under a second.
func TestSupernetLoadsFast(t *testing.T) {
	e, err := Open()
	require.NoError(t, err)
	m := fullSupernet(t, e)
	dir := t.TempDir()
	require.NoError(t, SaveWeights(dir, m))
	best := time.Hour
	for range 3 {
		began := time.Now()
		require.NoError(t, LoadWeights(dir, m))
		best = min(best, time.Since(began))
	}
	t.Logf("%s", best)
	assert.Less(t, best, time.Second)
}

func fullSupernet(t testing.TB, e *engine.Engine) *engine.Model {
	t.Helper()
	c := darts.DefaultConfig()
	net, err := space.Supernet(c.Size, c.Primitives, space.Options{})
	require.NoError(t, err)
	m, err := e.NewModel(net, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, m.Load(nn.Initialise(net.Specs(), 1)))
	return m
}

// BenchmarkLoadWeights reads the DARTS supernet of full size, from disk to device.
func BenchmarkLoadWeights(b *testing.B) {
	e, err := Open()
	require.NoError(b, err)
	m := fullSupernet(b, e)
	dir := b.TempDir()
	require.NoError(b, SaveWeights(dir, m))
	for b.Loop() {
		require.NoError(b, LoadWeights(dir, m))
	}
}
