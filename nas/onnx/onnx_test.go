package onnx_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/nas/golden"
	"github.com/gonas/gonas/nas/onnx"
	"github.com/gonas/gonas/nas/safetensors"
	"github.com/gonas/gonas/nas/zoo"
)

// python is that of an environment with onnxruntime: `make onnx-tools` makes one.
func python(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".venv-onnx", "bin", "python"))
	require.NoError(t, err)
	if named := os.Getenv("GONAS_ONNX_PYTHON"); named != "" {
		path = named
	}
	if exec.Command(path, "-c", "import onnx, onnxruntime").Run() != nil {
		t.Skip("no Python with onnx and onnxruntime: `make onnx-tools` brings them, or GONAS_ONNX_PYTHON names one")
	}
	return path
}

func floatBytes(values []float32) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, values)
	return b.Bytes()
}

// TestLogits: onnxruntime gives the logits of our own evaluation, of a network of each family, within 1e-4 of their deviation.
func TestLogits(t *testing.T) {
	run := python(t)
	networks := map[string]int{"tcresnet8": 3, "fairdarts-a": 2, "moga-a": 1, "mobilenetv2": 2, "nasbench201-7": 2, "nasbenchmacro-20121012": 2}
	if os.Getenv("GONAS_ONNX_ALL") != "" { // minutes more
		for _, name := range []string{"tcresnet14-1.5", "darts-v2", "amoebanet", "noisydarts-a", "fairnas-a-se0.5-cifar10", "scarlet-a"} {
			networks[name] = 1
		}
	}
	for name, batch := range networks {
		t.Run(name, func(t *testing.T) {
			n, err := zoo.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			weights, err := n.GoldenWeights(1)
			require.NoError(t, err)
			in := n.Network.Input
			wide := golden.Input("onnx "+name, []int{batch, in[2], in[0], in[1]})
			images, turned := make([]float32, len(wide)), make([]float32, len(wide))
			for i, v := range wide {
				images[i] = float32(v)
			}
			for b := range batch {
				for c := range in[2] {
					for p := range in[0] * in[1] {
						turned[(b*in[0]*in[1]+p)*in[2]+c] = images[(b*in[2]+c)*in[0]*in[1]+p]
					}
				}
			}
			require.NoError(t, n.Use(weights))
			own, err := n.Predict(tensors.FromFlatDataAndDimensions(turned, batch, in[0], in[1], in[2]))
			require.NoError(t, err)

			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			var file bytes.Buffer
			require.NoError(t, onnx.Write(&file, n.Network, weights, batch))
			require.NoError(t, os.WriteFile(at("net.onnx"), file.Bytes(), 0o600))
			require.NoError(t, os.WriteFile(at("in"), floatBytes(images), 0o600))
			out, err := exec.Command(run, filepath.Join("testdata", "logits.py"), at("net.onnx"), at("in"), at("out")).CombinedOutput()
			require.NoError(t, err, "%s", out)
			raw, err := os.ReadFile(at("out"))
			require.NoError(t, err)
			var want, got []float64
			for _, row := range own {
				for _, v := range row {
					want = append(want, float64(v))
				}
			}
			for i := range len(raw) / 4 {
				got = append(got, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))))
			}
			require.Len(t, got, len(want))
			golden.Near(t, "logits", want, got, 1e-4, 0)
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	n, err := zoo.Get("tcresnet8")
	require.NoError(t, err)
	weights, err := n.GoldenWeights(1)
	require.NoError(t, err)
	var file bytes.Buffer
	assert.ErrorContains(t, onnx.Write(&file, n.Network, weights, 0), "batch: expected at least 1, got 0")
	for name := range weights {
		weights[name] = safetensors.FromFloat32([]int{1}, []float32{1})
	}
	assert.ErrorContains(t, onnx.Write(&file, n.Network, weights, 1), "expected shape")
	assert.ErrorContains(t, onnx.Write(&file, n.Network, nil, 1), "expected shape")
	assert.Zero(t, file.Len(), "nothing is written of a network that cannot be")
}
