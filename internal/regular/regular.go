// Package regular opens regular files and nothing else: a pipe would keep its reader waiting, a device would fill the memory,
// and a link in a folder that a program appends to leads elsewhere.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Sizes that files of some kinds do not exceed, in bytes.
const (
	// Settings are configurations, architectures, lists of classes and tables.
	Settings = 64 << 20
	// Results are results and records of runs.
	Results = 512 << 20
)

// Open opens a regular file, or a link to one, to read it, and never waits for a writer.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	return f, check(f, path)
}

// Read is the contents of a regular file, or of what a link to one leads to, of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got %d", path, limit, info.Size())
	}
	// A file that grows meanwhile is not read beyond the limit either.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got more", path, limit)
	}
	return data, nil
}

// Edit opens a regular file to write to it, and makes it where there is none. A link in its place is refused: what it leads to
// may be anybody's.
func Edit(path string, flags int, mode fs.FileMode) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s: expected a regular file, found a link; remove it", path)
	}
	f, err := os.OpenFile(path, flags|nonBlocking|noFollow, mode)
	if err != nil {
		return nil, err
	}
	return f, check(f, path)
}

// check closes a file that is no regular one and says what it is.
func check(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if info.Mode().IsRegular() {
		return nil
	}
	_ = f.Close()
	return fmt.Errorf("%s: expected a regular file, found %s", path, kind(info.Mode()))
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return m.Type().String()
}
