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

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/runs"
)

// evidenceFolder holds verdicts of all claims without any run.
func evidenceFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	_, err := repro.Decide(dir, profile.Quick)
	require.NoError(t, err)
	return dir
}

func TestSearchOnceAndWeightsLiveOn(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	r, err := Search(Method("fairdarts"), profile.Smoke, Seed(3))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(filepath.Base(r.Dir), "fairdarts-smoke-s3-"))
	assert.Equal(t, uint64(3), r.Spec.Seed)
	log, err := evidence.ReadEvents(r.Dir)
	require.NoError(t, err)

	again, err := Search(Method("fairdarts"), profile.Smoke, Seed(3))
	require.NoError(t, err)
	assert.Equal(t, r, again)
	after, err := evidence.ReadEvents(r.Dir)
	require.NoError(t, err)
	assert.Len(t, after, len(log), "nothing ran again")

	require.NoError(t, weights(r))
	require.NoError(t, final(r))
	require.NoError(t, found(r))
	assert.InDelta(t, fairdarts.DefaultThreshold, r.Result.Weights()[0].Threshold, 0)

	// The supernet's weights go into a network of the same size, and change what it computes.
	e, err := Open()
	require.NoError(t, err)
	c, err := Method("fairdarts").Config(profile.Smoke, "")
	require.NoError(t, err)
	size := c.(*fairdarts.Config).Size
	net := supernet(t, size)
	model, err := e.NewModel(net, nn.Edge)
	require.NoError(t, err)
	require.NoError(t, LoadWeights(r.Dir, model))
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

	bigger := size
	bigger.Cells++
	other, err = e.NewModel(supernet(t, bigger), nn.Edge)
	require.NoError(t, err)
	assert.ErrorContains(t, LoadWeights(dir, other), run.CheckpointFile)
	assert.ErrorIs(t, LoadWeights(t.TempDir(), other), os.ErrNotExist)
}

// supernet is FairDARTS's of a size.
func supernet(t testing.TB, size space.Size) nn.Module {
	t.Helper()
	net, err := space.Supernet(size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(space.FairDARTSPrimitives)))
	require.NoError(t, err)
	return net
}

// TestSearchOfAChangedProfile says so, and the gonas command could go on with its folder.
func TestSearchOfAChangedProfile(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	r, err := Search(Method("fairdarts"), profile.Smoke, Variant("no01"), Set(`{"epochs": 2, "steps_per_epoch": 2}`))
	require.NoError(t, err)
	assert.Equal(t, profile.Custom, r.Spec.Profile)
	assert.Equal(t, "fairdarts-no01", r.Spec.Label())
	assert.Equal(t, 4.0, r.Numbers.Of("steps"))
	config, err := evidence.ReadConfig(r.Dir)
	require.NoError(t, err)
	assert.Equal(t, run.Search, config.Command)
	assert.Contains(t, config.Note, "profile smoke, changed: epochs (2, not 3), steps_per_epoch (2, not 4); as it was: seconds")
	assert.Equal(t, datasets.EmbeddedName, config.Data.Name)
	differ, err := config.Spec.Differences(r.Spec)
	require.NoError(t, err)
	assert.Empty(t, differ)
	var c fairdarts.Config
	require.NoError(t, json.Unmarshal(config.Config, &c))
	assert.Zero(t, c.ZeroOneWeight)

	other, err := Search(Method("darts"), profile.Smoke, Space("S2"), Set(`{"epochs": 1, "steps_per_epoch": 1}`))
	require.NoError(t, err)
	assert.Equal(t, "S2", other.Spec.Space)
	assert.Equal(t, []string{"skip_connect", "sep_conv_3x3"}, other.Result.Weights()[0].Ops(0))
	require.NoError(t, weights(other))

	short := Set(`{"steps_per_epoch": 2}`)
	trained, err := TrainNetwork(genotype, "by hand", profile.Smoke, short)
	require.NoError(t, err)
	assert.Equal(t, "by hand", trained.Spec.Name)
	assert.Equal(t, profile.Custom, trained.Spec.Profile)
	again, err := TrainNetwork(genotype, "by hand", profile.Smoke, short)
	require.NoError(t, err)
	assert.Equal(t, trained, again)
	require.NoError(t, showAll(trained))
}

// What a search found is trained in the search's profile and with its seed; what stands in the place of what cannot be
// built says so.
func TestTrainWhatWasFound(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	r, err := Search(Method("darts"), profile.Smoke, Seed(2), Set(`{"epochs": 1, "steps_per_epoch": 1}`))
	require.NoError(t, err)
	require.NotNil(t, r.Network)
	trained, err := Train(r)
	require.NoError(t, err)
	assert.Equal(t, "darts", trained.Spec.Name)
	assert.Equal(t, []any{profile.Smoke, uint64(2), ""}, []any{trained.Spec.Profile, trained.Spec.Seed, trained.Spec.Instead})
	assert.Equal(t, *r.Genotype, trained.Network.Cells.Genotype)
	assert.Equal(t, 3, trained.Network.Cells.Cells)
	accuracy := trained.Numbers.Of(train.TestAccuracy)
	assert.True(t, accuracy > 0 && accuracy < 1, "%g", accuracy)

	empty := *r
	empty.Genotype, empty.Network = &arch.Genotype{Style: arch.StyleThreshold, Normal: genotype.Normal}, nil
	instead, err := Train(&empty)
	require.NoError(t, err)
	const why = "two edges a node, for in one of the derived cells nothing was kept"
	assert.Equal(t, why, instead.Spec.Instead)
	assert.Contains(t, summary(instead.Result), "; trained instead of what was found: "+why)
	assert.Len(t, instead.Network.Cells.Genotype.Normal.Edges, 2*arch.Nodes)
	assert.Len(t, instead.Network.Cells.Genotype.Reduce.Edges, 2*arch.Nodes)
	assert.NotEqual(t, trained.Dir, instead.Dir)
}

// sharp is DARTS with a softmax at a temperature.
func sharp(temperature float64) diff.Method {
	m := diff.DARTS()
	m.Name = "sharp"
	m.Relax = func(_ int, a *graph.Node, _ []*graph.Node) *graph.Node {
		return graph.Softmax(graph.DivScalar(a, temperature), -1)
	}
	return m
}

// A search by a method of one's own is found again, and another constant in its functions is another search.
func TestChangedConstantIsAnotherSearch(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	short := Set(`{"epochs": 1, "steps_per_epoch": 1}`)
	first, err := Search(sharp(0.25), profile.Smoke, short)
	require.NoError(t, err)
	again, err := Search(sharp(0.25), profile.Smoke, short)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.NotEmpty(t, first.Spec.Code)
	other, err := Search(sharp(0.5), profile.Smoke, short)
	require.NoError(t, err)
	assert.NotEqual(t, first.Dir, other.Dir)
	assert.NotEqual(t, first.Result.Weights()[0].Last().Weights, other.Result.Weights()[0].Last().Weights)
	differ, err := first.Spec.Differences(other.Spec)
	require.NoError(t, err)
	require.Len(t, differ, 1)
	assert.Contains(t, differ[0], "code (")

	penalised := sharp(0.25)
	penalised.Penalty = func(alphas []*graph.Node) *graph.Node { return graph.ReduceAllMean(graph.Concatenate(alphas, 0)) }
	third, err := Search(penalised, profile.Smoke, short)
	require.NoError(t, err)
	assert.NotEqual(t, first.Dir, third.Dir)
}

func TestRunErrors(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	unknown := Method("darts")
	unknown.Name = "nats"
	taken := sharp(1)
	taken.Name = "fairdarts"
	for want, f := range map[string]func() (*Run, error){
		"expected one of darts":                func() (*Run, error) { return Search(unknown, profile.Smoke) },
		"that name is taken":                   func() (*Run, error) { return Search(taken, profile.Smoke) },
		"profile \"huge\"":                     func() (*Run, error) { return Search(Method("darts"), "huge") },
		"darts: config: batch":                 func() (*Run, error) { return Search(Method("darts"), profile.Smoke, Set(`{"batch": 0}`)) },
		`unknown field "zero_one_weight"`:      func() (*Run, error) { return Search(Method("darts"), profile.Smoke, Set(`{"zero_one_weight": 0}`)) },
		`variant "no02": expected one of no01`: func() (*Run, error) { return Search(Method("fairdarts"), profile.Smoke, Variant("no02")) },
		`space "S9": expected one of S0`:       func() (*Run, error) { return Search(Method("darts"), profile.Smoke, Space("S9")) },
		`train x: train: profile "huge"`:       func() (*Run, error) { return TrainNetwork(genotype, "x", "huge") },
		"train x: nb.Variant":                  func() (*Run, error) { return TrainNetwork(genotype, "x", profile.Smoke, Variant("no01")) },
		`train x: nb.Space: unknown field`:     func() (*Run, error) { return TrainNetwork(genotype, "x", profile.Smoke, Space("S1")) },
		"train x: no network can be built": func() (*Run, error) {
			return TrainNetwork(arch.Genotype{Style: arch.StyleThreshold}, "x", profile.Smoke)
		},
		"expected a search, got a training":   func() (*Run, error) { return Train(&Run{Result: run.Result{Spec: run.Spec{Command: run.Train}}}) },
		"no network can be built of what was": func() (*Run, error) { return Train(&Run{Result: run.Result{Spec: run.Spec{Command: run.Search}}}) },
	} {
		_, err := f()
		assert.ErrorContains(t, err, want)
	}
	folders, err := filepath.Glob(filepath.Join(os.Getenv(EnvRuns), "*"))
	require.NoError(t, err)
	assert.Empty(t, folders, "what cannot run leaves no folder")
	t.Setenv(ParamPrefix+"DATA", filepath.Join(t.TempDir(), "none"))
	_, err = Search(Method("darts"), profile.Smoke)
	assert.Error(t, err)
}

// A folder that holds another run than its name says is no result of this one.
func TestStrangerInTheFolder(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	short := Set(`{"epochs": 1, "steps_per_epoch": 1}`)
	r, err := Search(Method("darts"), profile.Smoke, short)
	require.NoError(t, err)
	other, err := Search(Method("darts"), profile.Smoke, short, Seed(7))
	require.NoError(t, err)
	changed := r.Result
	changed.Spec = other.Spec
	require.NoError(t, evidence.WriteResult(r.Dir, changed))
	require.NoError(t, evidence.WriteConfig(r.Dir, evidence.Config{Spec: changed.Spec}))
	_, err = Search(Method("darts"), profile.Smoke, short)
	assert.ErrorContains(t, err, "seed (7, not 0)")
}

// Evidence is made once; where its runs are no longer those that the claims ask for, as after a change of a profile, it
// is no evidence.
func TestEvidenceOfOtherRuns(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	dir, err := Evidence(profile.Smoke, 1, "fd-x-bimodal")
	require.NoError(t, err)
	of := runs.Dir(dir, run.Search, "fairdarts", 0)
	log, err := evidence.ReadEvents(of)
	require.NoError(t, err)
	again, err := Evidence(profile.Smoke, 1, "fd-x-bimodal")
	require.NoError(t, err)
	assert.Equal(t, dir, again)
	after, err := evidence.ReadEvents(of)
	require.NoError(t, err)
	assert.Len(t, after, len(log), "nothing ran again")

	result, err := evidence.ReadResult(of)
	require.NoError(t, err)
	result.Spec.Config = json.RawMessage(strings.Replace(string(result.Spec.Config), `"epochs":3`, `"epochs":4`, 1))
	require.NoError(t, evidence.WriteResult(of, result))
	require.NoError(t, evidence.WriteConfig(of, evidence.Config{Spec: result.Spec}))
	_, err = Evidence(profile.Smoke, 1, "fd-x-bimodal")
	assert.ErrorContains(t, err, "search of fairdarts, seed 0: is not the run that the claims ask for now (config.epochs (4, not 3)): remove the folder")
	_, err = Evidence(profile.Smoke, 1, "fd-nothing")
	assert.ErrorContains(t, err, `no claim is called "fd-nothing"`)
}

// TestInterruptedSearchGoesOn: an interrupted cell says how to go on; run again it ends with what an unbroken run finds.
func TestInterruptedSearchGoesOn(t *testing.T) {
	t.Setenv(EnvRuns, t.TempDir())
	whole, err := Search(Method("fairdarts"), profile.Smoke)
	require.NoError(t, err)

	root := t.TempDir()
	n := newNotebook(t)
	cmd := cell(t, "search", append(n.env, EnvRuns+"="+root)...)
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	checkpoint := filepath.Join(root, filepath.Base(whole.Dir), run.CheckpointFile)
	require.Eventually(t, func() bool { _, err := os.Stat(checkpoint); return err == nil }, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait(), "the search ended before it was interrupted")
	assert.Contains(t, log.String(), "interrupted")
	n.mu.Lock()
	assert.Contains(t, n.got[len(n.got)-1].Data["text/plain"], "running this again goes on")
	n.mu.Unlock()

	t.Setenv(EnvRuns, root)
	resumed, err := Search(Method("fairdarts"), profile.Smoke)
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
	c := Must(Method("darts").Config(profile.Paper, ""))
	common := c.Shared()
	common.Epochs, common.StepsPerEpoch, common.Batch = 1, 2, 16
	data := Must(Data())
	at.Images = since()
	listen := func(ev run.Event) {
		switch {
		case ev.Kind == run.EventStart:
			at.Ready = since()
		case ev.Kind == run.EventStep && ev.Step == 1:
			at.First, at.Engine = since(), e.Stats()
		case ev.Kind == run.EventStep:
			at.Second = since()
		}
	}
	Must(Method("darts").Search(context.Background(), method.Env{Engine: e, Train: data.Train, Options: run.Options{Listeners: []run.Listener{listen}}}, c))
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
	net, err := space.Supernet(c.Size, space.SupernetInputs{Tables: 1}, space.MixedEdges(cells.Uniform(c.Primitives)))
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
