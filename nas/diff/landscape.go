package diff

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/run"
)

// LandscapeConfig asks for the validation accuracy and loss on a grid of points over two random directions around the
// parameters that a search ended with, as in Figure 3 of DARTS- (2009.01027). As in its official code
// (vis_loss_landscape.py), a step of 1 along a direction is as long, table by table, as the parameters themselves, and
// batch norm is in evaluation mode; there the samples are all of the architecture's half, and augmented.
type LandscapeConfig struct {
	// Points is the number of steps along each direction, odd: 51 in the paper.
	Points int `json:"points"`
	// Images are the first of so many validation samples, without augmentation; more than 64 in whole batches of 64.
	Images int `json:"images"`
	// Radius is the longest step to each side: 1 in the paper.
	Radius float64 `json:"radius"`
}

// OverLandscape is the variant of a method, called title, that searches S3 and measures the landscape at the end. Methods
// whose loss has a Hessian have [Curvature]: noise that is a constant in the backward pass leaves none.
func OverLandscape(title string) method.Variant {
	return method.Variant{
		Label: "landscape", Title: title + " in S3",
		Set: `{"space": "S3", "landscape": {"points": 51, "images": 24960, "radius": 1}}`,
		At: map[string]string{
			profile.Smoke: `{"landscape": {"points": 3, "images": 16}}`,
			profile.Quick: `{"size": {"cells": 3, "channels": 4}, "landscape": {"points": 11, "images": 256}}`,
			profile.GPU:   `{"landscape": {"points": 21, "images": 1024}}`,
			profile.Day:   `{"landscape": {"points": 11, "images": 1024}}`,
		},
		Notes: map[string]string{
			profile.Quick: "minutes: 3 cells, 4 channels, 16×16 pixels, 10 epochs of 15 steps, batch 16, for what is measured takes longer than the search; because 150 steps are some hundredth of the paper's, rates are raised: weights 0.05 to 0.01, architecture 0.05 (Adam)",
		},
		Seconds: map[string]float64{profile.Smoke: 2, profile.Quick: 15},
	}
}

// landscapeBatch is the most samples of a pass.
const landscapeBatch = 64

// validate reports the first field out of range; nil has none.
func (c *LandscapeConfig) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Points < 3 || c.Points%2 == 0 || c.Points > 1001:
		return fmt.Errorf("config: landscape.points: expected an odd number of 3 to 1001, got %d", c.Points)
	case c.Images < 2 || c.Images > landscapeBatch && c.Images%landscapeBatch != 0 || c.Images > 1e7:
		return fmt.Errorf("config: landscape.images: expected 2 to %d, or a multiple of %d of at most ten million, got %d", landscapeBatch, landscapeBatch, c.Images)
	case !(c.Radius > 0 && c.Radius <= 1e6):
		return fmt.Errorf("config: landscape.radius: expected more than 0 and at most 1e6, got %g", c.Radius)
	}
	return nil
}

// axis are the steps along a direction, the middle one exactly 0.
func (c LandscapeConfig) axis() []float64 {
	out := make([]float64, c.Points)
	half := c.Points / 2
	for i := range out {
		out[i] = c.Radius * float64(i-half) / float64(half)
	}
	return out
}

// landscape measures what the configuration asks for, nil where it does not, row by row: in a folder, rows that are
// measured are not measured again.
func (t *task) landscape(ctx context.Context, o run.Options) (out *run.Landscape, err error) {
	c := t.config.Landscape
	if c == nil {
		return nil, nil
	}
	size := min(c.Images, landscapeBatch)
	batches, err := validation(t.source, t.config, size, c.Images/size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, freeBatches(batches)) }()
	// What a schedule says is that of the last epoch.
	last := Pass{Position: run.Position{Epoch: t.config.Epochs - 1, Epochs: t.config.Epochs, Steps: 1}, Half: 1}
	var surfaces []surface
	for _, b := range batches {
		s, free := t.surface(b, last)
		surfaces = append(surfaces, s)
		defer func() { err = errors.Join(err, free()) }()
	}
	at, err := surfaces[0].parameters()
	if err != nil {
		return nil, err
	}
	directions, lengths, err := t.directions(at)
	if err != nil {
		return nil, err
	}
	if out, err = run.LoadStage[*run.Landscape](o.Dir, run.LandscapeFile); err != nil {
		return nil, err
	}
	fresh := &run.Landscape{Images: c.Images, Axis: c.axis(), Lengths: lengths}
	if out == nil || !sameGrid(*out, *fresh) {
		out = fresh
	}
	for row := len(out.Loss); row < c.Points; row++ {
		accuracy, loss := make([]float64, c.Points), make([]float64, c.Points)
		for k := range c.Points {
			if ctx.Err() != nil {
				return nil, run.ErrInterrupted
			}
			point := slices.Clone(at)
			floats.AddScaled(point, out.Axis[k], directions[0])
			floats.AddScaled(point, out.Axis[row], directions[1])
			if accuracy[k], loss[k], err = measure(surfaces, point, c.Images); err != nil {
				return nil, err
			}
			o.Emit(run.Event{Kind: run.EventMeasure, Step: row*c.Points + k + 1, Steps: c.Points * c.Points})
		}
		out.Accuracy, out.Loss = append(out.Accuracy, accuracy), append(out.Loss, loss)
		if err := run.SaveStage(o.Dir, run.LandscapeFile, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sameGrid tells whether rows of a are rows of b.
func sameGrid(a, b run.Landscape) bool {
	return a.Images == b.Images && slices.Equal(a.Axis, b.Axis) && slices.Equal(a.Lengths, b.Lengths)
}

// measure is the share of correct samples and the mean cross entropy over the batches of some surfaces.
func measure(surfaces []surface, parameters []float64, images int) (accuracy, loss float64, err error) {
	for _, s := range surfaces {
		l, correct, err := s.value(parameters)
		if err != nil {
			return 0, 0, err
		}
		if !finite([]float64{l}) {
			return 0, 0, fmt.Errorf("landscape: the loss is %g at a point", l)
		}
		loss += l / float64(len(surfaces))
		accuracy += correct / float64(images)
	}
	return accuracy, loss, nil
}

// directions are two random ones, normal numbers made orthogonal to each other, each of the length of the tables'
// parameters, table by table. Lengths are these.
func (t *task) directions(at []float64) (out [2][]float64, lengths []float64, err error) {
	random := rand.New(rand.NewPCG(t.config.Seed, 0x1a4d5))
	for i := range out {
		out[i] = make([]float64, len(at))
		for k := range out[i] {
			out[i][k] = random.NormFloat64()
		}
	}
	first := 0
	for _, table := range t.tables {
		last := first + len(table.Rows)*table.columns()
		a, b := out[0][first:last], out[1][first:last]
		length := floats.Norm(at[first:last], 2)
		if length == 0 {
			return out, nil, fmt.Errorf("landscape: all parameters of the table %s are 0, so that no direction is as long", table.Name)
		}
		floats.AddScaled(b, -floats.Dot(a, b)/floats.Dot(a, a), a)
		for _, d := range [][]float64{a, b} {
			floats.Scale(length/floats.Norm(d, 2), d)
		}
		lengths = append(lengths, length)
		first = last
	}
	return out, lengths, nil
}
