package diff

import (
	"errors"
	"fmt"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/run"
)

// Stepper does the steps of a search outside a run, on batches of its caller's: for measuring them and comparing with other
// code.
type Stepper struct{ task *task }

// NewStepper makes the supernet of a configuration with the weights and parameters that a search starts from.
func NewStepper(e *engine.Engine, c Config, m Method) (*Stepper, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t, err := newTask(e, c, m)
	if err != nil {
		return nil, err
	}
	return &Stepper{t}, nil
}

// Step moves the architecture on batches[1], then the weights on batches[0]; its values are the losses, of a search that
// draws their means over the draws.
func (s *Stepper) Step(p run.Position, batches []run.Batch) (run.Values, error) {
	if len(batches) != 2 {
		return nil, fmt.Errorf("step: expected the batches of weights and architecture, got %d", len(batches))
	}
	return s.task.Step(p, batches)
}

// ParameterGradients are those of the architecture's half of a step on a batch, for each table [rows·columns], of a search
// that draws their means over the draws; nothing moves but batch norm's statistics.
func (s *Stepper) ParameterGradients(p run.Position, b run.Batch) (out [][]float64, err error) {
	g, err := s.task.gradient(b, Pass{Position: p, Half: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Finalize()) }()
	for _, t := range g.Inputs {
		v, err := engine.Values(t)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Model is the supernet, Parameters are the architecture's, a variable for each table.
func (s *Stepper) Model() *engine.Model           { return s.task.model }
func (s *Stepper) Parameters() []*engine.Variable { return s.task.alphas }

// Close frees what it has on the device.
func (s *Stepper) Close() error { return s.task.close() }
