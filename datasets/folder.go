package datasets

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// FolderOptions say how a folder of images is taken.
type FolderOptions struct {
	// Classes is the order of the classes, by their names; nil takes that of [OpenImageFolder].
	Classes []string
	// SkipDamaged leaves out images that cannot be read, up to a tenth of all; without it one is an error.
	SkipDamaged bool
	// TrainOnly looks into the files of what trains alone: a search reads no others.
	TrainOnly bool
	// Progress, which may be nil, is told how many files of how many were looked at.
	Progress func(done, total int)
}

// Splits of a folder: what trains, and what tests, in the order in which one is looked for.
var testSplits = []string{"val", "valid", "validation", "test"}

// everyFifth is the share of the images of a class that test where a folder has no splits.
const everyFifth = 5

// mostLeftOut is the share of images that may be unreadable.
const mostLeftOut = 0.1

// OpenFolder is the data set of a folder of images: DIR/train/CLASS with DIR/val/CLASS (or valid, validation, test), or
// DIR/CLASS alone, of which a fifth of each class tests, chosen by the SHA-256 of the files' names and so always the same. All files that
// are read are looked at, in parallel, before anything is trained: see [ImageFolder.Check]. Classes are compared by name: one that
// train or test lacks is an error that names it. Notes of the set say what was left out and how classes are ordered.
func OpenFolder(dir string, o FolderOptions) (*Set, error) {
	train, test, notes, err := openSplits(dir)
	if err != nil {
		return nil, err
	}
	if err := sameClasses(train, test); err != nil {
		return nil, err
	}
	if o.Classes != nil {
		if err := errors.Join(train.order(o.Classes), test.order(o.Classes)); err != nil {
			return nil, err
		}
	}
	read := []*ImageFolder{train, test}
	total, done := train.Len()+test.Len(), atomic.Int64{}
	if o.TrainOnly {
		read, total = read[:1], train.Len()
	}
	for i, f := range read {
		err := f.check(o.SkipDamaged, i == 0 && !published(train, test), func() {
			if n := done.Add(1); o.Progress != nil {
				o.Progress(int(n), total)
			}
		})
		if err != nil {
			return nil, err
		}
		notes = append(notes, f.AllNotes()...)
	}
	if err := sameClasses(train, test); err != nil { // what is damaged may have been a class's last
		return nil, err
	}
	test.Mean, test.Std = train.Mean, train.Std
	set := FolderSet(train, test)
	slices.Sort(notes)
	set.Notes = slices.Compact(notes)
	return set, nil
}

func openSplits(dir string) (train, test *ImageFolder, notes []string, err error) {
	names := []string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("images of %s: expected a folder: %w", dir, err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	if !has("train") && !has(imageArchive) {
		whole, err := OpenImageFolder(dir, "")
		if err != nil {
			return nil, nil, nil, err
		}
		train, test, err = whole.split()
		return train, test, []string{fmt.Sprintf("%s has no splits: %d images train and %d test, a fifth of each class by the SHA-256 of their names", dir, trainLen(train), trainLen(test))}, err
	}
	if train, err = OpenImageFolder(dir, "train"); err != nil {
		return nil, nil, nil, err
	}
	var found []string
	for _, name := range testSplits {
		if has(name) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		found = testSplits[:1] // whose error says what is expected, or which the archive has
	}
	var failures []error
	for i, name := range found {
		if test, err = OpenImageFolder(dir, name); err == nil {
			if rest := found[i+1:]; len(rest) > 0 {
				if err := sameClassesOfOthers(train, dir, rest); err != nil {
					return nil, nil, nil, err
				}
				notes = append(notes, fmt.Sprintf("%s: %s tests; not read: %s", dir, name, strings.Join(rest, ", ")))
			}
			return train, test, notes, nil
		}
		failures = append(failures, err)
	}
	return nil, nil, nil, failures[0]
}

// sameClassesOfOthers compares the classes of splits that are not read. Folders such as ImageNet's test, whose images have no
// classes, are passed over.
func sameClassesOfOthers(train *ImageFolder, dir string, splits []string) error {
	for _, name := range splits {
		other, err := OpenImageFolder(dir, name)
		if err != nil || !slices.ContainsFunc(other.Classes, func(class string) bool { return slices.Contains(train.Classes, class) }) {
			continue
		}
		if err := sameClasses(train, other); err != nil {
			return err
		}
	}
	return nil
}

// SameAsTrain is the error of a split whose classes are others than those of the folder train beside it, if there is one.
func (f *ImageFolder) SameAsTrain() error {
	if _, err := os.Stat(filepath.Join(f.dir, "train")); err != nil || f.archive != nil {
		return nil
	}
	train, err := OpenImageFolder(f.dir, "train")
	if err != nil {
		return nil // which is not what is measured
	}
	return sameClasses(train, f)
}

func trainLen(f *ImageFolder) int {
	if f == nil {
		return 0
	}
	return f.Len()
}

// split parts a folder without splits.
func (f *ImageFolder) split() (train, test *ImageFolder, err error) {
	parts := [2]map[string][]string{{}, {}}
	for label, class := range f.Classes {
		var files []string
		for i, l := range f.Labels {
			if int(l) == label {
				files = append(files, f.Files[i])
			}
		}
		if len(files) < 2 {
			return nil, nil, fmt.Errorf("images of %s: class %s has 1 image, expected at least 2, of which one tests; or folders train and val", f.dir, class)
		}
		slices.SortFunc(files, func(a, b string) int {
			x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
			return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(a, b))
		})
		n := max(1, len(files)/everyFifth)
		parts[0][class], parts[1][class] = files[n:], files[:n]
	}
	out := [2]*ImageFolder{}
	for i, name := range []string{"train", "test"} {
		part := *f
		part.Name = f.Name + " " + name
		part.label(parts[i])
		if i > 0 {
			part.LeftOut, part.Notes = nil, nil
		}
		out[i] = &part
	}
	return out[0], out[1], nil
}

// sameClasses returns an error that names the classes that one of two folders lacks.
func sameClasses(train, test *ImageFolder) error {
	lacks := func(f, other *ImageFolder) string {
		var names []string
		for _, class := range f.Classes {
			if !slices.Contains(other.Classes, class) {
				names = append(names, class)
			}
		}
		if names == nil {
			return ""
		}
		return fmt.Sprintf("%s of %s %s not in %s", few(names), f.Name, map[bool]string{true: "is", false: "are"}[len(names) == 1], other.Name)
	}
	var all []string
	for _, text := range []string{lacks(test, train), lacks(train, test)} {
		if text != "" {
			all = append(all, text)
		}
	}
	if all == nil {
		return nil
	}
	return fmt.Errorf("images of %s: expected the same classes in both splits: %s", train.dir, strings.Join(all, "; "))
}

// order puts the classes into another order.
func (f *ImageFolder) order(names []string) error {
	classes := map[string][]string{}
	for i, label := range f.Labels {
		classes[f.Classes[label]] = append(classes[f.Classes[label]], f.Files[i])
	}
	var problems []string
	for i, name := range names {
		if classes[name] == nil {
			problems = append(problems, fmt.Sprintf("there is no folder of class %q", name))
		}
		if slices.Contains(names[:i], name) {
			problems = append(problems, fmt.Sprintf("class %q stands twice", name))
		}
	}
	for _, class := range f.Classes {
		if !slices.Contains(names, class) {
			problems = append(problems, fmt.Sprintf("class %q is missing", class))
		}
	}
	if problems != nil {
		return fmt.Errorf("classes of %s: %s", f.Name, few(problems))
	}
	if f.ClassNames != nil {
		ordered := make([]string, len(names))
		for i, name := range names {
			ordered[i] = f.ClassNames[slices.Index(f.Classes, name)]
		}
		f.ClassNames = ordered
	}
	f.Classes, f.Notes = slices.Clone(names), nil
	f.label(classes)
	return nil
}

// AllNotes are the notes and, in a line, what was left out.
func (f *ImageFolder) AllNotes() []string {
	notes := slices.Clone(f.Notes)
	if len(f.LeftOut) > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d files were left out: %s", f.Name, len(f.LeftOut), leftOut(f.LeftOut)))
	}
	return notes
}

// Among gives the images the labels that their classes have among these names, some of which may have no images.
func (f *ImageFolder) Among(names []string) error {
	var unknown []string
	for i, label := range f.Labels {
		class := f.Classes[label]
		at := slices.Index(names, class)
		if at < 0 && !slices.Contains(unknown, class) {
			unknown = append(unknown, class)
		}
		f.Labels[i] = int32(at)
	}
	if unknown != nil {
		return fmt.Errorf("classes of %s: not among the %d names: %s", f.Name, len(names), few(unknown))
	}
	f.Classes, f.ClassNames, f.Notes = slices.Clone(names), nil, nil
	return nil
}

// decoded is the number of images up to which a check decodes them all. Of larger folders it decodes that many, evenly
// spread, and of the others looks at the beginning and the end.
const decoded = 10000

// Check looks at every file, in parallel: of up to 10,000 every image is decoded, of more that many; of the others it looks at
// the format by the first bytes, the size in pixels, and whether the end is there, and decodes where one of these is in doubt. A
// damaged image is an error that names it and says how many there are; with skip those are left out, up to a tenth of all. seen,
// which may be nil, is called for each file.
func (f *ImageFolder) Check(skip bool, seen func()) error { return f.check(skip, false, seen) }

// check is Check; measure sets Mean and Std.
func (f *ImageFolder) check(skip, measure bool, seen func()) error {
	problems := make([]error, f.Len())
	of := make([]colours, f.Len())
	every := (f.Len() + decoded - 1) / decoded
	next := atomic.Int64{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < f.Len(); i = int(next.Add(1)) - 1 {
				if i%every != 0 {
					problems[i] = f.checkImage(i)
				} else if im, err := f.Decode(i); err != nil {
					problems[i] = err
				} else if measure {
					of[i] = coloursOf(im)
				}
				if seen != nil {
					seen()
				}
			}
		})
	}
	workers.Wait()
	var first error
	damaged := 0
	for _, err := range problems {
		if err != nil {
			damaged++
			first = cmp.Or(first, err)
		}
	}
	if measure {
		f.Mean, f.Std = channels(of)
	}
	share := float64(damaged) / float64(max(1, f.Len()))
	switch {
	case damaged == 0:
		return nil
	case !skip:
		return fmt.Errorf("%s: %d of %d images cannot be read, the first: %w; --damaged skip leaves them out", f.Name, damaged, f.Len(), first)
	case share > mostLeftOut:
		return fmt.Errorf("%s: %d of %d images cannot be read, more than a tenth, the first: %w", f.Name, damaged, f.Len(), first)
	}
	classes := map[string][]string{}
	for i, err := range problems {
		class := f.Classes[f.Labels[i]]
		if err == nil {
			classes[class] = append(classes[class], f.Files[i])
		} else {
			f.LeftOut = append(f.LeftOut, LeftOut{f.Files[i], "damaged"})
		}
	}
	f.Classes = slices.DeleteFunc(f.Classes, func(class string) bool { return classes[class] == nil })
	f.label(classes)
	return nil
}

// colours are an image's means and mean squares by channel, on the scale 0 to 1.
type colours struct {
	known        bool
	mean, square [3]float64
}

func coloursOf(im *RGB) colours {
	var sum, square [3]uint64
	for p := 0; p < len(im.Pix); p += 3 {
		for k, v := range im.Pix[p : p+3] {
			sum[k] += uint64(v)
			square[k] += uint64(v) * uint64(v)
		}
	}
	c := colours{known: true}
	n := float64(len(im.Pix) / 3)
	for k := range 3 {
		c.mean[k], c.square[k] = float64(sum[k])/(255*n), float64(square[k])/(255*255*n)
	}
	return c
}

// channels are mean and standard deviation of the images that are known, each of the same weight.
func channels(of []colours) (mean, std [3]float64) {
	n := 0.0
	var square [3]float64
	for _, c := range of {
		if !c.known {
			continue
		}
		n++
		for k := range 3 {
			mean[k] += c.mean[k]
			square[k] += c.square[k]
		}
	}
	if n == 0 {
		return mean, std
	}
	const least = 1. / 255 // images of one colour have no deviation to divide by
	for k := range 3 {
		mean[k] /= n
		std[k] = max(math.Sqrt(max(square[k]/n-float64(mean[k]*mean[k]), 0)), least)
	}
	return mean, std
}

// checkImage looks at one file.
func (f *ImageFolder) checkImage(i int) error {
	data, err := f.Read(i)
	if err != nil {
		return err
	}
	return CheckImage(f.path(i), data)
}

// size is that of a file in bytes, -1 where it is not known.
func (f *ImageFolder) size(name string) int64 {
	if f.archive != nil {
		return int64(len(f.archive[name]))
	}
	info, err := os.Stat(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		return -1
	}
	return info.Size()
}

// Listing is a line for each image of a data set of a folder: its path, its class and its bytes. Nil for other data sets.
func (s *Set) Listing() [][]string {
	var out [][]string
	for _, source := range []Source{s.Train, s.Test} {
		folder, ok := source.(folderSource)
		if !ok {
			return nil
		}
		f := folder.folder
		for i, name := range f.Files {
			out = append(out, []string{name, f.Classes[f.Labels[i]], strconv.FormatInt(f.size(name), 10)})
		}
	}
	return out
}

// Changes says what a folder's listing has become, for people: which classes and files are new, missing or of another size.
func Changes(was, now [][]string) string {
	type file struct{ class, size string }
	files := func(list [][]string) (map[string]file, []string) {
		out, classes := map[string]file{}, []string{}
		for _, line := range list {
			out[line[0]] = file{line[1], line[2]}
			if !slices.Contains(classes, line[1]) {
				classes = append(classes, line[1])
			}
		}
		return out, classes
	}
	before, classesBefore := files(was)
	after, classesAfter := files(now)
	without := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	}
	var parts, missing, added, other []string
	for _, line := range was {
		switch f, ok := after[line[0]]; {
		case !ok:
			missing = append(missing, line[0])
		case f.size != line[2]:
			other = append(other, line[0])
		}
	}
	for _, line := range now {
		if _, ok := before[line[0]]; !ok {
			added = append(added, line[0])
		}
	}
	for _, p := range []struct {
		what string
		list []string
	}{{"classes that are gone", without(classesBefore, classesAfter)}, {"new classes", without(classesAfter, classesBefore)},
		{"files that are gone", missing}, {"new files", added}, {"files of another size", other}} {
		if len(p.list) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", p.what, few(p.list)))
		}
	}
	if parts == nil && !slices.Equal(classesBefore, classesAfter) {
		parts = []string{fmt.Sprintf("another order of the classes: %s, not %s", few(classesAfter), few(classesBefore))}
	}
	return strings.Join(parts, "; ")
}

// leftOut names the first of some files by why they were left out.
func leftOut(list []LeftOut) string {
	byWhy := map[string][]string{}
	var whys []string
	for _, l := range list {
		if byWhy[l.Why] == nil {
			whys = append(whys, l.Why)
		}
		byWhy[l.Why] = append(byWhy[l.Why], l.Path)
	}
	parts := make([]string, len(whys))
	for i, why := range whys {
		parts[i] = fmt.Sprintf("%d %s, such as %s", len(byWhy[why]), why, byWhy[why][0])
	}
	return strings.Join(parts, "; ")
}

// hasImageFolders tells whether some folder in dir has an image.
func hasImageFolders(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		inside, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err == nil && slices.ContainsFunc(inside, func(f fs.DirEntry) bool { return isImage(path.Base(f.Name())) }) {
			return true
		}
	}
	return false
}
