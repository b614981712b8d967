package main

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/nas/run"
)

// TestMeterWithoutTerminal writes few lines, and the first of each stage.
func TestMeterWithoutTerminal(t *testing.T) {
	var b bytes.Buffer
	m := newMeter(&b)
	for stage := range 2 {
		for i := range int64(1000) {
			m.show(fmt.Sprint(stage), i, 1000, func() string { return fmt.Sprintf("stage %d: %d", stage, i) })
		}
	}
	m.end()
	assert.Equal(t, "stage 0: 0\nstage 1: 0\n", b.String())
	assert.False(t, terminal(io.Discard))
}

func TestEpochLine(t *testing.T) {
	row := run.Values{{Name: "epoch", Number: 3}, {Name: "steps", Number: 15}, {Name: "learning_rate", Number: 0.0250001}, {Name: "train_loss", Number: 1.23456},
		{Name: "val_accuracy", Number: 0.5}, {Name: "skips_normal", Number: 2}}
	assert.Equal(t, "learning_rate 0.025, train_loss 1.2346, val_accuracy 0.500, skips_normal 2", epochLine(row))
	assert.Empty(t, epochLine(nil))
}

// TestProgressWithoutValues: an event need not say more than how far the run is.
func TestProgressWithoutValues(t *testing.T) {
	for _, isTTY := range []bool{false, true} {
		var b bytes.Buffer
		m := &meter{w: &b, isTTY: isTTY}
		listen := m.listener()
		for _, kind := range []string{run.EventStart, run.EventStep, run.EventEpoch, run.EventCheckpoint, run.EventMeasure, run.EventEnd, "of a later version"} {
			listen(run.Event{Kind: kind, Epoch: 1, Epochs: 2, Step: 3, Steps: 4})
		}
		listen(run.Event{})
		assert.NotContains(t, b.String(), "loss")
		if !isTTY {
			assert.Regexp(t, `(?m)^epoch 1/2: [0-9.]+m?s$`, b.String())
			assert.Regexp(t, `(?m)^generation 1/2: 3 of 4 paths measured; `, b.String())
		}
	}
}

// TestProgressOfEpochs prints the row's numbers by the names of its columns, whatever those are.
func TestProgressOfEpochs(t *testing.T) {
	var b bytes.Buffer
	showProgress(&b)(run.Event{Kind: run.EventEpoch, Epoch: 2, Epochs: 3, Values: run.Values{{Name: "epoch", Number: 2}, {Name: "beta", Number: 0.7}}})
	assert.Regexp(t, `^epoch 2/3: beta 0.7; [0-9.]+m?s\n$`, b.String())
}
