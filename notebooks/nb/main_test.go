package nb

import (
	"encoding/gob"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/run"
)

// envCell makes this binary a cell: a program of its own that does what the variable names and ends at once.
const envCell = "GONAS_NB_TEST_CELL"

// programs are cells by name. What they show must have arrived when they end.
var programs = map[string]func(){
	"figure":   func() { Cells(genotype, "Cells <b>") },
	"images":   func() { Images([]uint8{0, 255, 9, 100}, [4]int{2, 1, 2, 1}, []string{"cat", "dog"}, 2) },
	"audio":    func() { Audio([]float32{0, 0.5, -2}, 8000) },
	"table":    func() { Table([]string{"name", "n"}, [][]any{{"<script>alert(1)</script>", 1.5}}) },
	"markdown": func() { Markdown("$x^%d$", 2) },
	"bad":      func() { Images([]float32{float32(math.NaN())}, [4]int{1, 1, 1, 1}, nil, 1) },
	"verdict":  func() { Verdict(os.Getenv("NB_EVIDENCE"), "fd-a") },
	"search":   func() { fmt.Println(Must(Search(Method("fairdarts"), "smoke")).Dir) },
	"patient": func() {
		patience = 300 * time.Millisecond
		Markdown("nobody listens")
	},
	"progress": func() {
		p := newProgress("search")
		steps := run.Event{Kind: run.EventStart, Epochs: 10, Steps: 100}
		p.listen(steps)
		for i := range 1000 {
			p.listen(run.Event{Kind: run.EventStep, Epochs: 10, Steps: 100, Epoch: 1 + i/100, Step: 1 + i%100, Values: run.Values{{Name: "train_loss", Number: 2 - float64(i)/1000}}})
		}
		p.end("done")
	},
	"slow": func() {
		Must(Cached("slow", nil, func(dir string) error {
			fmt.Println("working")
			Check(os.WriteFile(filepath.Join(dir, "half"), []byte("x"), 0o600))
			time.Sleep(time.Hour)
			return nil
		}))
	},
	"brief": func() {
		Must(Cached("brief", 1, func(string) error {
			fmt.Println("working")
			time.Sleep(300 * time.Millisecond)
			return nil
		}))
	},
	"full": func() {
		// A full disk: no file can grow beyond this.
		Check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8, Max: 8}))
		Must(Cached("full", "x", func(string) error { return nil }))
	},
	"first step": firstStep,
	"supernet":   func() { Show(supernetRun()) },
	"supernet's progress": func() {
		p := newProgress("search")
		p.listen(run.Event{Kind: run.EventStart, Epochs: 2, Steps: 1})
		for epoch := 1; epoch <= 2; epoch++ {
			p.listen(run.Event{Kind: run.EventStep, Epochs: 2, Steps: 1, Epoch: epoch, Step: 1, Values: run.Values{{Name: "train_loss", Number: 2}}})
			p.listen(run.Event{Kind: run.EventEpoch, Epochs: 2, Steps: 1, Epoch: epoch,
				Values: run.Values{{Name: "epoch", Number: float64(epoch)}, {Name: "train_accuracy", Number: 0.1 * float64(epoch)}, {Name: "lowest", Number: 0.05}, {Name: "highest", Number: 0.25}}})
		}
		for generation := 1; generation <= 3; generation++ {
			time.Sleep(everyUpdate)
			p.listen(run.Event{Kind: run.EventMeasure, Epochs: 3, Epoch: generation, Steps: 8, Step: 6})
		}
		p.end("done")
	},
}

var genotype = arch.Genotype{Style: arch.StyleThreshold,
	Normal: arch.Cell{Edges: []arch.Edge{{Op: "sep_conv_3x3", From: 0, To: 2}, {Op: "skip_connect", From: 1, To: 2}}, Concat: []int{2}},
	Reduce: arch.Cell{Edges: []arch.Edge{{Op: "max_pool_3x3", From: 1, To: 2}}, Concat: []int{2}}}

func TestMain(m *testing.M) {
	if name := os.Getenv(envCell); name != "" {
		programs[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cell is the command that runs one in a folder of its own, with this checkout's plug-in and compile cache.
func cell(t testing.TB, name string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	require.Contains(t, programs, name)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(environment(t), envCell+"="+name)...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = t.TempDir()
	return cmd
}

// environment lets a program that runs elsewhere find this checkout's plug-in and cache.
func environment(t testing.TB) []string {
	t.Helper()
	var env []string
	found, err := backend.Find()
	require.NoError(t, err)
	if found.Path != "" {
		env = append(env, backend.EnvBackend+"=xla:"+found.Path+found.Options)
	}
	if status := backend.CacheInfo(); status.Dir != "" && status.Error == "" {
		env = append(env, backend.EnvCacheDir+"="+status.Dir)
	}
	return env
}

// notebook is the kernel's side of the pipes: it takes what a cell shows.
type notebook struct {
	env []string
	mu  sync.Mutex
	got []protocol.DisplayData
	// acknowledged counts the times that a cell waited for what it had shown.
	acknowledged int
}

func newNotebook(t *testing.T) *notebook {
	t.Helper()
	dir := t.TempDir()
	to, from := filepath.Join(dir, "to"), filepath.Join(dir, "from")
	n := &notebook{env: []string{protocol.GONB_PIPE_ENV + "=" + to, protocol.GONB_PIPE_BACK_ENV + "=" + from}}
	var pipes [2]*os.File
	for i, path := range []string{to, from} {
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		var err error
		pipes[i], err = os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { pipes[i].Close() })
	}
	decoder, encoder := gob.NewDecoder(pipes[0]), gob.NewEncoder(pipes[1])
	go func() {
		for {
			var d protocol.DisplayData
			if decoder.Decode(&d) != nil {
				return
			}
			if v, ok := d.Data[protocol.MIMECommValue].(protocol.CommValue); ok {
				// A cell that did not wait would be gone now.
				time.Sleep(20 * time.Millisecond)
				n.mu.Lock()
				n.acknowledged++
				n.mu.Unlock()
				_ = encoder.Encode(&protocol.CommValue{Address: protocol.GonbuiSyncAckAddress, Value: v.Value})
				continue
			}
			n.mu.Lock()
			n.got = append(n.got, d)
			n.mu.Unlock()
		}
	}()
	return n
}

// run runs a cell to its end and returns what it showed.
func (n *notebook) run(t *testing.T, name string, env ...string) []protocol.DisplayData {
	t.Helper()
	out, err := cell(t, name, append(n.env, env...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.got
}
