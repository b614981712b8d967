package run

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/internal/regular"
	"github.com/gonas/gonas/internal/strictjson"
)

// stage is what a file of [SaveStage] holds.
type stage struct {
	// Of is the SHA-256 of the checkpoint that the value was computed from, Sum that of the value's JSON.
	Of    string          `json:"of"`
	Sum   string          `json:"sha256"`
	Value json.RawMessage `json:"value"`
}

// SaveStage keeps what stands behind the epochs, such as a test, a ranking or a generation, in a file of the run folder, so
// that a run that is cut short later does not compute it again. Without a folder nothing is kept.
func SaveStage[T any](dir, file string, value T) error {
	if dir == "" {
		return nil
	}
	of, err := checkpointSum(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, file)
	text, err := json.Marshal(value)
	if err == nil {
		text, err = json.Marshal(stage{of, hexSum(text), text})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return atomicfile.WriteBytes(path, 0o644, append(text, '\n'))
}

// LoadStage is what [SaveStage] has kept behind the checkpoint that the folder holds now, else T's zero.
func LoadStage[T any](dir, file string) (value T, err error) {
	if dir == "" {
		return value, nil
	}
	path := filepath.Join(dir, file)
	text, err := regular.Read(path, regular.Results)
	if errors.Is(err, fs.ErrNotExist) {
		return value, nil
	}
	if err != nil {
		return value, err
	}
	of, err := checkpointSum(dir)
	if err != nil {
		return value, err
	}
	var was stage
	if err := strictjson.Decode(path, text, &was); err != nil {
		return value, err
	}
	if sum := hexSum(was.Value); sum != was.Sum {
		return value, fmt.Errorf("%s: value: SHA-256 is %s, the file says %q: it was changed; remove the file to have it computed anew", path, sum, was.Sum)
	}
	if was.Of != of {
		return value, nil
	}
	return value, strictjson.Decode(path+": value", was.Value, &value)
}

// Once loads a stage, or computes and saves it.
func Once[T any](dir, file string, compute func() (*T, error)) (*T, error) {
	value, err := LoadStage[*T](dir, file)
	if value != nil || err != nil {
		return value, err
	}
	if value, err = compute(); err != nil {
		return nil, err
	}
	return value, SaveStage(dir, file, value)
}

func checkpointSum(dir string) (string, error) {
	f, err := regular.Open(filepath.Join(dir, CheckpointFile))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
