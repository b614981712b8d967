package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/rome"
	"github.com/gonas/gonas/nas/run"
)

// romeStepName is the first argument that makes this program one process of ours of the suite rome.
const romeStepName = "rome-step"

// romeTables name the tables that the parameters start from, in the order of the search: operations of edges and inputs of
// nodes, of normal and of reduction cells.
var romeTables = []string{"alphas_normal", "alphas_reduce", "betas_normal", "betas_reduce"}

// romeProcess times steps of a ROME search and prints a sample as one line of JSON.
func romeProcess(ctx context.Context, args []string, out io.Writer) error {
	c := stepProcess{name: romeStepName, out: out}
	config := rome.DefaultConfig()
	f := c.flags(romeBatch)
	cellFlags(f, &config.Size, &config.Image)
	f.IntVar(&config.Draws.Weights, "draws", config.Draws.Weights, "networks drawn in each half of a step")
	if err := c.parse(f, args); err != nil {
		return err
	}
	config.Batch, config.Granularity, config.Draws.Architecture = c.batch, c.granularity.String(), config.Draws.Weights
	if err := config.Validate(); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	s, err := c.measure(ctx, b, func(e *engine.Engine) (training, error) { return newRomeTraining(e, config) })
	if err != nil {
		return fmt.Errorf("%s: %w", romeStepName, err)
	}
	return json.NewEncoder(out).Encode(s)
}

// romeNoise is the Gumbel noise of a draw for a table, the same as that of rome_step.py.
func romeNoise(p diff.Pass, table, rows, columns int) [][]float64 {
	name := fmt.Sprintf("gumbel.%d.%d.%d.%d", p.Step, p.Half, p.Draw, table)
	out := make([][]float64, rows)
	for i := range out {
		out[i] = make([]float64, columns)
		for k := range out[i] {
			u := min(max(golden.Uniform(name, i*columns+k), 1e-6), 1-1e-6)
			out[i][k] = -math.Log(-math.Log(u))
		}
	}
	return out
}

// romeTraining is a search outside a run. A step is the search's own, so that a profile cannot tell its parts by the clock.
type romeTraining struct {
	stepper *diff.Stepper
	epochs  int
	halves  [2]half
}

func newRomeTraining(e *engine.Engine, c rome.Config) (t *romeTraining, err error) {
	m := rome.Search(&c)
	m.Sample.Noise = romeNoise
	t = &romeTraining{epochs: c.Epochs, halves: filledHalves(c.Size, c.Batch, c.Image)}
	if t.stepper, err = diff.NewStepper(e, c.Config, m); err != nil {
		return nil, err
	}
	for i, v := range t.stepper.Parameters() {
		d := v.Value.Shape().Dimensions
		if err := v.Value.FinalizeAll(); err != nil {
			return nil, err
		}
		v.Value = filledParameters(e, romeTables[i], d[0], d[1])
	}
	return t, filledWeights(t.stepper.Model())
}

func (t *romeTraining) parts() int      { return 1 }
func (t *romeTraining) finalize() error { return t.stepper.Close() }

// step is one of the search's first epoch; it returns the mean losses of the architecture's half and of the weights'.
func (t *romeTraining) step(n int, r *recorder) ([]float64, error) {
	r.begin()
	// The search takes the weights' batch first.
	var batches [2]run.Batch
	for i, h := range t.halves {
		batches[1-i].X, batches[1-i].Y = h.tensors()
	}
	values, err := t.stepper.Step(run.Position{Epochs: t.epochs, Step: n, Steps: n + 1}, batches[:])
	if err != nil {
		return nil, err
	}
	r.mark(passes, reading, update)
	for _, b := range batches {
		err = errors.Join(err, b.X.FinalizeAll(), b.Y.FinalizeAll())
	}
	r.mark(freeing)
	return []float64{values.Of("val_loss"), values.Of("train_loss")}, err
}

func (t *romeTraining) architecture() (out [][]float64, err error) {
	for _, v := range t.stepper.Parameters() {
		flat, err := engine.Values(v.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, flat)
	}
	return out, nil
}
