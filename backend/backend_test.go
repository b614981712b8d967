package backend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary runs itself anew where a test needs a process of its own.
const childEnv = "GONAS_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := child(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	for _, name := range []string{EnvCacheDir, EnvCacheMax, EnvThreads} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// report is what a child prints.
type report struct {
	Info    Info
	Stats   Stats
	Numbers []float32
	Pool    int // threads of XLA's pool
	Peak    int64
}

func child(mode string) error {
	if mode == "full" {
		// Every write beyond the first kilobyte of a file fails, as on a full disk.
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 10, Max: 1 << 10}); err != nil {
			return err
		}
	}
	b, err := Open()
	if err != nil {
		return err
	}
	r := report{Info: b.Info}
	for graphs := range 3 {
		n, err := numbers(b.Backend, float64(graphs))
		if err != nil {
			return err
		}
		r.Numbers = append(r.Numbers, n...)
	}
	r.Stats, r.Pool, r.Peak = CompileStats(), poolThreads(), PeakRSS()
	if err := RecordRun(); err != nil && mode != "full" {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// startChild starts the test binary as a child with extra environment; wait
// returns what it printed.
func startChild(t *testing.T, mode, dir string, env ...string) (wait func() (report, string)) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), childEnv+"="+mode), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	return func() (r report, warnings string) {
		require.NoError(t, cmd.Wait(), stderr.String())
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &r), stdout.String())
		return r, stderr.String()
	}
}

func runChild(t *testing.T, mode string, env ...string) (report, string) {
	t.Helper()
	return startChild(t, mode, "", env...)()
}

// numbers runs a small graph twice, the result of the first run as the input
// of the second, and returns the last result.
func numbers(b compute.Backend, shift float64) ([]float32, error) {
	e, err := graph.NewExec(b, func(x *graph.Node) *graph.Node {
		return graph.AddScalar(graph.Add(graph.Dot(x, graph.Sin(x)).Product(), graph.MulScalar(x, 0.5)), shift)
	})
	if err != nil {
		return nil, err
	}
	x, err := e.Call1([][]float32{{1, 2}, {-3, 0.25}})
	if err != nil {
		return nil, err
	}
	if x, err = e.Call1(x); err != nil {
		return nil, err
	}
	return tensors.MustCopyFlatData[float32](x), nil
}

// poolThreads counts the threads of XLA's pool, or is -1 where that cannot be told.
func poolThreads() int {
	names, _ := filepath.Glob("/proc/self/task/*/comm")
	if len(names) == 0 {
		return -1
	}
	n := 0
	for _, name := range names {
		comm, _ := os.ReadFile(name)
		if strings.HasPrefix(string(comm), "tf_XLAEigen") {
			n++
		}
	}
	return n
}

// needXLA skips where there is no plug-in and returns its path.
func needXLA(t *testing.T) string {
	t.Helper()
	found, err := Find()
	require.NoError(t, err)
	if found.Kind == KindGo {
		t.Skip("no XLA plug-in on this machine: " + InstallCommand)
	}
	return found.Path
}

// silence collects warnings instead of printing them.
func silence(t *testing.T) *[]string {
	t.Helper()
	before, lines := Warn, &[]string{}
	Warn = func(line string) { *lines = append(*lines, line) }
	t.Cleanup(func() { Warn = before })
	return lines
}

func goNumbers(t *testing.T, shift float64) []float32 {
	t.Helper()
	b, err := OpenWith(Options{Plugin: KindGo})
	require.NoError(t, err)
	n, err := numbers(b.Backend, shift)
	require.NoError(t, err)
	return n
}

func TestSameNumbersOnXLAAndGo(t *testing.T) {
	needXLA(t)
	b, err := OpenWith(Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
	require.NoError(t, err)
	got, err := numbers(b.Backend, 2)
	require.NoError(t, err)
	require.InDeltaSlice(t, goNumbers(t, 2), got, 1e-5)
}

func TestInfo(t *testing.T) {
	path := needXLA(t)
	dir := filepath.Join(t.TempDir(), "cache")
	b, err := OpenWith(Options{CacheDir: dir})
	require.NoError(t, err)
	assert.Equal(t, path, b.Info.PluginPath)
	assert.Contains(t, b.Info.PluginVersion, "PJRT 0.")
	assert.NotEmpty(t, b.Info.Source)
	assert.Len(t, b.Info.Devices, b.Backend.NumDevices())
	assert.Equal(t, dir, b.Info.CacheDir)
	assert.Empty(t, b.Info.CacheError)
	assert.Empty(t, b.Info.Warning)
	assert.Greater(t, PeakRSS(), int64(1<<20))
}

func TestFallsBackToPureGo(t *testing.T) {
	empty := t.TempDir()
	r, warnings := startChild(t, "run", empty, "HOME="+empty, "XDG_DATA_HOME=", EnvBackend+"=", EnvPluginPath+"=")()
	if r.Info.Kind != KindGo {
		t.Skipf("a plug-in is installed for the whole machine: %s", r.Info.PluginPath)
	}
	assert.Equal(t, 1, strings.Count(warnings, "\n"), warnings)
	assert.Contains(t, warnings, InstallCommand)
	assert.InDeltaSlice(t, goNumbers(t, 0), r.Numbers[:4], 1e-6)

	r, warnings = startChild(t, "run", empty, EnvBackend+"=go")()
	assert.Equal(t, KindGo, r.Info.Kind)
	assert.Empty(t, warnings, "asked for, so nothing to warn of")
}

func TestThreads(t *testing.T) {
	needXLA(t)
	if runtime.GOOS != "linux" {
		t.Skip("threads are counted in /proc")
	}
	for _, n := range []int{1, 2, 8} {
		r, _ := runChild(t, "run", fmt.Sprintf("%s=%d", EnvThreads, n), EnvCacheDir+"=off")
		if r.Info.Kind != KindCPU {
			t.Skip("not a CPU plug-in")
		}
		assert.Equal(t, n, r.Pool)
		assert.Len(t, r.Info.Devices, 1)
	}
	t.Setenv(EnvThreads, "none")
	_, err := OpenWith(Options{CacheDir: "off"})
	require.ErrorContains(t, err, EnvThreads)
}

func TestPluginThatDoesNotLoad(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "pjrt_c_api_cpu_plugin.so")
	require.NoError(t, os.WriteFile(text, []byte("not a library"), 0o644))
	_, err := OpenWith(Options{Plugin: text})
	require.ErrorContains(t, err, text)

	_, err = OpenWith(Options{Plugin: filepath.Join(dir, "missing.so")})
	require.ErrorContains(t, err, "missing.so")

	t.Setenv(EnvBackend, "xla:"+text)
	_, err = OpenWith(Options{})
	require.ErrorContains(t, err, "GOMLX_BACKEND")

	libraries, _ := filepath.Glob("/lib/*/libm.so.6")
	if len(libraries) > 0 {
		_, err = OpenWith(Options{Plugin: libraries[0]})
		require.ErrorContains(t, err, "GetPjrtApi")
	}
}

func TestStatsSub(t *testing.T) {
	before := Stats{Compilations: 1, CacheHits: 2, Kernels: map[string]int{"a": 1, "b": 3}}
	after := Stats{Compilations: 4, CacheHits: 2, Rejected: 1, Kernels: map[string]int{"a": 5, "b": 3}}
	assert.Equal(t, Stats{Compilations: 3, Rejected: 1, Kernels: map[string]int{"a": 4}}, after.Sub(before))
}

func TestDiagnose(t *testing.T) {
	d := Diagnose()
	require.Empty(t, d.Error)
	require.NotNil(t, d.Backend)
	assert.NotEmpty(t, d.Places)
	assert.Equal(t, d.Backend.Kind != KindGo, d.OK)
	assert.Equal(t, d.Backend.CacheDir == "", d.Cache.Dir == "" || d.Cache.Error != "" || !d.OK)
	data, err := json.Marshal(d)
	require.NoError(t, err)
	var back Diagnosis
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, d, back)
}

func TestMissing(t *testing.T) {
	t.Setenv(EnvBackend, "")
	commands := func(d Diagnosis) []string {
		var list []string
		for _, m := range d.missing() {
			list = append(list, m.Command)
		}
		return list
	}
	for _, test := range []struct {
		name string
		d    Diagnosis
		want []string
	}{
		{"all well", Diagnosis{Backend: &Info{Kind: KindCPU}}, nil},
		{"no plug-in", Diagnosis{Backend: &Info{Kind: KindGo}}, []string{InstallCommand}},
		{"broken plug-in", Diagnosis{Error: "does not load"}, []string{InstallCommand}},
		{"GPU unused", Diagnosis{Backend: &Info{Kind: KindCPU}, NVIDIA: true}, []string{`.venv/bin/pip install "jax-cuda13-plugin[with-cuda]"`}},
		{"GPU used", Diagnosis{Backend: &Info{Kind: KindCUDA}, NVIDIA: true}, nil},
		{"cache refused", Diagnosis{Backend: &Info{Kind: KindCPU}, Cache: CacheStatus{Dir: "/c", Error: "mode 0755 (chmod 700 /c)"}}, []string{"chmod 700 /c"}},
		{"cache off", Diagnosis{Backend: &Info{Kind: KindCPU}, Cache: CacheStatus{Error: errCacheOff.Error()}}, nil},
	} {
		assert.Equal(t, test.want, commands(test.d), test.name)
	}
}

// convolved runs a depthwise convolution of 16 channels.
func convolved(t *testing.T, b *Backend) []float32 {
	t.Helper()
	e, err := graph.NewExec(b.Backend, func(x, kernel *graph.Node) *graph.Node {
		return graph.ConvGeneral(x, kernel, compute.ConvolveAxesConfig{
			InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
			KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
			OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
		}, []int{1, 1}, [][2]int{{1, 1}, {1, 1}}, nil, nil, 16, 1)
	})
	require.NoError(t, err)
	x := tensors.FromShape(shapes.Make(dtypes.Float32, 2, 8, 8, 16))
	tensors.MustMutableFlatData(x, func(flat []float32) {
		for i := range flat {
			flat[i] = float32(i%37) - 18
		}
	})
	kernel := tensors.FromShape(shapes.Make(dtypes.Float32, 3, 3, 1, 16))
	tensors.MustMutableFlatData(kernel, func(flat []float32) {
		for i := range flat {
			flat[i] = float32(i%11)/8 - 0.5
		}
	})
	y, err := e.Call1(x, kernel)
	require.NoError(t, err)
	return tensors.MustCopyFlatData[float32](y)
}

func TestKernelsThroughTheCache(t *testing.T) {
	needXLA(t)
	dir := filepath.Join(t.TempDir(), "cache")
	plain, err := OpenWith(Options{CacheDir: dir, NoKernels: true})
	require.NoError(t, err)
	assert.False(t, plain.Info.Kernels)
	want := convolved(t, plain)

	for _, stored := range []int64{1, 0} {
		b, err := OpenWith(Options{CacheDir: dir})
		require.NoError(t, err)
		if b.Info.Kind != KindCPU {
			t.Skip("kernels are for a CPU")
		}
		require.True(t, b.Info.Kernels, b.Info.Warning)
		before := CompileStats()
		got := convolved(t, b)
		stats := CompileStats().Sub(before)
		assert.InDeltaSlice(t, want, got, 1e-4)
		assert.Equal(t, map[string]int{"depthwise": 1}, stats.Kernels)
		assert.Equal(t, stored, stats.Stored, "the rewritten program is another one than the plain, and then found")
		assert.Zero(t, stats.Fallbacks)
	}
}

// A program that XLA refuses with kernels compiles without, and a panic of the
// rewrite does not reach the C frames.
func TestRewriteThatFails(t *testing.T) {
	needXLA(t)
	real := ownKernels
	defer func() { ownKernels = real }()
	for name, rewrite := range map[string]func(string) (string, map[string]int){
		"refused": func(string) (string, map[string]int) { return "nonsense", map[string]int{"x": 1} },
		"panics":  func(string) (string, map[string]int) { panic("rewrite") },
	} {
		broken := *real
		broken.rewrite = rewrite
		ownKernels = &broken
		lines := silence(t)
		b, err := OpenWith(Options{CacheDir: "off"})
		require.NoError(t, err)
		if !b.Info.Kernels {
			t.Skip("no kernels with this plug-in")
		}
		got, err := numbers(b.Backend, 3)
		require.NoError(t, err, name)
		assert.InDeltaSlice(t, goNumbers(t, 3), got, 1e-5, name)
		assert.Len(t, *lines, 1, name)
	}
}
