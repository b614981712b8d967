package datasets

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets/audio"
)

// clipArchive is a tar file of recordings, and the table that says what each of them is.
type clipArchive struct {
	tar, index string
	columns    []string
	// optional archives may lack.
	optional bool
	// row makes a clip of the table's fields.
	row func(fields []string) (clipRow, error)
}

// clipRow says of a recording what it is, and whether it tests.
type clipRow struct {
	path, label string
	test        bool
}

// clipSet is a data set of recordings in archives.
type clipSet struct {
	name, folder       string
	rate, samples      int
	classNames         []string
	archives           []clipArchive
	noise              string
	licence, reference string
}

// Most bytes of a table and of a recording in an archive.
const (
	mostIndex = 64 << 20
	mostClip  = 16 << 20
)

// locate says in which of the folders of a file system the set's first table lies: with its own columns.
func (s *clipSet) locate(files fs.FS) (dir string, looked []string, ok bool) {
	for _, d := range []string{".", s.folder} {
		name := path.Join(d, s.archives[0].index)
		looked = append(looked, name)
		if info, err := fs.Stat(files, name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := files.Open(name)
		if err != nil {
			continue
		}
		head := make([]byte, 512)
		n, _ := io.ReadFull(f, head)
		f.Close()
		line, _, _ := strings.Cut(string(head[:n]), "\n")
		if strings.TrimSuffix(line, "\r") == strings.Join(s.archives[0].columns, ",") {
			return d, looked, true
		}
	}
	return "", looked, false
}

// load reads the set's clips: what trains and what tests.
func (s *clipSet) load(files fs.FS, where string) (train, test *Clips, err error) {
	dir, looked, ok := s.locate(files)
	if !ok {
		return nil, nil, fmt.Errorf("%s: %w: nothing of it in %s, looked for %s with the columns %s", s.name, fs.ErrNotExist, where,
			strings.Join(looked, ", "), strings.Join(s.archives[0].columns, ","))
	}
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return nil, nil, err
	}
	parts := [2]*clipPart{{}, {}}
	for _, a := range s.archives {
		if _, err := fs.Stat(sub, a.tar); a.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := s.read(sub, a, &parts); err != nil {
			return nil, nil, err
		}
	}
	var noise [][]float32
	var noiseSum []FileSum
	if _, err := fs.Stat(sub, s.noise); s.noise != "" && err == nil {
		_, sounds, sum, err := readClips(sub, s.noise, s.rate)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range sounds {
			noise = append(noise, floats(x))
		}
		noiseSum = append(noiseSum, sum)
	}
	sets := [2]*Clips{}
	for i, p := range parts {
		sets[i] = &Clips{Name: s.name + [2]string{" train", " test"}[i], Rate: s.rate, Samples: s.samples, ClassNames: s.classNames,
			Labels: p.labels, Keys: p.keys, Files: p.files, Noise: noise, Read: p.read}
		if len(p.labels) == 0 {
			return nil, nil, fmt.Errorf("%s: %s: no clip that %s", s.name, s.archives[0].index, [2]string{"trains", "tests"}[i])
		}
	}
	sets[0].Files = append(sets[0].Files, noiseSum...)
	return sets[0], sets[1], nil
}

// clipPart are clips in memory.
type clipPart struct {
	labels []int32
	keys   []string
	sounds [][]int16
	files  []FileSum
}

func (p *clipPart) read(i int) ([]float32, error) { return floats(p.sounds[i]), nil }

// read adds the clips of an archive to what trains and what tests.
func (s *clipSet) read(files fs.FS, a clipArchive, parts *[2]*clipPart) error {
	table, err := readTable(files, a.index)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	names, sounds, sum, err := readClips(files, a.tar, s.rate)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	at := map[string]int{}
	for i, name := range names {
		at[name] = i
	}
	seen := map[string]bool{}
	err = eachRow(a.index, table, a.columns, func(r csvRow) error {
		row, err := a.row(r.fields)
		if err != nil {
			return err
		}
		label := slices.Index(s.classNames, row.label)
		if label < 0 {
			return fmt.Errorf("%s: %s: label: expected one of %s, got %q", a.index, row.path, strings.Join(s.classNames, ", "), row.label)
		}
		i, ok := at[row.path]
		if !ok {
			return fmt.Errorf("%s: %s: expected it in %s, which has no such file", a.index, row.path, a.tar)
		}
		if seen[row.path] {
			return fmt.Errorf("%s: %s: expected each file once, got it twice", a.index, row.path)
		}
		seen[row.path] = true
		p := parts[0]
		if row.test {
			p = parts[1]
		}
		p.labels, p.keys, p.sounds = append(p.labels, int32(label)), append(p.keys, row.path), append(p.sounds, sounds[i])
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if len(seen) < len(names) {
		for _, name := range names {
			if !seen[name] {
				return fmt.Errorf("%s: %s: %s: expected a line of %s for each file, got none for %d of %d", s.name, a.tar, name, a.index, len(names)-len(seen), len(names))
			}
		}
	}
	for i := range parts {
		parts[i].files = append(parts[i].files, sum, sumOf(a.index, table))
	}
	return nil
}

// readClips decodes all recordings of a tar file, as one channel of 16 bit at a rate, in the order of the archive.
func readClips(files fs.FS, name string, rate int) (names []string, sounds [][]int16, sum FileSum, err error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, nil, sum, err
	}
	if err := isFile(name, info.Mode()); err != nil {
		return nil, nil, sum, err
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, nil, sum, err
	}
	defer f.Close()
	h := sha256.New()
	in := io.TeeReader(f, h)
	var raw [][]byte
	for t := tar.NewReader(in); ; {
		header, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, sum, fmt.Errorf("%s: %w", name, err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > mostClip {
			return nil, nil, sum, fmt.Errorf("%s: %s: expected at most %d bytes, got %d", name, header.Name, mostClip, header.Size)
		}
		data := bytes.NewBuffer(make([]byte, 0, header.Size))
		if _, err := io.Copy(data, t); err != nil {
			return nil, nil, sum, fmt.Errorf("%s: %s: %w", name, header.Name, err)
		}
		names, raw = append(names, header.Name), append(raw, data.Bytes())
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, nil, sum, fmt.Errorf("%s: %w", name, err)
	}
	sounds = make([][]int16, len(raw))
	err = inParallel(len(raw), func(i int) error {
		x, err := mono(names[i], raw[i], rate)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sounds[i], raw[i] = pcm(x), nil
		return nil
	})
	return names, sounds, FileSum{Name: path.Base(name), SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// mono decodes a recording to one channel at a rate.
func mono(name string, data []byte, rate int) ([]float32, error) {
	clip, err := audio.Decode(name, data)
	if err != nil {
		return nil, err
	}
	x, err := audio.Resample(clip.Mono(), clip.Rate, rate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return x, nil
}
