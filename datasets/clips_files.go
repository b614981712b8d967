package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets/audio"
)

// clipFiles are recordings in files, read as they are asked for.
type clipFiles struct {
	dir   string
	names []string // within dir, with slashes
	rate  int
}

func (f *clipFiles) read(i int) ([]float32, error) {
	file := filepath.Join(f.dir, filepath.FromSlash(f.names[i]))
	clip, err := audio.ReadFile(file)
	if err != nil {
		return nil, err
	}
	x, err := clip.At(f.rate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return x, nil
}

// listWAV lists the WAV files of a folder below dir, sorted, as paths within dir. Hidden files and files of other kinds are
// passed over. What is called .wav and is no file is an error, and so is a folder without any.
func listWAV(dir, folder string) ([]string, error) {
	where := filepath.Join(dir, filepath.FromSlash(folder))
	entries, err := os.ReadDir(where)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !strings.EqualFold(filepath.Ext(e.Name()), ".wav") {
			continue
		}
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(where, e.Name()))
			if err != nil {
				return nil, err
			}
			mode = info.Mode()
		}
		if err := isFile(filepath.Join(where, e.Name()), mode); err != nil {
			return nil, err
		}
		names = append(names, path.Join(folder, e.Name()))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: expected WAV files in it, got none", where)
	}
	return names, nil
}

// isFile is the error of something that is no regular file: a read of a pipe would wait for ever.
func isFile(name string, mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s: expected a file, got a folder", name)
	}
	return fmt.Errorf("%s: expected a file, got something else (%s)", name, mode.Type())
}

// readTable reads a list or table whole.
func readTable(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if err := isFile(name, info.Mode()); err != nil {
		return nil, err
	}
	if info.Size() > mostIndex {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got %d", name, mostIndex, info.Size())
	}
	return fs.ReadFile(files, name)
}

// readList reads a table of a folder on disk; errors name its whole path.
func readList(file string) ([]byte, error) {
	data, err := readTable(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		pathError.Path = file
		return nil, pathError
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Dir(file), err)
	}
	return data, nil
}

// tabLine is a line of a list: fields between tabs.
type tabLine struct {
	file   string
	number int
	at     int64
	fields []string
}

// wrong is the error of a line that is not as expected.
func (l tabLine) wrong(format string, args ...any) error {
	return &FormatError{File: l.file, Offset: l.at, Field: fmt.Sprintf("line %d", l.number),
		Problem: fmt.Sprintf("%q: ", strings.Join(l.fields, "\t")) + fmt.Sprintf(format, args...)}
}

// eachLine calls f with the lines of a list that are not empty, until one fails.
func eachLine(file string, data []byte, f func(tabLine) error) error {
	l := tabLine{file: file}
	for line := range strings.Lines(string(data)) {
		l.number++
		text := strings.TrimRight(line, "\r\n")
		l.fields = strings.Split(text, "\t")
		if text != "" {
			if err := f(l); err != nil {
				return err
			}
		}
		l.at += int64(len(line))
	}
	return nil
}

// findFolder says which of some folders below dir holds a data set: the one that is of it. Two of them are an error, since a
// choice between them would be a guess. Without any the folder is empty.
func findFolder(name, dir string, below []string, is func(folder string) bool) (folder string, err error) {
	if dir == "" {
		return "", nil
	}
	var found []string
	var infos []fs.FileInfo
	for _, b := range below {
		folder := filepath.Join(dir, filepath.FromSlash(b))
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() || !is(folder) ||
			slices.ContainsFunc(infos, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			continue
		}
		found, infos = append(found, folder), append(infos, info)
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s: expected one in %s, got %s: give the folder of one of them", name, dir, strings.Join(found, " and "))
}

// exists tells whether something lies there, whatever it is.
func exists(elements ...string) bool {
	_, err := os.Stat(filepath.Join(elements...))
	return !errors.Is(err, fs.ErrNotExist)
}
