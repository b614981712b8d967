package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
)

// soundWorkerName is the first argument that makes this program our side of the suite unidirectional: a worker as
// benchmarks/torch/unidirectional.py is one.
const soundWorkerName = "unidirectional-worker"

// soundCase is a convolution that both sides time.
type soundCase struct {
	// Input is [batch, height, width, channels]; Kernel and Stride are along height and width, the padding is half the kernel.
	Input  [4]int `json:"input"`
	Kernel [2]int `json:"kernel"`
	Stride [2]int `json:"stride"`
	// Out are the channels of the result, 0 for a depthwise convolution.
	Out int `json:"out"`
}

func (c soundCase) String() string {
	text := fmt.Sprintf("%d×%d×%d×%d, %d×%d, stride %d,%d", c.Input[0], c.Input[1], c.Input[2], c.Input[3], c.Kernel[0], c.Kernel[1], c.Stride[0], c.Stride[1])
	if c.Out > 0 {
		text += fmt.Sprintf(", to %d", c.Out)
	}
	return text
}

// soundRequest is a case with how long it is to be timed, forward and back each; Check asks for the results' spread.
type soundRequest struct {
	soundCase
	Seconds float64 `json:"seconds"`
	Check   bool    `json:"check"`
}

// soundAnswer is what a worker measured.
type soundAnswer struct {
	Framework string     `json:"framework"`
	Backend   string     `json:"backend"`
	Threads   int        `json:"threads"`
	Forward   soundTimes `json:"forward"`
	Gradients soundTimes `json:"gradients"`
	// Spread are the root mean squares of each channel of the result and of the gradients of the input and of the kernel.
	Spread [][]float64 `json:"spread,omitempty"`
}

// soundTimes are the times of single calls in seconds, and the processor time of one.
type soundTimes struct {
	Calls []float64 `json:"call_s"`
	CPU   float64   `json:"cpu_s"`
}

// soundWorker answers requests, a line of JSON each, until there are no more.
func soundWorker(ctx context.Context, _ []string, out io.Writer) error {
	b, err := backend.Open()
	if err != nil {
		return err
	}
	w := soundSide{backend: b.Backend, inputs: map[string]*tensors.Tensor{}, programs: map[soundCase][2]*Exec{}}
	about := soundAnswer{Framework: "gonas", Backend: b.Info.Kind + " " + b.Info.PluginVersion, Threads: runtime.NumCPU()}
	if n, err := strconv.Atoi(os.Getenv(backend.EnvThreads)); err == nil {
		about.Threads = n
	}
	lines := bufio.NewScanner(os.Stdin)
	for ctx.Err() == nil && lines.Scan() {
		var r soundRequest
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: expected a case as a line of JSON, got %.80q: %w", soundWorkerName, lines.Text(), err)
		}
		a := about
		if err := exceptions.TryCatch[error](func() { w.measure(r, &a) }); err != nil {
			return fmt.Errorf("%s: %s: %w", soundWorkerName, r.soundCase, err)
		}
		if err := json.NewEncoder(out).Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

// soundSide keeps tensors and programs from one request to the next.
type soundSide struct {
	backend  compute.Backend
	inputs   map[string]*tensors.Tensor
	programs map[soundCase][2]*Exec
}

// output is the result's shape.
func (c soundCase) output() [4]int {
	out := c.Input
	for i := range 2 {
		out[1+i] = (c.Input[1+i]+c.Kernel[i]/2*2-c.Kernel[i])/c.Stride[i] + 1
	}
	if c.Out > 0 {
		out[3] = c.Out
	}
	return out
}

// convolution is the case's, of x and kernel.
func (c soundCase) convolution(x, kernel *Node) *Node {
	padding := [2]int{c.Kernel[0] / 2, c.Kernel[1] / 2}
	if c.Out > 0 {
		return nn.FullConv(x, kernel, c.Stride, padding)
	}
	return nn.DepthwiseConv(x, kernel, c.Stride, [2]int{1, 1}, padding)
}

// measure times a case. It panics as graph functions do.
func (w soundSide) measure(r soundRequest, a *soundAnswer) {
	c := r.soundCase
	spec := nn.Spec{Name: "kernel", Shape: []int{c.Input[3], 1, c.Kernel[0], c.Kernel[1]}, Kind: nn.Depthwise}
	if c.Out > 0 {
		spec = nn.Spec{Name: "kernel", Shape: []int{c.Out, c.Input[3], c.Kernel[0], c.Kernel[1]}, Kind: nn.Conv}
	}
	x, upstream, kernel := w.image("input", c.Input), w.image("upstream", c.output()), w.kernel(spec)
	p, ok := w.programs[c]
	if !ok {
		p[0] = MustNewExec(w.backend, c.convolution)
		p[1] = MustNewExec(w.backend, func(x, kernel, upstream *Node) []*Node {
			return Gradient(ReduceAllSum(Mul(c.convolution(x, kernel), upstream)), x, kernel)
		})
		w.programs[c] = p
	}
	forward := func() []*tensors.Tensor { return p[0].MustCall(x, kernel) }
	gradients := func() []*tensors.Tensor { return p[1].MustCall(x, kernel, upstream) }
	a.Forward, a.Gradients = timeCalls(forward, r.Seconds), timeCalls(gradients, r.Seconds)
	if r.Check {
		for _, t := range append(forward(), gradients()...) {
			a.Spread = append(a.Spread, channelSpread(t))
			t.MustFinalizeAll()
		}
	}
}

// timeCalls times calls for some seconds, after two that are not.
func timeCalls(call func() []*tensors.Tensor, seconds float64) (t soundTimes) {
	once := func() {
		for _, out := range call() {
			out.MustFinalizeAll()
		}
	}
	once()
	once()
	began, cpu := time.Now(), processorTime()
	for len(t.Calls) < 3 || time.Since(began).Seconds() < seconds {
		start := time.Now()
		once()
		t.Calls = append(t.Calls, time.Since(start).Seconds())
	}
	t.CPU = (processorTime() - cpu) / float64(len(t.Calls))
	return t
}

// image is a tensor [batch, height, width, channels] of the numbers that fill.py gives for it with its channels first.
func (w soundSide) image(name string, dims [4]int) *tensors.Tensor {
	key := fmt.Sprint(name, dims)
	if w.inputs[key] == nil {
		n, pixels, c := dims[0], dims[1]*dims[2], dims[3]
		planes := golden.Input(name, []int{n, c, dims[1], dims[2]})
		values := make([]float32, len(planes))
		for i, v := range planes {
			plane := i / pixels
			values[(plane/c*pixels+i%pixels)*c+plane%c] = float32(v)
		}
		w.inputs[key] = tensors.FromFlatDataAndDimensions(values, dims[:]...)
	}
	return w.inputs[key]
}

func (w soundSide) kernel(s nn.Spec) *tensors.Tensor {
	key := fmt.Sprint(s)
	if w.inputs[key] == nil {
		planes := golden.Input(s.Name, s.Shape)
		values := make([]float32, len(planes))
		for i, v := range planes {
			values[i] = float32(v)
		}
		values, err := nn.ToEngine(s, values)
		if err != nil {
			panic(err)
		}
		w.inputs[key] = tensors.FromFlatDataAndDimensions(values, s.EngineShape()...)
	}
	return w.inputs[key]
}

// channelSpread is the root mean square of each channel, the last axis.
func channelSpread(t *tensors.Tensor) []float64 {
	d := t.Shape().Dimensions
	channels := d[len(d)-1]
	out := make([]float64, channels)
	values := tensors.MustCopyFlatData[float32](t)
	for i, v := range values {
		out[i%channels] += float64(v) * float64(v)
	}
	for i := range out {
		out[i] = math.Sqrt(out[i] * float64(channels) / float64(len(values)))
	}
	return out
}
