// Package checkpoint writes and reads the state of a run as one file: named float32 tensors and a JSON record,
// in the safetensors format, so that other tools can look inside.
package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/gonas/gonas/internal/strictjson"
	"github.com/gonas/gonas/nas/safetensors"
)

// File is what a checkpoint holds.
type File struct {
	// Tensors by name; shapes are flat, the owner knows them.
	Tensors map[string][]float32
	// Record is the owner's JSON: counters, history, configuration.
	Record json.RawMessage
}

// Write replaces path atomically.
func Write(path string, f File) error {
	out := safetensors.File{Tensors: make(map[string]safetensors.Tensor, len(f.Tensors))}
	for name, v := range f.Tensors {
		out.Tensors[name] = safetensors.FromFloat32([]int{len(v)}, v)
	}
	out.Metadata = map[string]string{"record": string(f.Record), "sha256": sum(out.Tensors, string(f.Record))}
	if err := safetensors.Write(path, out); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// sum is the SHA-256 of all that a checkpoint holds: its record, and of each tensor, in the order of their names, the name,
// type, shape and bytes, each with its length before it.
func sum(tensors map[string]safetensors.Tensor, record string) string {
	h := sha256.New()
	add := func(data []byte) {
		_ = binary.Write(h, binary.LittleEndian, uint64(len(data)))
		h.Write(data)
	}
	add([]byte(record))
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		add([]byte(name))
		add(fmt.Appendf(nil, "%s %v", t.DType, t.Shape))
		add(t.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Read reads a checkpoint and checks its sum. A missing file satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (File, error) {
	in, err := safetensors.Read(path)
	if err != nil {
		return File{}, fmt.Errorf("checkpoint: %w", err)
	}
	if got := sum(in.Tensors, in.Metadata["record"]); got != in.Metadata["sha256"] {
		return File{}, fmt.Errorf("checkpoint %s: SHA-256 of record and tensors is %s, the header says %q: the file was changed, or written by another version", path, got, in.Metadata["sha256"])
	}
	f := File{Tensors: make(map[string][]float32, len(in.Tensors)), Record: json.RawMessage(in.Metadata["record"])}
	for name, t := range in.Tensors {
		if t.DType != safetensors.F32 {
			return File{}, fmt.Errorf("checkpoint %s: %s: expected F32, got %s", path, name, t.DType)
		}
		if f.Tensors[name], err = t.Float32(); err != nil {
			return File{}, fmt.Errorf("checkpoint %s: %s: %w", path, name, err)
		}
	}
	return f, nil
}

// Save is [Write] with a record that becomes JSON.
func Save(path string, tensors map[string][]float32, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("checkpoint %s: record: %w", path, err)
	}
	return Write(path, File{Tensors: tensors, Record: text})
}

// Resume is [Read] with the record's JSON put into record. Where there is no checkpoint, tensors is nil without an error.
func Resume(path string, record any) (tensors map[string][]float32, err error) {
	f, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := strictjson.Decode("checkpoint "+path+": record", f.Record, record); err != nil {
		return nil, err
	}
	return f.Tensors, nil
}
