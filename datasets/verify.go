package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// VerifyResult is the outcome of one check.
type VerifyResult struct {
	// Dataset is the data set's name, or the folder's for files that belong to none that is known.
	Dataset string `json:"dataset"`
	// File is the path of the file or folder that was checked.
	File string `json:"file"`
	// Check is "sha256" (the file as it lies there), "binary sha256" (the file in the official
	// binary layout, as rebuilt from what lies there) or "content".
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	// Problem says what was found and what was expected; empty if OK.
	Problem string `json:"problem,omitempty"`
}

const (
	sumsFile    = "SHA256SUMS"
	binSumsFile = "BIN_SHA256SUMS"
)

// Verify checks the embedded data and everything in dir that it can: the files that a SHA256SUMS in
// dir or one of its folders lists; for each known data set the published sums of its files in the
// official layout (and a BIN_SHA256SUMS beside them) and the rules for its content: every record
// whole, labels in range, classes equally frequent; of sound every recording. A folder in which there is nothing to check
// gives a failed result. An empty dir checks the embedded data only.
func Verify(dir string) []VerifyResult { return verify(dir, knownSets) }

func verify(dir string, sets []*cifarSet) []VerifyResult {
	out := append(verifyEmbedded(), verifyEmbeddedSound()...)
	if dir == "" {
		return out
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return append(out, VerifyResult{Dataset: filepath.Base(dir), File: dir, Check: "content", Problem: err.Error()})
	}
	before := len(out)
	folders := []string{dir}
	for _, e := range entries {
		// Stat follows links: a data folder may well be one.
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			folders = append(folders, filepath.Join(dir, e.Name()))
		}
	}
	for _, folder := range folders {
		out = append(out, verifySums(folder)...)
	}
	for _, s := range sets {
		if loc, _, ok := s.locate(dir); ok {
			if !slices.Contains(folders, loc.dir) {
				out = append(out, verifySums(loc.dir)...)
			}
			out = append(out, s.verify(loc)...)
		}
	}
	out = append(out, verifySound(dir)...)
	if len(out) == before {
		out = append(out, VerifyResult{Dataset: filepath.Base(dir), File: dir, Check: "content",
			Problem: "nothing to check: no known data set and no " + sumsFile + " in it or its folders"})
	}
	return out
}

// verifySums checks the files that folder/SHA256SUMS lists.
func verifySums(folder string) []VerifyResult {
	path := filepath.Join(folder, sumsFile)
	name := filepath.Base(folder)
	sums, err := readSums(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []VerifyResult{{Dataset: name, File: path, Check: "content", Problem: err.Error()}}
	}
	var out []VerifyResult
	for _, want := range sums {
		file := filepath.Join(folder, filepath.FromSlash(want.Name))
		r := VerifyResult{Dataset: name, File: file, Check: "sha256"}
		got, err := sumFile(file)
		switch {
		case err != nil:
			r.Problem = err.Error()
		default:
			r.compare(got, want.SHA256)
		}
		out = append(out, r)
	}
	return out
}

func (r *VerifyResult) compare(got, want string) {
	r.OK = got == want
	if !r.OK {
		r.Problem = fmt.Sprintf("SHA-256 is %s, expected %s", got, want)
	}
}

// readSums reads a file in the format of sha256sum.
func readSums(path string) ([]FileSum, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseSums(path, data)
}

func parseSums(path string, data []byte) ([]FileSum, error) {
	var out []FileSum
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		name = strings.TrimPrefix(strings.TrimLeft(name, " "), "*")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, fmt.Errorf("%s: line %d: expected a SHA-256 and the name of a file in this folder", path, n)
		}
		out = append(out, FileSum{Name: name, SHA256: strings.ToLower(sum)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no line in it, expected sums", path)
	}
	return out, nil
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// verify checks one data set against its published sums and its rules.
func (s *cifarSet) verify(loc location) []VerifyResult {
	if len(loc.missing) > 0 {
		return []VerifyResult{{Dataset: s.name, File: loc.dir, Check: "content", Problem: "lacks " + strings.Join(loc.missing, ", ")}}
	}
	var out []VerifyResult
	sums := map[string][]string{} // of each .bin, by source
	for name, sum := range s.binSHA256 {
		sums[name] = append(sums[name], sum)
	}
	listed, err := readSums(filepath.Join(loc.dir, binSumsFile))
	if err == nil {
		for _, l := range listed {
			sums[l.Name] = append(sums[l.Name], l.SHA256)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		out = append(out, VerifyResult{Dataset: s.name, File: filepath.Join(loc.dir, binSumsFile), Check: "content", Problem: err.Error()})
	}
	st, err := s.open(loc)
	if err != nil {
		return append(out, VerifyResult{Dataset: s.name, File: loc.dir, Check: "content", Problem: err.Error()})
	}
	batches := s.batches()
	parts := make([]*Images, len(batches))
	results := make([][]VerifyResult, len(batches))
	_ = inParallel(len(batches), func(i int) error {
		file := filepath.Join(loc.dir, batches[i]+".bin")
		if loc.sheets {
			file = filepath.Join(loc.dir, batches[i]+".webp")
		}
		content := VerifyResult{Dataset: s.name, File: file, Check: "content"}
		im := st.layout.empty(s.name+" "+batches[i], st.records(batches[i]))
		if err := st.readBatch(batches[i], im); err != nil {
			content.Problem = err.Error()
			results[i] = append(results[i], content)
			return nil // collected in the results
		}
		content.OK = true
		parts[i] = im
		results[i] = append(results[i], content)
		wants := sums[batches[i]+".bin"]
		if len(wants) == 0 {
			return nil
		}
		got := sumOf("", im.appendBinary(make([]byte, 0, im.N*st.layout.recordBytes()), 0, im.N)).SHA256
		r := VerifyResult{Dataset: s.name, File: file, Check: "binary sha256", OK: true}
		for _, want := range wants {
			if r.OK {
				r.compare(got, want)
			}
		}
		results[i] = append(results[i], r)
		return nil
	})
	for _, r := range results {
		out = append(out, r...)
	}
	for _, split := range []struct {
		name  string
		parts []*Images
	}{{"train", parts[:len(s.train)]}, {"test", parts[len(s.train):]}} {
		r := VerifyResult{Dataset: s.name, File: loc.dir, Check: "content"}
		if err := checkBalance(s.name+" "+split.name, split.parts); err != nil {
			r.Problem = err.Error()
		}
		r.OK = r.Problem == ""
		out = append(out, r)
	}
	return out
}

// checkBalance reports a class that is more frequent than another, and a fine label that stands
// under two superclasses. Parts that could not be read are nil and are reported elsewhere.
func checkBalance(name string, parts []*Images) error {
	var count []int
	super := map[int32]int32{}
	for _, p := range parts {
		if p == nil {
			return fmt.Errorf("%s: not counted, a part could not be read", name)
		}
		if count == nil {
			count = make([]int, p.Classes)
		}
		for i, label := range p.Labels {
			count[label]++
			if p.Coarse == nil {
				continue
			}
			if other, seen := super[label]; seen && other != p.Coarse[i] {
				return fmt.Errorf("%s: image %d: class %d is under superclass %d, before it was under %d", p.Name, i, label, p.Coarse[i], other)
			}
			super[label] = p.Coarse[i]
		}
	}
	for class, n := range count {
		if n != count[0] {
			return fmt.Errorf("%s: class %d has %d images, class 0 has %d, expected the same number", name, class, n, count[0])
		}
	}
	return nil
}

// verifyEmbedded checks the embedded splits against the sums that their generator recorded.
func verifyEmbedded() []VerifyResult {
	const path = "embedded/" + binSumsFile
	fail := func(err error) []VerifyResult {
		return []VerifyResult{{Dataset: "embedded", File: "embedded", Check: "content", Problem: err.Error()}}
	}
	train, test, err := Embedded()
	if err != nil {
		return fail(err)
	}
	data, err := embeddedFiles.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	sums, err := parseSums(path, data)
	if err != nil {
		return fail(err)
	}
	var out []VerifyResult
	for _, want := range sums {
		im := train
		if want.Name == "test.bin" {
			im = test
		}
		r := VerifyResult{Dataset: "embedded", File: "embedded/" + want.Name, Check: "binary sha256"}
		r.compare(sumOf("", im.appendBinary(nil, 0, im.N)).SHA256, want.SHA256)
		out = append(out, r)
	}
	return out
}
