package nn_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/golden/goldentest"
	"github.com/gonas/gonas/nas/nn"
)

// overTime convolves x [frames][in] with w [out, in, kernel] of PyTorch's layout, by its definition.
func overTime(x [][]float64, w []float32, out, kernel, stride int) (y [][]float64) {
	in := len(x[0])
	for at := 0; at < len(x); at += stride {
		row := make([]float64, out)
		for o := range out {
			for i := range in {
				for k := range kernel {
					if t := at + k - kernel/2; t >= 0 && t < len(x) {
						row[o] += float64(w[(o*in+i)*kernel+k]) * x[t][i]
					}
				}
			}
		}
		y = append(y, row)
	}
	return y
}

// scaled is batch norm in evaluation with the statistics 0 and 1 and no scale of its own, and ReLU where it is asked for.
func scaled(x [][]float64, rectify bool) [][]float64 {
	for _, row := range x {
		for c := range row {
			row[c] /= math.Sqrt(1 + nn.BatchNormEpsilon)
			if rectify {
				row[c] = max(row[c], 0)
			}
		}
	}
	return x
}

// gated multiplies x by the gate of squeeze-and-excitation.
func gated(x [][]float64, state map[string][]float32) [][]float64 {
	channels, reduced := len(x[0]), len(state["se.squeeze.bias"])
	mean, hidden := make([]float64, channels), make([]float64, reduced)
	for _, row := range x {
		for c, v := range row {
			mean[c] += v / float64(len(x))
		}
	}
	for h := range hidden {
		hidden[h] = float64(state["se.squeeze.bias"][h])
		for c := range mean {
			hidden[h] += float64(state["se.squeeze.weight"][h*channels+c]) * mean[c]
		}
		hidden[h] = max(hidden[h], 0)
	}
	for c := range mean {
		v := float64(state["se.excite.bias"][c])
		for h := range hidden {
			v += float64(state["se.excite.weight"][c*reduced+h]) * hidden[h]
		}
		for _, row := range x {
			row[c] /= 1 + math.Exp(-v)
		}
	}
	return x
}

// A block gives what its definition gives, written out: with and without gate, with an identity and with a shortcut.
func TestTemporalBlock(t *testing.T) {
	e := goldentest.Float64Engine(t)
	const frames = 11
	for _, b := range []nn.TemporalBlock{{In: 4, Out: 6, Kernel: 9, Stride: 2}, {In: 4, Out: 4, Kernel: 3, Stride: 1}, {In: 4, Out: 8, Kernel: 5, Stride: 2}, {In: 4, Out: 4, Kernel: 7, Stride: 1}} {
		for _, gate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v gate=%t", b, gate), func(t *testing.T) {
				if gate {
					b.SqueezeExcite = nn.TemporalGate(b.Out)
				}
				block, err := b.Module()
				require.NoError(t, err)
				m, err := e.NewModel(block, nn.Operation)
				require.NoError(t, err)
				state := nn.Initialise(block.Specs(), 5)
				require.NoError(t, m.Load(state))
				flat := golden.Input("frames", []int{1, frames, 1, b.In})
				out, err := m.Run(nn.Mode{}, e.Tensor(flat, 1, frames, 1, b.In))
				require.NoError(t, err)

				var x [][]float64
				for i := range frames {
					x = append(x, flat[i*b.In:(i+1)*b.In])
				}
				y := scaled(overTime(x, state["conv1.weight"], b.Out, b.Kernel, b.Stride), true)
				y = scaled(overTime(y, state["conv2.weight"], b.Out, b.Kernel, 1), false)
				if gate {
					y = gated(y, state)
				}
				shortcut := x
				if b.Stride > 1 {
					shortcut = scaled(overTime(x, state["shortcut.weight"], b.Out, 1, b.Stride), true)
				}
				var want []float64
				for i, row := range y {
					for c, v := range row {
						want = append(want, max(v+shortcut[i][c], 0))
					}
				}
				got, err := engine.Values(out[0])
				require.NoError(t, err)
				assert.InDeltaSlice(t, want, got, 1e-9)
			})
		}
	}
}

// The skip beside temporal operations is theirs, not that of images; beside others nothing changes.
func TestSkipOfTemporalOps(t *testing.T) {
	for _, c := range []struct {
		ops      []string
		channels int
		stride   int
		want     []string
	}{
		{[]string{nn.TemporalOp{In: 4, Kernel: 3}.Name(), nn.SkipConnect}, 4, 1, nil},
		{[]string{nn.SkipConnect, nn.TemporalOp{In: 4, Kernel: 3, Gate: true}.Name()}, 6, 2, []string{"conv.weight", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}},
		{[]string{nn.SkipConnect, nn.MaxPool3x3}, 6, 2, []string{"conv_1.weight", "conv_2.weight", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}},
	} {
		ops, err := nn.MixedOps(c.ops, c.channels, c.stride)
		require.NoError(t, err)
		for k, name := range c.ops {
			if name != nn.SkipConnect {
				continue
			}
			var names []string
			for _, s := range ops[k].Module.Specs() {
				names = append(names, s.Name)
			}
			assert.Equal(t, c.want, names, "%v", c.ops)
		}
	}
	for _, bad := range []string{"temporal_3x1", "temporal_3x1_from_4_gate", "temporal_3x1_from_4_gatedd", "temporal_03x1_from_4"} {
		_, err := nn.MixedOps([]string{bad}, 4, 1)
		assert.ErrorContains(t, err, fmt.Sprintf("unknown operation %q", bad))
	}
}
