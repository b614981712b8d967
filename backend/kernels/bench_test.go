package kernels_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// measure times one call of a graph, with the kernels and on XLA alone.
func measure(b *testing.B, name string, inputs []shapes.Shape, f func(x []*Node) []*Node) {
	for _, withKernels := range []bool{true, false} {
		way := "xla"
		if withKernels {
			way = "kernels"
		}
		b.Run(name+"/"+way, func(b *testing.B) {
			exec := MustNewExec(open(b, withKernels, 2), f)
			defer exec.Finalize()
			args := make([]any, len(inputs))
			for i, s := range inputs {
				args[i] = random(uint64(i), s, 0)
			}
			step := func() {
				for _, t := range exec.MustCall(args...) {
					t.FinalizeAll()
				}
			}
			step()
			for b.Loop() {
				step()
			}
			for _, a := range args {
				a.(*tensors.Tensor).FinalizeAll()
			}
		})
	}
}

// Batch 16 of the DARTS supernet's first cells.
func BenchmarkKernels(b *testing.B) {
	for _, size := range []struct{ h, c int }{{32, 16}, {16, 32}, {8, 64}, {32, 36}} {
		x := shapes.Make(dtypes.Float32, 16, size.h, size.h, size.c)
		channels := shapes.Make(dtypes.Float32, size.c)
		for _, k := range []int{3, 5} {
			for s := 1; s <= 2; s++ {
				v := square(16, size.h, size.h, size.c, same(k, s))
				for i, part := range []string{"forward", "dx", "dw"} {
					measure(b, fmt.Sprintf("depthwise_%s/%s", part, v), v.inputs(), func(x []*Node) []*Node {
						return v.graph(x[0], x[1], x[2])[i : i+1]
					})
				}
			}
		}
		rows := shapes.Make(dtypes.Float32, 16*size.h*size.h, size.c)
		for i, part := range []string{"forward", "dx", "dw"} {
			measure(b, fmt.Sprintf("product_%s/%v", part, rows.Dimensions), []shapes.Shape{rows, shapes.Make(dtypes.Float32, size.c, size.c), rows},
				func(x []*Node) []*Node { return products(x[0], x[1], x[2])[i : i+1] })
		}
		for s := 1; s <= 2; s++ {
			v := pool{16, size.h, size.h, size.c, 3, s, 1, 1}
			for i, part := range []string{"forward", "gradient"} {
				measure(b, fmt.Sprintf("max_pool_%s/%v", part, v), []shapes.Shape{x}, func(x []*Node) []*Node { return v.graph(x[0])[i : i+1] })
			}
		}
		measure(b, fmt.Sprintf("batch_norm/%v", x.Dimensions), []shapes.Shape{x, channels, channels}, func(x []*Node) []*Node {
			y, mean, variance := InternalBatchNormForTraining(x[0], x[1], x[2], 1e-5, 3)
			return []*Node{y, mean, variance}
		})
		measure(b, fmt.Sprintf("batch_norm_with_gradient/%v", x.Dimensions), []shapes.Shape{x, channels, channels, x}, normGraph)
	}
}
