package zoo

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// Tolerance is the largest error that [Check] accepts, relative to a quantity's size.
const Tolerance = 1e-4

// Result is what [Check] found.
type Result struct {
	File string `json:"file,omitempty"`
	Arch string `json:"arch,omitempty"`
	// Params counts all parameters, MACs the multiply-adds of convolutions and linear layers.
	Params int   `json:"params,omitempty"`
	MACs   int64 `json:"macs,omitempty"`
	// MaxRelErr is the largest error for each gain of the weights: of logits over their standard deviation, of other
	// quantities over their largest magnitude.
	MaxRelErr map[string]float64 `json:"max_rel_err,omitempty"`
	// OK is nil where there was nothing to check, for the reason in Skipped.
	OK      *bool  `json:"ok"`
	Skipped string `json:"skipped,omitempty"`
	// Problems say where the file and the network disagree.
	Problems []string `json:"problems,omitempty"`
}

// Check builds the network of a file of reference numbers, fills it by the formula, and compares what the file holds:
// parameters, multiply-adds, logits, auxiliary logits and intermediate results.
func Check(e *engine.Engine, data []byte) (Result, error) { return check(e, data, "", 0) }

// CheckWeights is [Check] of the evaluation whose weights have this gain, with the tensors of a safetensors file in
// place of the formula's.
func CheckWeights(e *engine.Engine, data []byte, weights string, gain float64) (Result, error) {
	return check(e, data, weights, gain)
}

func check(e *engine.Engine, data []byte, weights string, gain float64) (Result, error) {
	ref, err := golden.ReadReference(data)
	if errors.Is(err, golden.ErrNoNetwork) {
		return Result{Skipped: err.Error()}, nil
	}
	if err != nil {
		return Result{}, err
	}
	net, err := New(ref.Name, ref.Network)
	if err != nil {
		return Result{}, err
	}
	r := Result{Arch: ref.Name}
	params, err := net.Params()
	if err != nil {
		return r, err
	}
	r.Params = params.All
	if r.MACs, err = net.MACs(0); err != nil {
		return r, err
	}
	if len(ref.Forwards) == 0 {
		r.Skipped = "the file has no forward: nothing to compare the network's results with"
		return r, nil
	}
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	if ref.Params != nil && ref.Params.All != r.Params {
		problem("params.all: the file says %d, the network has %d", ref.Params.All, r.Params)
	}
	if ref.MACs != nil && ref.MACs.Sum != r.MACs {
		problem("macs_per_sample.conv_plus_linear: the file says %d, the network has %d", ref.MACs.Sum, r.MACs)
	}
	f := forwarder{net: net, engine: e, auxiliary: ref.Network.Cells != nil}
	r.MaxRelErr = map[string]float64{}
	if weights != "" {
		if f.weights, err = net.ReadWeights(weights); err != nil {
			return r, err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(ref.Forwards)) {
		want := ref.Forwards[field]
		if weights != "" && want.Gain != gain {
			continue
		}
		worst, where, err := f.compare(want)
		if err != nil {
			return r, fmt.Errorf("%s: %w", field, err)
		}
		r.MaxRelErr[fmt.Sprintf("W%g", want.Gain)] = worst
		if !(worst <= Tolerance) {
			problem("%s: %s is off by %.3g, expected at most %g", field, where, worst, Tolerance)
		}
	}
	if err := f.close(); err != nil {
		return r, err
	}
	if len(r.MaxRelErr) == 0 {
		return r, fmt.Errorf("no forward has weight_gain_W %g", gain)
	}
	ok := len(r.Problems) == 0
	r.OK = &ok
	return r, nil
}

// forwarder runs one network with different weights.
type forwarder struct {
	net       *Net
	engine    *engine.Engine
	auxiliary bool
	// weights take the place of the formula's, where set.
	weights Weights
	model   *engine.Model
}

func (f *forwarder) close() error {
	if f.model == nil {
		return nil
	}
	return f.model.Finalize()
}

// run fills the network and returns its logits, the auxiliary ones and the stages' results by name, NCHW.
func (f *forwarder) run(gain float64, name string, shape []int) (logits, auxiliary []float64, stages map[string][]float64, err error) {
	if f.model == nil {
		m, err := f.net.Module(space.NetworkOptions{Auxiliary: f.auxiliary, Taps: true})
		if err != nil {
			return nil, nil, nil, err
		}
		if f.model, err = f.engine.NewModel(m, nn.Edge); err != nil {
			return nil, nil, nil, err
		}
	}
	state := map[string][]float64{}
	for _, s := range f.model.Specs() {
		if f.weights == nil {
			state[s.Name] = golden.Tensor(s.Name, s.Shape, gain)
			continue
		}
		values, err := f.weights[s.Name].Float32()
		if err != nil {
			return nil, nil, nil, fmt.Errorf("tensor %q: %w", s.Name, err)
		}
		for _, v := range values {
			state[s.Name] = append(state[s.Name], float64(v))
		}
	}
	if err := f.model.LoadFloat64(state); err != nil {
		return nil, nil, nil, err
	}
	if len(shape) != 4 {
		return nil, nil, nil, fmt.Errorf("input: expected [batch, channels, height, width], got %v", shape)
	}
	x := f.engine.Tensor(channelsLast(golden.Input(name, shape), shape), shape[0], shape[2], shape[3], shape[1])
	out, err := f.model.Run(nn.Mode{}, x)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		for _, t := range append(out, x) {
			_ = t.FinalizeAll()
		}
	}()
	if logits, err = engine.Values(out[0]); err != nil {
		return nil, nil, nil, err
	}
	rest := out[1:]
	if f.auxiliary {
		if auxiliary, err = engine.Values(rest[0]); err != nil {
			return nil, nil, nil, err
		}
		rest = rest[1:]
	}
	stages = map[string][]float64{}
	for i, name := range space.Taps(f.net.Network) {
		if stages[name], err = channelsFirst(rest[i]); err != nil {
			return nil, nil, nil, err
		}
	}
	return logits, auxiliary, stages, nil
}

// compare returns the largest error of one evaluation, and of which quantity.
func (f *forwarder) compare(want golden.Forward) (worst float64, where string, err error) {
	logits, auxiliary, stages, err := f.run(want.Gain, want.Input.Name, want.Input.Shape)
	if err != nil {
		return 0, "", err
	}
	note := func(name string, err float64) {
		if err > worst || math.IsNaN(err) {
			worst, where = err, name
		}
	}
	e, err := farthest(slices.Concat(want.Logits...), logits)
	if err != nil {
		return 0, "", fmt.Errorf("logits_f64: %w", err)
	}
	note("logits_f64", e/want.Stats.LogitsStd)
	if want.AuxLogits != nil {
		flat := slices.Concat(want.AuxLogits...)
		if e, err = farthest(flat, auxiliary); err != nil {
			return 0, "", fmt.Errorf("aux_logits_eval_mode: %w", err)
		}
		note("aux_logits_eval_mode", e/absMax(flat))
	}
	for name, stage := range want.Intermediates {
		got, ok := stages[name]
		if !ok {
			return 0, "", fmt.Errorf("intermediates: the network has no stage %q", name)
		}
		if len(got) != golden.Size(stage.Shape) || len(got) < 4 {
			return 0, "", fmt.Errorf("intermediates: %s: expected %v, got %d elements", name, stage.Shape, len(got))
		}
		mean, std := moments(got)
		e, err := farthest(slices.Concat(stage.First4, stage.Last4, []float64{stage.Mean, stage.Std, stage.AbsMax}),
			slices.Concat(got[:4], got[len(got)-4:], []float64{mean, std, absMax(got)}))
		if err != nil {
			return 0, "", fmt.Errorf("intermediates: %s: %w", name, err)
		}
		note(name, e/stage.AbsMax)
	}
	return worst, where, nil
}

// farthest is the largest difference of two lists.
func farthest(want, got []float64) (float64, error) {
	if len(want) != len(got) {
		return 0, fmt.Errorf("expected %d values, got %d", len(want), len(got))
	}
	worst := 0.0
	for i := range want {
		if d := math.Abs(want[i] - got[i]); d > worst || math.IsNaN(d) {
			worst = d
		}
	}
	return worst, nil
}

func absMax(values []float64) float64 {
	m := 0.0
	for _, v := range values {
		m = max(m, math.Abs(v))
	}
	return m
}

// moments are the mean and the population's standard deviation.
func moments(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / float64(len(values)))
}

// channelsLast reorders values [batch, channels, height, width] to [batch, height, width, channels].
func channelsLast(values []float64, nchw []int) []float64 {
	out := make([]float64, len(values))
	c, pixels := nchw[1], nchw[2]*nchw[3]
	for i, v := range values {
		sample, rest := i/(c*pixels), i%(c*pixels)
		out[(sample*pixels+rest%pixels)*c+rest/pixels] = v
	}
	return out
}

// channelsFirst reads a tensor [batch, height, width, channels], or [batch, channels], as [batch, channels, height,
// width].
func channelsFirst(t *tensors.Tensor) ([]float64, error) {
	values, err := engine.Values(t)
	if err != nil {
		return nil, err
	}
	d := t.Shape().Dimensions
	if len(d) != 4 {
		return values, nil
	}
	c, pixels := d[3], d[1]*d[2]
	out := make([]float64, len(values))
	for i, v := range values {
		sample, rest := i/(c*pixels), i%(c*pixels)
		out[(sample*c+rest%c)*pixels+rest/c] = v
	}
	return out, nil
}
