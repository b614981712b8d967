// Package safetensors reads and writes files of named tensors in the safetensors format: a header in JSON, then the
// tensors' bytes, little-endian, row-major.
package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/gonas/gonas/internal/atomicfile"
)

// Types of elements, as the format names them.
const (
	F32  = "F32"
	F64  = "F64"
	F16  = "F16"
	BF16 = "BF16"
	I64  = "I64"
)

var sizes = map[string]int{F32: 4, F64: 8, F16: 2, BF16: 2, I64: 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

// Tensor is one tensor as stored.
type Tensor struct {
	DType string
	Shape []int
	// Data are the elements' bytes.
	Data []byte
}

// File is the whole of a file.
type File struct {
	Tensors map[string]Tensor
	// Metadata are the format's free strings.
	Metadata map[string]string
}

// FromFloat32 makes a tensor of type F32; the shape's product is len(values).
func FromFloat32(shape []int, values []float32) Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, x := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return Tensor{F32, shape, data}
}

// FromInt64 makes a tensor of type I64.
func FromInt64(shape []int, values []int64) Tensor {
	data := make([]byte, 0, 8*len(values))
	for _, x := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(x))
	}
	return Tensor{I64, shape, data}
}

// Size is the number of elements of a shape; 1 for a scalar.
func Size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Float32 returns the elements of a tensor of type F32, F64 (rounded), F16 or BF16.
func (t Tensor) Float32() ([]float32, error) {
	out := make([]float32, len(t.Data)/max(sizes[t.DType], 1))
	for i := range out {
		switch t.DType {
		case F32:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		case F64:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])))
		case BF16:
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		case F16:
			out[i] = half(binary.LittleEndian.Uint16(t.Data[2*i:]))
		default:
			return nil, fmt.Errorf("expected F32, F64, F16 or BF16, got %s", t.DType)
		}
	}
	return out, nil
}

// half widens IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case 0:
		v := float32(fraction) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

const (
	metadataKey = "__metadata__"
	maxHeader   = 100 << 20
)

// Write replaces path atomically. Tensors are written in the order of
// their names.
func Write(path string, f File) error {
	header := make(map[string]any, len(f.Tensors)+1)
	names := slices.Sorted(maps.Keys(f.Tensors))
	var at int64
	for _, name := range names {
		t := f.Tensors[name]
		if sizes[t.DType] == 0 || Size(t.Shape)*sizes[t.DType] != len(t.Data) {
			return fmt.Errorf("safetensors %s: %s: %d bytes do not hold %s of shape %v", path, name, len(t.Data), t.DType, t.Shape)
		}
		end := at + int64(len(t.Data))
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		header[name] = entry{t.DType, shape, [2]int64{at, end}}
		at = end
	}
	if len(f.Metadata) > 0 {
		header[metadataKey] = f.Metadata
	}
	head, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("safetensors %s: %w", path, err)
	}
	// The format's own library pads the header with spaces so that the data are aligned.
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	err = atomicfile.Write(path, 0o644, func(w io.Writer) error {
		if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head)))); err != nil {
			return err
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := w.Write(f.Tensors[name].Data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

// Read reads a file and checks that its tensors lie inside it. A missing file satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("safetensors: %w", err)
	}
	return Parse(path, raw)
}

// Parse is [Read] of a file's bytes, which errors call name. Tensors share the bytes.
func Parse(name string, raw []byte) (File, error) {
	f, err := parse(raw)
	if err != nil {
		return File{}, fmt.Errorf("safetensors %s: %w", name, err)
	}
	return f, nil
}

func parse(raw []byte) (File, error) {
	if len(raw) < 8 {
		return File{}, fmt.Errorf("offset 0: expected a header length of 8 bytes, the file has %d", len(raw))
	}
	n := binary.LittleEndian.Uint64(raw)
	if n > maxHeader || n > uint64(len(raw)-8) {
		return File{}, fmt.Errorf("offset 0: a header of %d bytes does not fit a file of %d", n, len(raw))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return File{}, fmt.Errorf("offset 8: header: %w", err)
	}
	data := raw[8+n:]
	f := File{Tensors: make(map[string]Tensor, len(header))}
	for name, rawEntry := range header {
		if name == metadataKey {
			if err := json.Unmarshal(rawEntry, &f.Metadata); err != nil {
				return File{}, fmt.Errorf("offset 8: header: %s: %w", name, err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(rawEntry, &e); err != nil {
			return File{}, fmt.Errorf("offset 8: header: %s: %w", name, err)
		}
		start, end := e.Offsets[0], e.Offsets[1]
		elements := int64(1)
		for _, d := range e.Shape {
			if d < 0 || d > 0 && elements > math.MaxInt32/int64(d) {
				return File{}, fmt.Errorf("offset 8: header: %s: shape %v", name, e.Shape)
			}
			elements *= int64(d)
		}
		size := int64(sizes[e.DType])
		if size == 0 || start < 0 || end < start || end > int64(len(data)) || end-start != elements*size {
			return File{}, fmt.Errorf("offset 8: header: %s: %s of shape %v at %v does not fit %d bytes of data", name, e.DType, e.Shape, e.Offsets, len(data))
		}
		f.Tensors[name] = Tensor{e.DType, e.Shape, data[start:end:end]}
	}
	return f, nil
}
