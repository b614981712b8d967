package safetensors

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	f := File{
		Tensors: map[string]Tensor{
			"b.weight": FromFloat32([]int{2, 3}, []float32{1, -2, float32(math.NaN()), float32(math.Inf(1)), 1e-40, 0}),
			"a.count":  FromInt64([]int{}, []int64{-7}),
			"empty":    FromFloat32([]int{0, 4}, nil),
		},
		Metadata: map[string]string{"format": "pt"},
	}
	require.NoError(t, Write(path, f))
	got, err := Read(path)
	require.NoError(t, err)
	assert.Equal(t, f.Metadata, got.Metadata)
	require.Len(t, got.Tensors, 3)
	for name, want := range f.Tensors {
		assert.Equal(t, want.DType, got.Tensors[name].DType)
		assert.Equal(t, want.Shape, got.Tensors[name].Shape)
		assert.Equal(t, string(want.Data), string(got.Tensors[name].Data))
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Zero(t, binary.LittleEndian.Uint64(raw)%8, "the data are aligned")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")
}

func TestFloat32(t *testing.T) {
	f64 := binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))
	for _, c := range []struct {
		tensor Tensor
		want   []float32
	}{
		{Tensor{F64, []int{1}, f64}, []float32{0.1}},
		{Tensor{BF16, []int{2}, []byte{0x80, 0x3f, 0x20, 0xc0}}, []float32{1, -2.5}},
		// 1, -2, the smallest subnormal, the largest number, infinity
		{Tensor{F16, []int{5}, []byte{0, 0x3c, 0, 0xc0, 1, 0, 0xff, 0x7b, 0, 0x7c}}, []float32{1, -2, 1.0 / (1 << 24), 65504, float32(math.Inf(1))}},
	} {
		got, err := c.tensor.Float32()
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	_, err := FromInt64([]int{}, []int64{1}).Float32()
	assert.ErrorContains(t, err, "got I64")
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	err := Write(filepath.Join(dir, "x"), File{Tensors: map[string]Tensor{"w": {F32, []int{3}, make([]byte, 8)}}})
	assert.ErrorContains(t, err, "w: 8 bytes do not hold F32 of shape [3]")
	assert.Error(t, Write(filepath.Join(dir, "no", "x"), File{}))
}

func file(header string, data ...byte) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(raw, header...), data...)
}

func TestReadRefuses(t *testing.T) {
	for message, raw := range map[string][]byte{
		"expected a header length of 8 bytes, the file has 3": {1, 2, 3},
		"a header of 255 bytes does not fit a file of 9":      append([]byte{255, 0, 0, 0, 0, 0, 0, 0}, '{'),
		"offset 12: header": file(`{"w"`),
		`offset 9: tensor "w": F32 of shape [2] at [0 8] does not fit 4 bytes`:                                     file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 1, 2, 3, 4),
		`offset 9: tensor "w": F32 of shape [2] at [0 4] does not fit 4 bytes`:                                     file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 1, 2, 3, 4),
		`offset 9: tensor "w": dtype: expected one of BF16, BOOL, F16, F32, F64, I16, I32, I64, I8, U8, got "C64"`: file(`{"w":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}`, 1, 2, 3, 4, 5, 6, 7, 8),
		`offset 9: tensor "w": shape [-1]: expected at most`:                                                       file(`{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}`),
		`offset 9: tensor "w": shape [70000 70000 70000]: expected at most`:                                        file(`{"w":{"dtype":"F32","shape":[70000,70000,70000],"data_offsets":[0,0]}}`),
		`offset 61: tensor "w" stands twice, first at offset 9`:                                                    file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
		`offset 9: tensor "w": dtype: the name stands twice`:                                                       file(`{"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
		`offset 9: tensor "w": unknown field "Dtype"`:                                                              file(`{"w":{"Dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
		`offset 9: tensor "w": expected dtype, shape and data_offsets`:                                             file(`{"w":{"dtype":"U8","data_offsets":[0,1]}}`, 1),
		`offset 9: tensor "w": data_offsets`:                                                                       file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1),
		`offset 9: tensor "w": shape[0]: expected a whole number, got the number 1.5`:                              file(`{"w":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1),
		`tensor "b": its bytes start at 2, expected 1, where those of the tensor before end`:                       file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 1, 2, 3),
		`tensor "b": its bytes from 1 on overlap those of the tensor before, which end at 2`:                       file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 1, 2, 3),
		`offset 69: 2 bytes behind the last tensor, expected the end of the file`:                                  file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}       `, 1, 2, 3),
		`header: expected its end, found "x"`:                                                                      file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} x`, 1),
		`header: __metadata__: a: expected a text, got the number 1`:                                               file(`{"__metadata__":{"a":1},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
		`expected an object of tensors`:                                                                            file(`[]`),
	} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		require.NoError(t, os.WriteFile(path, raw, 0o644))
		_, err := Read(path)
		require.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, path)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzParse(f *testing.F) {
	f.Add(file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := parse(raw)
		if err != nil {
			return
		}
		for _, tensor := range parsed.Tensors {
			_, _ = tensor.Float32()
		}
	})
}
