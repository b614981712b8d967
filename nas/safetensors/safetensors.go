// Package safetensors reads and writes files of named tensors in the safetensors format: a header in JSON, then the
// tensors' bytes, little-endian, row-major.
package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/internal/strictjson"
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

// Floats tells whether [Tensor.Float32] reads the type.
func (t Tensor) Floats() bool { return slices.Contains([]string{F32, F64, F16, BF16}, t.DType) }

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

// largest bounds a file that is read, which is kept in memory.
const largest = 64 << 30

// Read reads a file. A missing file satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (File, error) {
	raw, err := regular.Read(path, largest)
	if err != nil {
		return File{}, fmt.Errorf("safetensors: %w", err)
	}
	return Parse(path, raw)
}

// Parse is [Read] of a file's bytes, which errors call name. Tensors share the bytes. As the format demands, a name stands once,
// an entry has its three fields, written as they are, and no others, types are known, and the tensors' bytes follow each other
// without holes up to the end of the file; errors say offset and tensor.
func Parse(name string, raw []byte) (File, error) {
	f, err := parse(raw)
	if err != nil {
		return File{}, fmt.Errorf("safetensors %s: %w", name, err)
	}
	return f, nil
}

// headerLength is that of the header's own length.
const headerLength = 8

// placed is a tensor of the header.
type placed struct {
	name string
	at   int64 // of the name in the file
	entry
}

func parse(raw []byte) (File, error) {
	if len(raw) < headerLength {
		return File{}, fmt.Errorf("offset 0: expected a header length of %d bytes, the file has %d", headerLength, len(raw))
	}
	n := binary.LittleEndian.Uint64(raw)
	if n > maxHeader || n > uint64(len(raw)-headerLength) {
		return File{}, fmt.Errorf("offset 0: a header of %d bytes does not fit a file of %d", n, len(raw))
	}
	data := raw[headerLength+n:]
	entries, metadata, err := readHeader(raw[headerLength : headerLength+n])
	if err != nil {
		return File{}, err
	}
	f := File{Tensors: make(map[string]Tensor, len(entries)), Metadata: metadata}
	for _, e := range entries {
		elements := int64(1)
		for _, d := range e.Shape {
			if d < 0 || d > 0 && elements > math.MaxInt32/int64(d) {
				return File{}, fmt.Errorf("offset %d: tensor %q: shape %v: expected at most %d elements", e.at, e.name, e.Shape, math.MaxInt32)
			}
			elements *= int64(d)
		}
		start, end, size := e.Offsets[0], e.Offsets[1], int64(sizes[e.DType])
		switch {
		case size == 0:
			return File{}, fmt.Errorf("offset %d: tensor %q: dtype: expected one of %s, got %q", e.at, e.name, strings.Join(slices.Sorted(maps.Keys(sizes)), ", "), e.DType)
		case start < 0 || end < start || end > int64(len(data)) || end-start != elements*size:
			return File{}, fmt.Errorf("offset %d: tensor %q: %s of shape %v at %v does not fit %d bytes of data", e.at, e.name, e.DType, e.Shape, e.Offsets, len(data))
		}
		f.Tensors[e.name] = Tensor{e.DType, e.Shape, data[start:end:end]}
	}
	slices.SortStableFunc(entries, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]))
	})
	at := int64(0)
	for _, e := range entries {
		switch start := e.Offsets[0]; {
		case start < at:
			return File{}, fmt.Errorf("offset %d: tensor %q: its bytes from %d on overlap those of the tensor before, which end at %d", e.at, e.name, start, at)
		case start > at:
			return File{}, fmt.Errorf("offset %d: tensor %q: its bytes start at %d, expected %d, where those of the tensor before end", e.at, e.name, start, at)
		}
		at = e.Offsets[1]
	}
	if rest := int64(len(data)) - at; rest > 0 {
		return File{}, fmt.Errorf("offset %d: %d bytes behind the last tensor, expected the end of the file", headerLength+int64(n)+at, rest)
	}
	return f, nil
}

// readHeader reads the header, member by member.
func readHeader(text []byte) (entries []placed, metadata map[string]string, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	fail := func(err error) error {
		return fmt.Errorf("offset %d: header: %w", headerLength+d.InputOffset(), err)
	}
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, nil, fail(cmp.Or(err, errors.New("expected an object of tensors")))
	}
	seen := map[string]int64{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, nil, fail(err)
		}
		name := token.String()
		at := headerLength + d.InputOffset() - int64(len(name)) - 2 // the quotes; further in front where it has escapes
		value, err := d.ReadValue()
		if err != nil {
			return nil, nil, fail(err)
		}
		if first, twice := seen[name]; twice {
			return nil, nil, fmt.Errorf("offset %d: tensor %q stands twice, first at offset %d", at, name, first)
		}
		seen[name] = at
		if name == metadataKey {
			if err := strictjson.Decode(fmt.Sprintf("offset %d: header: %s", at, name), value, &metadata); err != nil {
				return nil, nil, err
			}
			continue
		}
		var fields struct {
			DType   *string   `json:"dtype"`
			Shape   *[]int    `json:"shape"`
			Offsets *[2]int64 `json:"data_offsets"`
		}
		where := fmt.Sprintf("offset %d: tensor %q", at, name)
		if err := strictjson.Decode(where, value, &fields); err != nil {
			return nil, nil, err
		}
		if fields.DType == nil || fields.Shape == nil || fields.Offsets == nil {
			return nil, nil, fmt.Errorf("%s: expected dtype, shape and data_offsets", where)
		}
		entries = append(entries, placed{name, at, entry{*fields.DType, *fields.Shape, *fields.Offsets}})
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, nil, fail(err)
	}
	if rest := bytes.TrimLeft(text[d.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, fmt.Errorf("offset %d: header: expected its end, found %.20q", headerLength+int64(len(text)-len(rest)), rest)
	}
	return entries, metadata, nil
}
