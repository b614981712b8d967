// Package checkpoint writes and reads the state of a run as one file: named float32 tensors and a JSON record,
// in the safetensors format, so that other tools can look inside.
package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// File is what a checkpoint holds.
type File struct {
	// Tensors by name; shapes are flat, the owner knows them.
	Tensors map[string][]float32
	// Record is the owner's JSON: counters, history, configuration.
	Record json.RawMessage
}

type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

const (
	metadataKey = "__metadata__"
	maxHeader   = 64 << 20
)

// Write replaces path atomically: a temporary file beside it, synced, renamed.
func Write(path string, f File) (err error) {
	names := make([]string, 0, len(f.Tensors))
	size := 0
	for name, v := range f.Tensors {
		names = append(names, name)
		size += 4 * len(v)
	}
	slices.Sort(names)
	data := make([]byte, 0, size)
	header := map[string]any{}
	for _, name := range names {
		start := len(data)
		for _, x := range f.Tensors[name] {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		header[name] = entry{"F32", []int{len(f.Tensors[name])}, [2]int{start, len(data)}}
	}
	sum := sha256.Sum256(data)
	header[metadataKey] = map[string]string{"record": string(f.Record), "sha256": hex.EncodeToString(sum[:])}
	head, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("checkpoint %s: %w", path, err)
		}
	}()
	for _, part := range [][]byte{binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head, data} {
		if _, err = tmp.Write(part); err != nil {
			return err
		}
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename last through a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// Read reads a checkpoint and checks its sum. A missing file satisfies errors.Is(err, fs.ErrNotExist).
func Read(path string) (File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("checkpoint: %w", err)
	}
	fail := func(offset int, format string, args ...any) (File, error) {
		return File{}, fmt.Errorf("checkpoint %s: offset %d: %s", path, offset, fmt.Sprintf(format, args...))
	}
	if len(raw) < 8 {
		return fail(0, "expected a header length of 8 bytes, the file has %d", len(raw))
	}
	n := binary.LittleEndian.Uint64(raw)
	if n > maxHeader || n > uint64(len(raw)-8) {
		return fail(0, "header of %d bytes does not fit a file of %d", n, len(raw))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return fail(8, "header: %v", err)
	}
	data := raw[8+n:]
	var meta map[string]string
	if err := json.Unmarshal(header[metadataKey], &meta); err != nil {
		return fail(8, "header: %s: %v", metadataKey, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != meta["sha256"] {
		return fail(int(8+n), "data: SHA-256 is %x, the header says %s", sum, meta["sha256"])
	}
	f := File{Tensors: make(map[string][]float32, len(header)), Record: json.RawMessage(meta["record"])}
	for name, rawEntry := range header {
		if name == metadataKey {
			continue
		}
		var e entry
		if err := json.Unmarshal(rawEntry, &e); err != nil {
			return fail(8, "header: %s: %v", name, err)
		}
		start, end := e.Offsets[0], e.Offsets[1]
		if e.DType != "F32" || start < 0 || end < start || end > len(data) || (end-start)%4 != 0 {
			return fail(8, "header: %s: expected F32 inside %d bytes of data, got %s at %v", name, len(data), e.DType, e.Offsets)
		}
		values := make([]float32, (end-start)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[start+4*i:]))
		}
		f.Tensors[name] = values
	}
	return f, nil
}
