package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const (
	cifarSide   = 32
	cifarArea   = cifarSide * cifarSide
	cifarPixels = 3 * cifarArea
)

var cifar10Classes = []string{
	"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
}

// cifarLayout is one of the two official binary formats: records of label bytes, then the red,
// green and blue planes of a 32×32 image.
type cifarLayout struct {
	classes    int
	coarse     int // number of superclasses, whose label comes first; 0 for none
	classNames []string
}

var (
	cifar10Layout  = cifarLayout{classes: 10, classNames: cifar10Classes}
	cifar100Layout = cifarLayout{classes: 100, coarse: 20}
)

func (l cifarLayout) labelBytes() int {
	if l.coarse > 0 {
		return 2
	}
	return 1
}

func (l cifarLayout) recordBytes() int { return l.labelBytes() + cifarPixels }

func (l cifarLayout) empty(name string, n int) *Images {
	im := &Images{
		N: n, Height: cifarSide, Width: cifarSide, Channels: 3, Classes: l.classes,
		Pixels: make([]uint8, n*cifarPixels), Labels: make([]int32, n),
		Name: name, ClassNames: slices.Clone(l.classNames),
	}
	if l.coarse > 0 {
		im.Coarse = make([]int32, n)
	}
	return im
}

// checkLength compares a batch file's length with that of n records.
func (l cifarLayout) checkLength(file string, length int64, n int) error {
	record := int64(l.recordBytes())
	want := int64(n) * record
	switch {
	case length == want:
		return nil
	case length < want:
		return &FormatError{File: file, Offset: length, Field: fmt.Sprintf("image %d", length/record),
			Problem: fmt.Sprintf("truncated: the file has %d bytes, expected %d (%d images of %d bytes)", length, want, n, record)}
	}
	return &FormatError{File: file, Offset: want, Field: "file length",
		Problem: fmt.Sprintf("the file has %d bytes, expected %d (%d images of %d bytes)", length, want, n, record)}
}

// parse reads a batch of im.N records into im, which has the layout's shape.
func (l cifarLayout) parse(file string, data []byte, im *Images) error {
	if err := l.checkLength(file, int64(len(data)), im.N); err != nil {
		return err
	}
	for i := range im.N {
		at := i * l.recordBytes()
		record := data[at : at+l.recordBytes()]
		if l.coarse > 0 {
			if err := checkLabel(file, int64(at), "coarse label", i, record[0], l.coarse); err != nil {
				return err
			}
			im.Coarse[i] = int32(record[0])
			record, at = record[1:], at+1
		}
		if err := checkLabel(file, int64(at), "label", i, record[0], l.classes); err != nil {
			return err
		}
		im.Labels[i] = int32(record[0])
		red, green, blue := record[1:1+cifarArea], record[1+cifarArea:1+2*cifarArea], record[1+2*cifarArea:]
		image := im.Image(i)
		for p := range cifarArea {
			image[3*p], image[3*p+1], image[3*p+2] = red[p], green[p], blue[p]
		}
	}
	im.Files = []FileSum{sumOf(filepath.Base(file), data)}
	return nil
}

func checkLabel(file string, offset int64, what string, image int, label byte, classes int) error {
	if int(label) < classes {
		return nil
	}
	return &FormatError{File: file, Offset: offset, Field: fmt.Sprintf("%s of image %d", what, image),
		Problem: fmt.Sprintf("%d, expected 0 to %d", label, classes-1)}
}

// appendBinary appends images first to last-1 in the official binary layout.
func (im *Images) appendBinary(out []byte, first, last int) []byte {
	for i := first; i < last; i++ {
		if im.Coarse != nil {
			out = append(out, byte(im.Coarse[i]))
		}
		out = append(out, byte(im.Labels[i]))
		image := im.Image(i)
		for c := range im.Channels {
			for p := c; p < len(image); p += im.Channels {
				out = append(out, image[p])
			}
		}
	}
	return out
}

// cifarSet is one of the two data sets on disk.
type cifarSet struct {
	name   string
	layout cifarLayout
	// train and test name the batch files without their extension.
	train, test        []string
	perTrain, perTest  int
	binFolder, folder  string
	archive, url, md5  string
	archiveBytes       int64
	binSHA256          map[string]string
	listed             bool // sheets hold as many of the images as their [listing] says
	licence, reference string
}

var cifar10Set = cifarSet{
	name: "cifar10", layout: cifar10Layout,
	train:    []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
	test:     []string{"test_batch"},
	perTrain: 10000, perTest: 10000,
	binFolder: "cifar-10-batches-bin", folder: "cifar10",
	archive: "cifar-10-binary.tar.gz", url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
	md5: "c32a1d4ab5d03f1284b67883e8d87530", archiveBytes: 170052171,
	binSHA256: map[string]string{
		"data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
		"data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
		"data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
		"data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
		"data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
		"test_batch.bin":   "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
	},
	licence:   "none stated upstream; research use is customary, cite the report",
	reference: "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
}

var cifar100Set = cifarSet{
	name: "cifar100", layout: cifar100Layout,
	train: []string{"train"}, test: []string{"test"},
	perTrain: 50000, perTest: 10000,
	binFolder: "cifar-100-binary", folder: "cifar100",
	archive: "cifar-100-binary.tar.gz", url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
	md5: "03b5dce01913d631647c71ecec9e9cb8", archiveBytes: 168513733,
	listed:    true,
	licence:   "none stated upstream; research use is customary, cite the report",
	reference: "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
}

// LoadCIFAR10 reads the 50,000 training and 10,000 test images of CIFAR-10 in the official order.
// It takes the first of dir, dir/cifar-10-batches-bin and dir/cifar10 that is complete, either as
// the official .bin files or as lossless WebP sheets with .labels files. Errors in a file are
// [*FormatError]; when nothing complete is found the error lists what was looked for and satisfies
// errors.Is(err, fs.ErrNotExist).
func LoadCIFAR10(dir string) (train, test *Images, err error) { return cifar10Set.load(dir) }

// LoadCIFAR100 reads CIFAR-100 with its 100 fine labels in Labels. It takes the first of dir,
// dir/cifar-100-binary and dir/cifar100 that is complete: the official train.bin and test.bin, the
// 50,000 training and 10,000 test images with their superclasses in Coarse, or lossless WebP sheets
// of any number of them, train and test apart as upstream, each with a .labels file, beside
// classes.txt and index.csv, which name the classes and say how many images there are; of these
// Coarse is nil. Errors are as for [LoadCIFAR10].
func LoadCIFAR100(dir string) (train, test *Images, err error) { return cifar100Set.load(dir) }

func (s *cifarSet) batches() []string { return append(append([]string{}, s.train...), s.test...) }

// names returns the files that make up the set, as .bin files or as sheets.
func (s *cifarSet) names(sheets bool) []string {
	var out []string
	for _, b := range s.batches() {
		if sheets {
			out = append(out, b+".webp", b+".labels")
		} else {
			out = append(out, b+".bin")
		}
	}
	if sheets && s.listed {
		out = append(out, listingFiles...)
	}
	return out
}

// records is the number of images of a batch of the whole set.
func (s *cifarSet) records(batch string) int {
	if slices.Contains(s.test, batch) {
		return s.perTest
	}
	return s.perTrain
}

// location is where a data set was found.
type location struct {
	dir     string
	sheets  bool
	missing []string // empty where complete
}

// stored is a data set as it lies in a folder: its layout there, and where only some of the images are there, which.
type stored struct {
	*cifarSet
	location
	layout cifarLayout
	list   *listing // nil for whole sets
}

// open reads what says how a complete set lies in its folder.
func (s *cifarSet) open(loc location) (*stored, error) {
	st := &stored{cifarSet: s, location: loc, layout: s.layout}
	if !loc.sheets || !s.listed {
		return st, nil
	}
	list, err := readListing(loc.dir, s.batches(), s.layout.classes)
	if err != nil {
		return nil, err
	}
	st.list, st.layout = list, cifarLayout{classes: s.layout.classes, classNames: list.classNames}
	return st, nil
}

// records is the number of images of a batch as it lies there.
func (st *stored) records(batch string) int {
	if st.list != nil {
		return len(st.list.labels[batch])
	}
	return st.cifarSet.records(batch)
}

// total is the number of images of some batches.
func (st *stored) total(batches []string) int {
	n := 0
	for _, b := range batches {
		n += st.records(b)
	}
	return n
}

// locate finds the complete set, or else the folder that has most of it. ok is false where no file
// of it was found anywhere.
func (s *cifarSet) locate(dir string) (loc location, looked []string, ok bool) {
	found := 0
	for _, d := range []string{dir, filepath.Join(dir, s.binFolder), filepath.Join(dir, s.folder), filepath.Join(dir, s.folder, s.binFolder)} {
		for _, sheets := range []bool{false, true} {
			names := s.names(sheets)
			looked = append(looked, filepath.Join(d, names[0]))
			var missing []string
			have := 0
			for _, name := range names {
				if info, err := os.Stat(filepath.Join(d, name)); err != nil || info.IsDir() {
					missing = append(missing, name)
				} else if !slices.Contains(listingFiles, name) { // any data set may have an index.csv
					have++
				}
			}
			if len(missing) == 0 {
				return location{dir: d, sheets: sheets}, looked, true
			}
			if have > found {
				found, ok = have, true
				loc = location{dir: d, sheets: sheets, missing: missing}
			}
		}
	}
	return loc, looked, ok
}

func (s *cifarSet) load(dir string) (train, test *Images, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("%s: data folder: %w", s.name, err)
	}
	loc, looked, ok := s.locate(dir)
	if !ok {
		hint := ""
		if _, err := os.Stat(filepath.Join(dir, "cifar-10-batches-py")); err == nil && s.name == "cifar10" {
			hint = "; cifar-10-batches-py is the Python version, the binary version is needed"
		}
		return nil, nil, fmt.Errorf("%s: %w: nothing of it in %s, looked for %s%s (`gonas data fetch %s` brings it)",
			s.name, fs.ErrNotExist, dir, strings.Join(looked, ", "), hint, s.name)
	}
	if len(loc.missing) > 0 {
		return nil, nil, fmt.Errorf("%s: %w: %s lacks %s", s.name, fs.ErrNotExist, loc.dir, strings.Join(loc.missing, ", "))
	}
	st, err := s.open(loc)
	if err != nil {
		return nil, nil, err
	}
	return st.read()
}

// read reads both splits.
func (st *stored) read() (train, test *Images, err error) {
	var sets [2]*Images
	var parts []*Images
	for i, split := range []struct {
		name    string
		batches []string
	}{{" train", st.train}, {" test", st.test}} {
		// One slab a split, so that batches are decoded straight to their place.
		sets[i] = st.layout.empty(st.name+split.name, st.total(split.batches))
		first := 0
		for _, b := range split.batches {
			n := st.records(b)
			parts = append(parts, sets[i].window(first, n))
			first += n
		}
	}
	names := st.batches()
	if err := inParallel(len(names), func(i int) error { return st.readBatch(names[i], parts[i]) }); err != nil {
		return nil, nil, err
	}
	for i, part := range parts {
		of := sets[0]
		if i >= len(st.train) {
			of = sets[1]
		}
		of.Files = append(of.Files, part.Files...)
	}
	if st.list != nil {
		for _, of := range sets {
			of.Files = append(of.Files, st.list.files...)
		}
	}
	return sets[0], sets[1], nil
}

// readBatch reads a batch file, or a sheet with its labels, into im.
func (st *stored) readBatch(batch string, im *Images) error {
	path := filepath.Join(st.dir, batch)
	if !st.sheets {
		info, err := os.Stat(path + ".bin")
		if err != nil {
			return err
		}
		// Before reading: a wrong file may be of any size.
		if err := st.layout.checkLength(path+".bin", info.Size(), im.N); err != nil {
			return err
		}
		data, err := os.ReadFile(path + ".bin")
		if err != nil {
			return err
		}
		return st.layout.parse(path+".bin", data, im)
	}
	labels, err := os.ReadFile(path + ".labels")
	if err != nil {
		return err
	}
	if st.list != nil {
		if err := st.list.check(path+".labels", batch, labels); err != nil {
			return err
		}
	}
	sheet, err := os.ReadFile(path + ".webp")
	if err != nil {
		return err
	}
	if err := parseSheet(path+".webp", sheet, path+".labels", labels, st.layout, im); err != nil {
		return err
	}
	im.Files = []FileSum{sumOf(batch+".webp", sheet), sumOf(batch+".labels", labels)}
	return nil
}

// inParallel calls f(0) to f(n-1) on up to GOMAXPROCS goroutines and joins their errors in order.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}
