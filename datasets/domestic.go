package datasets

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// domesticFolder is the development set of DCASE2018's task 5 as its official archives unpack: recordings in audio, meta.txt
// with a line for each, and lists of what trains and what tests in evaluation_setup.
type domesticFolder struct {
	dir  string
	rows []domesticRow
	// tests says of each row whether it tests.
	tests []bool
	// official is true where the archive's own lists say so.
	official bool
}

// domesticRow is a line of meta.txt.
type domesticRow struct {
	file, label, session string
}

// Of the official recordings: 10 seconds of 4 channels.
const (
	domesticSeconds  = 10
	domesticChannels = 4
	domesticFoldsN   = 4
)

// domesticClips are the numbers of recordings of the development set, as published with it: 72,984 in all.
var domesticClips = map[string]int{"absence": 18860, "cooking": 5124, "dishwashing": 1424, "eating": 2308, "other": 2060,
	"social_activity": 4944, "vacuum_cleaner": 972, "watching_tv": 18648, "working": 18644}

var domesticClasses = []string{"absence", "cooking", "dishwashing", "eating", "other", "social_activity", "vacuum_cleaner", "watching_tv", "working"}

// domesticFolders are the places of the set below a data folder.
var domesticFolders = []string{".", DomesticName, "DCASE2018-task5-dev", DomesticName + "/DCASE2018-task5-dev"}

const (
	metaFile     = "meta.txt"
	foldFolder   = "evaluation_setup"
	audioFolder  = "audio"
	domesticWant = audioFolder + "/NAME.wav, a label and a session, with tabs between them"
)

// findDomestic says which folder below dir has the set; none is "".
func findDomestic(dir string) (string, error) {
	return findFolder(DomesticName, dir, domesticFolders, func(folder string) bool { return exists(folder, metaFile) })
}

// openDomestic opens the set of which one fold tests.
func openDomestic(name, dir string, fold int) (*Set, error) {
	folder, err := findDomestic(dir)
	if err != nil {
		return nil, err
	}
	if folder == "" {
		return nil, fmt.Errorf("%s: %w: no %s in %s, looked in %s", DomesticName, fs.ErrNotExist, metaFile, dir, strings.Join(domesticFolders, ", "))
	}
	f, err := readDomestic(folder, fold)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", DomesticName, err)
	}
	train, test := f.clips(name+" train", false), f.clips(name+" test", true)
	return &Set{Name: name, Train: train.Source(), Test: test.Source(), published: func() (bool, error) { return f.official && len(f.missing()) == 0, nil }}, nil
}

// readDomestic lists what lies there. Nothing is decoded.
func readDomestic(dir string, fold int) (*domesticFolder, error) {
	f := &domesticFolder{dir: dir}
	file := filepath.Join(dir, metaFile)
	data, err := readList(file)
	if err != nil {
		return nil, err
	}
	names, err := listWAV(dir, audioFolder)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	if f.rows, err = parseDomestic(file, data); err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, row := range f.rows {
		at[row.file] = i
		if !there[row.file] {
			return nil, fmt.Errorf("%s: expected every file of %s in it, there is no %s", dir, metaFile, row.file)
		}
	}
	for _, name := range names {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("%s: expected a line for every file, there is none for %s", file, name)
		}
	}
	if err := f.split(fold, at); err != nil {
		return nil, err
	}
	for _, test := range []bool{false, true} {
		if !slices.Contains(f.tests, test) {
			return nil, fmt.Errorf("%s: expected recordings that train and others that test in fold %d, got one kind only, of %d", dir, fold, len(f.rows))
		}
	}
	return f, nil
}

// parseDomestic reads meta.txt.
func parseDomestic(file string, data []byte) (rows []domesticRow, err error) {
	seen := map[string]bool{}
	labels := map[string]string{} // of sessions
	err = eachLine(file, data, func(l tabLine) error {
		if len(l.fields) != 3 || slices.Contains(l.fields, "") || path.Dir(l.fields[0]) != audioFolder {
			return l.wrong("expected " + domesticWant)
		}
		row := domesticRow{l.fields[0], l.fields[1], l.fields[2]}
		label, known := labels[row.session]
		switch {
		case seen[row.file]:
			return l.wrong("expected each file once")
		case !slices.Contains(domesticClasses, row.label):
			return l.wrong("expected a label of %s", strings.Join(domesticClasses, ", "))
		case known && label != row.label:
			return l.wrong("expected the label %s, which the session has above", label)
		}
		seen[row.file], labels[row.session] = true, row.label
		rows = append(rows, row)
		return nil
	})
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%s: expected lines of %s, got none", file, domesticWant)
	}
	return rows, err
}

// domesticFolds deals sessions to the folds 1 to 4, a fold a row: no session is in two. Those of a class go, the longest
// first, to the fold that has least of the class.
func domesticFolds(rows []domesticRow) []int {
	length := map[string]int{}
	sessions := map[string][]string{}
	for _, row := range rows {
		if length[row.session] == 0 {
			sessions[row.label] = append(sessions[row.label], row.session)
		}
		length[row.session]++
	}
	fold := map[string]int{}
	for _, class := range domesticClasses {
		list := sessions[class]
		slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(length[b], length[a]), cmp.Compare(a, b)) })
		var has [domesticFoldsN]int
		for _, session := range list {
			least := slices.Index(has[:], slices.Min(has[:]))
			fold[session] = least + 1
			has[least] += length[session]
		}
	}
	out := make([]int, len(rows))
	for i, row := range rows {
		out[i] = fold[row.session]
	}
	return out
}

// split says what tests: by the archive's lists where there are any of the fold, else by [domesticFolds].
func (f *domesticFolder) split(fold int, at map[string]int) error {
	name := func(part string) string { return foldFolder + "/fold" + strconv.Itoa(fold) + "_" + part + ".txt" }
	var in [3][]bool // of the lists, which rows they have
	lists := []string{name("train"), name("evaluate"), name("test")}
	for i, list := range lists {
		if !exists(f.dir, list) {
			continue
		}
		f.official = true
		var err error
		if in[i], err = f.members(list, at); err != nil {
			return err
		}
	}
	if !f.official {
		for _, of := range domesticFolds(f.rows) {
			f.tests = append(f.tests, of == fold)
		}
		return nil
	}
	train, test := in[0], in[1]
	if test == nil {
		test = in[2]
	}
	if train == nil || test == nil {
		return fmt.Errorf("%s: expected %s and %s or %s, or none of them", f.dir, lists[0], lists[1], lists[2])
	}
	side := map[string]bool{} // of sessions, whether they test
	for i, row := range f.rows {
		was, known := side[row.session]
		switch {
		case train[i] == test[i]:
			return fmt.Errorf("%s: %s: expected it in %s or in what tests, and not in both", f.dir, row.file, lists[0])
		case in[2] != nil && in[2][i] != test[i]:
			return fmt.Errorf("%s: %s: expected %s and %s to have the same files", f.dir, row.file, lists[1], lists[2])
		case known && was != test[i]:
			return fmt.Errorf("%s: %s: expected session %s on one side of fold %d, it trains and tests", f.dir, row.file, row.session, fold)
		}
		side[row.session] = test[i]
	}
	f.tests = test
	return nil
}

// members says which rows a list has. What it says besides the file has to be what meta.txt says.
func (f *domesticFolder) members(list string, at map[string]int) ([]bool, error) {
	file := filepath.Join(f.dir, filepath.FromSlash(list))
	data, err := readList(file)
	if err != nil {
		return nil, err
	}
	in := make([]bool, len(f.rows))
	return in, eachLine(file, data, func(l tabLine) error {
		i, ok := at[l.fields[0]]
		switch {
		case !ok:
			return l.wrong("expected a file of %s", metaFile)
		case in[i]:
			return l.wrong("expected each file once")
		case len(l.fields) > 3 || !slices.Equal(l.fields, []string{f.rows[i].file, f.rows[i].label, f.rows[i].session}[:len(l.fields)]):
			return l.wrong("expected what %s says: %s, %s", metaFile, f.rows[i].label, f.rows[i].session)
		}
		in[i] = true
		return nil
	})
}

// clips are those that train or that test, decoded as they are asked for: the mean of the channels.
func (f *domesticFolder) clips(name string, test bool) *Clips {
	c := &Clips{Name: name, Rate: SpeechRate, Samples: domesticSeconds * SpeechRate, ClassNames: domesticClasses}
	for i, row := range f.rows {
		if f.tests[i] == test {
			c.Labels, c.Keys = append(c.Labels, int32(slices.Index(domesticClasses, row.label))), append(c.Keys, row.file)
		}
	}
	files := &clipFiles{dir: f.dir, names: c.Keys, rate: SpeechRate}
	c.Read = files.read
	return c
}

// missing says of which class there is not the published number of recordings; the whole development set has none.
func (f *domesticFolder) missing() (out []string) {
	counts := map[string]int{}
	for _, row := range f.rows {
		counts[row.label]++
	}
	for _, label := range domesticClasses {
		if counts[label] != domesticClips[label] {
			out = append(out, fmt.Sprintf("%s: %d of %d recordings", label, counts[label], domesticClips[label]))
		}
	}
	return out
}

// files are all recordings there.
func (f *domesticFolder) files() []string {
	names := make([]string, len(f.rows))
	for i, row := range f.rows {
		names[i] = row.file
	}
	return names
}

// openScenes opens the set of scenes that lies in dir: DCASE's where there is one, else ESC-10.
func openScenes(dir string) (*Set, error) {
	folder, err := findDomestic(dir)
	if err != nil {
		return nil, err
	}
	if folder != "" {
		return Open(DomesticName, dir)
	}
	set, err := Open(ScenesName, dir)
	if _, _, ok := sceneSet(folds[ScenesName].plain).locate(os.DirFS(dir)); !ok {
		err = fmt.Errorf("%w; nor the %s of %s in %s", err, metaFile, DomesticName, strings.Join(domesticFolders, ", "))
	}
	return set, err
}
