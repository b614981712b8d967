package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/zoo"
)

// First arguments that make this program a part of the check of a GPU, or the check itself, which starts the parts.
const (
	gpuCheckName = "gpu-check"
	doctorName   = "gpu-doctor"
	zooName      = "golden-zoo"
)

// What a part's status can be.
const (
	partDone        = "done"
	partFailed      = "failed"
	partTimedOut    = "timed out"
	partInterrupted = "interrupted"
	partSkipped     = "skipped"
	partNotRun      = "not run"
)

// gpuWhole is how long a check may take, with its table: under eight minutes.
const gpuWhole = 470 * time.Second

// Precisions of float32 products and convolutions.
const (
	inTF32    = "tf32"
	inFloat32 = "float32"
)

// gpuPart is one process of the check.
type gpuPart struct {
	Name string
	// Limit is the time that it may take.
	Limit   time.Duration
	Command []string
	// Dir is the working directory, below the root.
	Dir string
	// Precision is what the backend is opened with; empty where the process chooses, as PyTorch's do.
	Precision string
	// Skip says why the part cannot run.
	Skip string
}

// partResult is what a part-*.json holds: how the part ended and what it printed until then.
type partResult struct {
	Name      string  `json:"name"`
	Precision string  `json:"precision,omitempty"`
	Status    string  `json:"status"`
	Reason    string  `json:"reason,omitempty"`
	Limit     float64 `json:"limit_s"`
	Seconds   float64 `json:"seconds"`

	Doctor     *doctorReport      `json:"doctor,omitempty"`
	Samples    []sample           `json:"samples,omitempty"`
	Deviations []golden.Deviation `json:"deviations,omitempty"`
}

// doctorReport is what `gonas doctor` knows of the device, with the driver's own words.
type doctorReport struct {
	backend.Diagnosis
	// Driver is a line of nvidia-smi a GPU: name, driver, memory.
	Driver []string `json:"driver,omitempty"`
}

// gpuCheck runs the parts one after another; `tools/gpu-check.sh` calls it. After every part the part's JSON, the whole
// report as JSON and its tables are in the folder, so that a check that is cut off keeps what was finished.
func gpuCheck(ctx context.Context, args []string, out io.Writer) error {
	var c gpuCheckOptions
	f := flag.NewFlagSet(gpuCheckName, flag.ContinueOnError)
	f.BoolVar(&c.dry, "dry", false, "small sizes, on a CPU")
	f.StringVar(&c.root, "root", ".", "the checkout")
	f.StringVar(&c.out, "out", "", "folder for the results")
	f.StringVar(&c.tests, "tests", "", "folder of space.test and nn.test, built before")
	f.StringVar(&c.python, "python", "python3", "Python with torch")
	f.StringVar(&c.backend, "backend", "xla", "GOMLX_BACKEND of our parts, without what it says of TF32")
	only := f.String("only", "", "parts to run, with commas; all where empty")
	f.DurationVar(&c.limit, "limit", gpuWhole, "largest time of a part")
	if err := f.Parse(args); err != nil {
		return err
	}
	if c.out == "" || c.tests == "" || c.limit <= 0 {
		return errors.New("-out and -tests must be set, and -limit above 0")
	}
	for _, path := range []*string{&c.root, &c.out, &c.tests} {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	var err error
	if c.self, err = os.Executable(); err != nil {
		return err
	}
	c.noTorch = ""
	if err := (environment{Imports: "torch"}).usable(ctx, c.python); err != nil {
		c.noTorch = "no torch: " + err.Error()
	}
	parts := c.parts()
	if *only != "" {
		for _, name := range list(*only) {
			if !slices.ContainsFunc(parts, func(p gpuPart) bool { return p.Name == name }) {
				return fmt.Errorf("-only: no part is called %q", name)
			}
		}
		parts = slices.DeleteFunc(parts, func(p gpuPart) bool { return !slices.Contains(list(*only), p.Name) })
	}
	return c.run(ctx, parts, out)
}

// gpuCheckOptions are the command line of gpuCheck.
type gpuCheckOptions struct {
	dry                               bool
	root, out, tests, python, backend string
	limit                             time.Duration
	self                              string
	// noTorch says why PyTorch cannot be run, empty where it can.
	noTorch string
}

// parts are what is measured, the most telling first. Limits may add up to more than the whole: a part that ends early
// leaves its time to the later ones.
func (c gpuCheckOptions) parts() []gpuPart {
	ours := func(name, precision string, limit int, args ...string) gpuPart {
		return gpuPart{Name: name, Precision: precision, Limit: time.Duration(limit) * time.Second, Command: append([]string{c.self}, args...)}
	}
	test := func(name, precision string, limit int, of, pattern string) gpuPart {
		p := ours(name, precision, limit)
		p.Command, p.Dir = []string{filepath.Join(c.tests, of+".test"), "-test.v", "-test.count=1", "-test.run", pattern}, filepath.Join("nas", of)
		return p
	}
	steps, batch, strictBatch, device := "10", "64", "256", "cuda"
	var darts, larger, torchDarts, strict, torchStrict []string // sizes; larger is of larger programs
	networks := `^TestSupernetGoldenFloat32$/.*/edge|^TestUnrolledGolden$`
	operations, zooFiles := `^TestOperationsGolden$|^TestMixedOperationGolden$`, []string{"FairNAS_A.json", "MoGA_A.json", "cifar100_s0_0.json"}
	fast := inTF32
	if c.dry {
		steps, batch, strictBatch, device, fast = "2", "4", "4", "cpu", inFloat32
		darts, larger = []string{"-cells", "3", "-channels", "4", "-image", "8"}, []string{"-cells", "1", "-channels", "4", "-image", "8"}
		torchDarts = []string{"--cells", "3", "--channels", "4", "--image", "8"}
		strict, torchStrict = []string{"-layers", "2", "-image", "8"}, []string{"--layers", "2", "--image", "8"}
		networks, operations, zooFiles = `^TestUnrolledGolden$`, `^TestOperationsGolden$/^sep_conv_3x3`, zooFiles[2:]
	}
	for i, name := range zooFiles {
		zooFiles[i] = filepath.Join(c.root, "nas", "zoo", "testdata", "golden", name)
	}
	step := func(name, precision string, limit int, process, batch, granularity string, sizes []string) gpuPart {
		return ours(name, precision, limit, append([]string{process, "-batch", batch, "-granularity", granularity, "-steps", steps, "-warmup", "2",
			"-profile", "-launch", "-partial"}, sizes...)...)
	}
	torch := func(name string, limit int, script, batch string, sizes []string, more ...string) gpuPart {
		p := gpuPart{Name: name, Limit: time.Duration(limit) * time.Second, Skip: c.noTorch}
		p.Command = append(append([]string{c.python, filepath.Join(c.root, "benchmarks", "torch", script), "--json", "--device", device, "--batch", batch,
			"--steps", steps, "--warmup", "2"}, sizes...), more...)
		return p
	}
	both := []string{"--precision", "tf32,float32"}
	if c.dry {
		both = []string{"--precision", inFloat32}
	}
	formats := append([]string{"--memory-format", "default,channels_last"}, both...)
	compiled := func(what string) []string { return append([]string{"--compile", what}, both...) }

	all := []gpuPart{
		ours("doctor", "", 20, doctorName),
		step("darts-edge", fast, 90, dartsStepName, batch, "edge", darts),
		torch("torch-darts", 45, "darts_step.py", batch, torchDarts, formats...),
		test("golden-networks", inFloat32, 75, "space", networks),
		test("golden-operations", inFloat32, 60, "nn", operations),
		ours("golden-zoo", inFloat32, 40, append([]string{zooName}, zooFiles...)...),
		step("strict-edge", fast, 75, fairnasStepName, strictBatch, "edge", strict),
		torch("torch-strict", 45, "fairnas_step.py", strictBatch, torchStrict, formats...),
		step("darts-cell", fast, 60, dartsStepName, batch, "cell", larger),
	}
	if !c.dry {
		all = append(all,
			test("golden-networks-tf32", inTF32, 60, "space", networks),
			step("darts-edge-float32", inFloat32, 75, dartsStepName, batch, "edge", darts),
			torch("torch-darts-compiled", 75, "darts_step.py", batch, torchDarts, compiled("block")...))
	}
	network := step("darts-network", fast, 60, dartsStepName, batch, "network", larger)
	if c.dry {
		network.Skip = "a dry run leaves it out: on a CPU it compiles for half a minute"
	}
	all = append(all, network)
	if !c.dry {
		all = append(all,
			test("golden-operations-tf32", inTF32, 60, "nn", operations),
			ours("golden-zoo-tf32", inTF32, 40, append([]string{zooName}, zooFiles...)...),
			step("strict-edge-float32", inFloat32, 60, fairnasStepName, strictBatch, "edge", strict),
			torch("torch-strict-compiled", 60, "fairnas_step.py", strictBatch, torchStrict, compiled("block")...),
			torch("torch-darts-compiled-whole", 100, "darts_step.py", batch, torchDarts, compiled("network")...))
	}
	for i := range all {
		if c.dry { // on whatever machine runs the tests, whatever else it does
			all[i].Limit *= 4
		}
	}
	return all
}

// run does the parts and keeps the report; a part that failed or an interrupt is an error at the end.
func (c gpuCheckOptions) run(ctx context.Context, parts []gpuPart, out io.Writer) error {
	for _, dir := range []string{c.out, filepath.Join(c.out, "logs"), filepath.Join(c.out, "cache")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	r := gpuReport{Benchmark: gpuCheckName, Date: today(), Dry: c.dry, Machine: describeMachine(c.root)}
	for _, p := range parts {
		r.Parts = append(r.Parts, partResult{Name: p.Name, Precision: p.Precision, Status: partNotRun, Limit: min(p.Limit, c.limit).Seconds()})
	}
	began := time.Now()
	for i, p := range parts {
		one := &r.Parts[i]
		left := gpuWhole - time.Since(began)
		switch {
		case ctx.Err() != nil:
			one.Reason = "the check was interrupted"
		case p.Skip != "":
			one.Status, one.Reason = partSkipped, p.Skip
		case left < 10*time.Second:
			one.Reason = fmt.Sprintf("the check's %.0f s were over", gpuWhole.Seconds())
		default:
			*one = c.runPart(ctx, p, min(p.Limit, c.limit, left))
		}
		r.Seconds, r.Complete = time.Since(began).Seconds(), i == len(parts)-1 && ctx.Err() == nil
		if err := writeJSON(filepath.Join(c.out, fmt.Sprintf("part-%02d-%s.json", i+1, p.Name)), one); err != nil {
			return err
		}
		if err := errors.Join(writeJSON(filepath.Join(c.out, "gpu-check.json"), r),
			atomicfile.WriteBytes(filepath.Join(c.out, "gpu-check.md"), 0o644, []byte(r.markdown()))); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%3.0f s  %s: %s\n", r.Seconds, p.Name, strings.TrimSpace(one.Status+" "+one.Reason))
	}
	if _, err := io.WriteString(out, r.markdown()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: the parts that had ended are in the table")
	}
	var failed []string
	for _, p := range r.Parts {
		if p.Status == partFailed {
			failed = append(failed, p.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("parts failed: %s; their output is in %s", strings.Join(failed, ", "), filepath.Join(c.out, "logs"))
	}
	return nil
}

// environment are the variables of a part.
func (c gpuCheckOptions) environment(p gpuPart) []string {
	env := append(os.Environ(), allocator...)
	if p.Command[0] == c.python {
		return env
	}
	if os.Getenv(backend.EnvCacheDir) == "" {
		env = append(env, backend.EnvCacheDir+"="+filepath.Join(c.out, "cache"))
	}
	option := ""
	if !c.dry && p.Precision != "" {
		option = ",tf32=" + strconv.FormatBool(p.Precision == inTF32)
	}
	return append(env, backend.EnvBackend+"="+c.backend+option)
}

// runPart runs a part's process, with all that it starts, for no longer than limit.
func (c gpuCheckOptions) runPart(ctx context.Context, p gpuPart, limit time.Duration) partResult {
	r := partResult{Name: p.Name, Precision: p.Precision, Limit: limit.Seconds()}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, p.Command[0], p.Command[1:]...)
	cmd.Env, cmd.Dir = c.environment(p), filepath.Join(c.root, p.Dir)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	// A compiler cannot be asked to stop: the process goes at once, with those that it started.
	killWithChildren(cmd)
	cmd.WaitDelay = time.Second
	began := time.Now()
	err := cmd.Run()
	r.Seconds = time.Since(began).Seconds()
	if writeErr := os.WriteFile(filepath.Join(c.out, "logs", p.Name+".txt"), slices.Concat(out.Bytes(), log.Bytes()), 0o644); writeErr != nil && err == nil {
		err = writeErr
	}
	r.read(out.Bytes())
	switch {
	case ctx.Err() != nil:
		r.Status, r.Reason = partInterrupted, "the check was interrupted"
	case limited.Err() != nil:
		r.Status, r.Reason = partTimedOut, fmt.Sprintf("did not end within %.0f s", limit.Seconds())
	case cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 && p.Precision == inTF32 && slices.ContainsFunc(r.Deviations, outside):
		// Beyond the tests' tolerance, which is float32's: the deviation is what was asked for.
		r.Status = partDone
	case err != nil:
		r.Status, r.Reason = partFailed, err.Error()+": "+lastLine(log.Bytes(), out.Bytes())
	default:
		r.Status = partDone
		if len(r.Samples)+len(r.Deviations) == 0 && r.Doctor == nil {
			r.Status, r.Reason = partFailed, "printed no result"
		}
		if r.Doctor != nil && !c.dry && (r.Doctor.Backend == nil || r.Doctor.Backend.Kind != backend.KindCUDA) {
			r.Status, r.Reason = partFailed, "no GPU is in use: "+cmp.Or(r.Doctor.Error, "the backend is another")
		}
	}
	c.withoutPaths(&r)
	return r
}

// withoutPaths leaves out where things lie on this machine: results are kept for others. The logs have it.
func (c gpuCheckOptions) withoutPaths(r *partResult) {
	r.Reason = strings.NewReplacer(c.out, "OUT", c.root, "ROOT").Replace(r.Reason)
	if d := r.Doctor; d != nil {
		d.Places, d.Cache = nil, backend.CacheStatus{}
		if d.Backend != nil {
			d.Backend.PluginPath, d.Backend.CacheDir = "", ""
		}
	}
}

func outside(d golden.Deviation) bool { return !d.Within() }

// lastLine is the last of what a process had to say, for a person.
func lastLine(texts ...[]byte) string {
	for _, text := range texts {
		if text = bytes.TrimSpace(text); len(text) > 0 {
			line := string(text[bytes.LastIndexByte(text, '\n')+1:])
			return line[:min(len(line), 200)]
		}
	}
	return "it said nothing"
}

// read takes what a process printed: lines of JSON, of which a later one of the same contender counts, and lines of
// tests that tell a deviation.
func (r *partResult) read(out []byte) {
	for line := range strings.Lines(string(out)) {
		if d, found := golden.ParseDeviation(line); found {
			r.Deviations = append(r.Deviations, d)
			continue
		}
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var doctor struct {
			Doctor *doctorReport `json:"doctor"`
		}
		if json.Unmarshal([]byte(line), &doctor) == nil && doctor.Doctor != nil {
			r.Doctor = doctor.Doctor
			continue
		}
		var s sample
		if json.Unmarshal([]byte(line), &s) != nil || s.Framework == "" {
			continue
		}
		s.Precision = cmp.Or(s.Precision, r.Precision)
		same := func(x sample) bool {
			return x.Granularity == s.Granularity && x.Format == s.Format && x.Precision == s.Precision && x.Compiled == s.Compiled
		}
		if i := slices.IndexFunc(r.Samples, same); i >= 0 {
			r.Samples[i] = s
		} else {
			r.Samples = append(r.Samples, s)
		}
	}
}

// doctorProcess prints what `gonas doctor` finds of the backend, and what the driver says.
func doctorProcess(ctx context.Context, _ []string, out io.Writer) error {
	r := doctorReport{Diagnosis: backend.Diagnose()}
	text, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader").Output()
	if err == nil {
		r.Driver = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	return json.NewEncoder(out).Encode(map[string]doctorReport{"doctor": r})
}

// zooProcess compares networks of the zoo with files of reference numbers and prints their deviations.
func zooProcess(_ context.Context, files []string, out io.Writer) error {
	b, err := backend.Open()
	if err != nil {
		return err
	}
	e := engine.New(b.Backend)
	var wrong error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		r, err := zoo.Check(e, data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, gain := range slices.Sorted(maps.Keys(r.MaxRelErr)) {
			d := golden.Deviation{Test: "zoo", Quantity: r.Arch + ", weights " + gain, Relative: r.MaxRelErr[gain], Tolerance: zoo.Tolerance}
			if _, err := fmt.Fprintln(out, d); err != nil {
				return err
			}
		}
		if r.OK == nil || !*r.OK {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %s", r.Arch, strings.Join(append(r.Problems, r.Skipped), "; ")))
		}
	}
	return wrong
}

// writeJSON writes a file that is there whole or not at all.
func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return atomicfile.WriteBytes(path, 0o644, append(data, '\n'))
}
