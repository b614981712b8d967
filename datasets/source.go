package datasets

import (
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

// Source is one split of labelled samples, of any kind: images of one size, a folder of image files, clips of sound.
type Source interface {
	// Name says what this is, for records and messages: "cifar10 train".
	Name() string
	// Files lists what was read, with its SHA-256; nil where nothing was read yet.
	Files() []FileSum
	// Len is the number of samples.
	Len() int
	// Classes is the number of classes, ClassNames their names in the order of the labels, nil where nothing gives them.
	Classes() int
	ClassNames() []string
	// Shape is that of a sample as it lies there, [height, width, channels]; 0 where samples differ.
	Shape() [3]int
	// Batches cuts samples into batches.
	Batches(BatchRequest) (BatchSource, error)
}

// BatchRequest says which samples make batches of which size, and how a sample is prepared.
type BatchRequest struct {
	// Size is the number of samples a batch.
	Size int
	// Indices selects the samples that take part, in order; nil takes all.
	Indices []int
	// Seed drives the order and what training varies.
	Seed uint64
	// Training augments the samples, draws a new order for every epoch and leaves out a last batch that is not full.
	// Without it the samples are as in evaluation, in the order of Indices.
	Training bool
	// Side is the height and width in pixels that images are brought to.
	Side int
	// Cutout is the side of the square that is set to zero in each training image, 0 for none.
	Cutout int
	// Jitter are the strengths of the colour jitter of training images read from a folder: brightness, contrast,
	// saturation, hue.
	Jitter *[4]float64
	// Sound says how clips become arrays; images take none.
	Sound *Sound
}

// Source makes a source of images of one size. They are halved until they fit, and varied as in DARTS's code.
func (im *Images) Source() Source { return imageSource{im} }

type imageSource struct{ images *Images }

func (s imageSource) Name() string         { return s.images.Name }
func (s imageSource) Files() []FileSum     { return s.images.Files }
func (s imageSource) Len() int             { return s.images.N }
func (s imageSource) Classes() int         { return s.images.Classes }
func (s imageSource) ClassNames() []string { return s.images.ClassNames }
func (s imageSource) Shape() [3]int {
	return [3]int{s.images.Height, s.images.Width, s.images.Channels}
}

// identify writes what the files do not say: which of their images are here.
func (s imageSource) identify(w io.Writer) {
	if im := s.images; im.part || im.Files == nil {
		_, _ = w.Write(im.Pixels)
		fmt.Fprintf(w, "%v\n", im.Labels)
	}
}

func (s imageSource) Batches(r BatchRequest) (BatchSource, error) {
	if r.Sound != nil {
		return nil, fmt.Errorf("batches of %s: sound: expected none for images", s.images.Name)
	}
	small, err := s.images.Resize(r.Side)
	if err != nil {
		return nil, err
	}
	config := BatchConfig{BatchSize: r.Size, Indices: r.Indices, Seed: r.Seed, Augment: EvalTransform()}
	if r.Training {
		config.Augment, config.Shuffle, config.DropLast = DARTSAugment(r.Side), true, true
		config.Augment.Cutout = r.Cutout
	}
	if s.images.Classes == cifar100Layout.classes {
		config.Augment = config.Augment.ForCIFAR100()
	}
	return NewBatches(small, config)
}

// Source makes a source of a folder of image files, which are decoded as they are asked for and cropped as torchvision
// does for ImageNet.
func (f *ImageFolder) Source() Source { return folderSource{f} }

type folderSource struct{ folder *ImageFolder }

func (s folderSource) Name() string     { return s.folder.Name }
func (s folderSource) Files() []FileSum { return nil }
func (s folderSource) Len() int         { return s.folder.Len() }
func (s folderSource) Classes() int     { return len(s.folder.Classes) }
func (s folderSource) ClassNames() []string {
	return s.folder.Classes
}
func (s folderSource) Shape() [3]int { return [3]int{0, 0, 3} }

func (s folderSource) identify(w io.Writer) {
	for i, name := range s.folder.Files {
		fmt.Fprintf(w, "%s %d %d\n", name, s.folder.Labels[i], s.folder.size(name))
	}
}

func (s folderSource) Batches(r BatchRequest) (BatchSource, error) {
	if r.Sound != nil {
		return nil, fmt.Errorf("batches of %s: sound: expected none for images", s.folder.Name)
	}
	config := ImageBatchConfig{BatchSize: r.Size, Indices: r.Indices, Seed: r.Seed, Transform: ImageNetEvalAt(r.Side)}
	if r.Training {
		config.Transform, config.Shuffle, config.DropLast = ImageNetTrain(), true, true
		config.Transform.Size = r.Side
		if j := r.Jitter; j != nil {
			config.Transform.Jitter = ColorJitter{Brightness: j[0], Contrast: j[1], Saturation: j[2], Hue: j[3]}
		}
	}
	if f := s.folder; f.Mean != [3]float64{} || f.Std != [3]float64{} {
		for k := range 3 {
			config.Transform.Mean[k], config.Transform.Std[k] = float32(f.Mean[k]), float32(f.Std[k])
		}
	}
	return NewImageBatches(s.folder, config)
}

// Set is a data set: what trains and what tests.
type Set struct {
	// Name is one of [Names].
	Name        string
	Train, Test Source
	// Notes say what a user has to know of what was read: files that were left out, how classes are ordered, what was split.
	Notes []string

	published func() (bool, error)
}

// Identity tells data sets apart in records: what they hold, not where they lie.
type Identity struct {
	Name string `json:"name"`
	// Train and Test are numbers of samples.
	Train int `json:"train"`
	Test  int `json:"test"`
	// SHA256 is of the list of the files' sums; for a part of their images, and for images of no file, of the images and
	// labels besides; for a folder, of the list of its files, their classes and sizes, not of what is in them, and of Speech Commands the
	// version and the noise besides.
	SHA256 string `json:"sha256"`
	// Published is true for the whole of what the papers used: CIFAR-10 by the sums of its official files, CIFAR-100 and
	// ImageNet by the numbers of their images and classes, Speech Commands (v0.01 or v0.02) by those of its parts' recordings,
	// DCASE2018's task 5 by those of its classes' and where the official lists of the fold are there.
	Published bool `json:"published"`
	// Mean and Std are what a folder's images are normalised by, by channel on the scale 0 to 1; 0 for other sets and for
	// ImageNet, which have theirs by their names.
	Mean [3]float64 `json:"mean,omitzero"`
	Std  [3]float64 `json:"std,omitzero"`
}

// String says it for people.
func (i Identity) String() string {
	return fmt.Sprintf("%s (%d training and %d test samples)", i.Name, i.Train, i.Test)
}

// Identity is the set's.
func (s *Set) Identity() (id Identity, err error) {
	h := sha256.New()
	id.Name = s.Name
	for _, part := range []struct {
		n      *int
		source Source
	}{{&id.Train, s.Train}, {&id.Test, s.Test}} {
		*part.n = part.source.Len()
		for _, f := range part.source.Files() {
			fmt.Fprintf(h, "%s %s\n", f.Name, f.SHA256)
		}
		if s, ok := part.source.(interface{ identify(io.Writer) }); ok {
			s.identify(h)
		}
		fmt.Fprintf(h, "%d\n", part.source.Len())
	}
	if f, ok := s.Train.(folderSource); ok {
		id.Mean, id.Std = f.folder.Mean, f.folder.Std
	}
	id.SHA256 = hex.EncodeToString(h.Sum(nil))
	if s.published != nil {
		id.Published, err = s.published()
	}
	return id, err
}

// Files are the files of both splits.
func (s *Set) Files() []FileSum { return slices.Concat(s.Train.Files(), s.Test.Files()) }

// Names of data sets that [Open] knows.
const (
	EmbeddedName = "embedded"
	CIFAR10Name  = "cifar10"
	CIFAR100Name = "cifar100"
	// FolderName is a folder of image files with the splits train and val.
	FolderName = "folder"
)

// Names lists the data sets that [Open] knows.
func Names() []string {
	return []string{EmbeddedName, CIFAR10Name, CIFAR100Name, FolderName, SpeechName, ScenesName, DomesticName, EmbeddedSpeechName, EmbeddedScenesName}
}

// Open finds a data set by name in a folder; those in the binary need none. Without a name it is the embedded one where there is
// no folder either, else the first that lies in the folder: CIFAR-10, CIFAR-100, or image files (see [OpenFolder]).
func Open(name, dir string) (*Set, error) {
	known := true
	if name == "" {
		name, known = guess(dir)
	}
	if set, fold := withFold(name); fold > 0 {
		return openFold(set, dir, fold)
	}
	switch name {
	case EmbeddedName, CIFAR10Name, CIFAR100Name:
		train, test, err := Load(name, dir)
		if !known {
			err = fmt.Errorf("%w; nor are there train.bin or train.webp of %s, or images in train/CLASS", err, CIFAR100Name)
		}
		if err != nil {
			return nil, err
		}
		return imageSet(name, train, test), nil
	case FolderName:
		return OpenFolder(dir, FolderOptions{})
	case SpeechName:
		return openSpeech(dir)
	case EmbeddedSpeechName:
		return embeddedSpeech()
	case EmbeddedScenesName:
		return embeddedScenes()
	}
	return nil, fmt.Errorf("data set %q: expected one of %s", name, strings.Join(Names(), ", "))
}

// Guess is the name of the data set of images that lies in a folder, "" where none is known.
func Guess(dir string) string {
	name, known := guess(dir)
	if !known {
		return ""
	}
	return name
}

// guess says what lies in a folder. Where it is nothing known, the error of the set that it names says what was looked for.
func guess(dir string) (name string, known bool) {
	if dir == "" {
		return EmbeddedName, true
	}
	for _, s := range knownSets {
		if _, _, ok := s.locate(dir); ok {
			return s.name, true
		}
	}
	for _, image := range []string{"train", imageArchive} {
		if _, err := os.Stat(filepath.Join(dir, image)); !errors.Is(err, fs.ErrNotExist) {
			return FolderName, true
		}
	}
	if hasImageFolders(dir) {
		return FolderName, true
	}
	return CIFAR10Name, false
}

// ImageSet is a data set of images in memory.
func ImageSet(train, test *Images) *Set {
	return imageSet(strings.TrimSuffix(train.Name, " train"), train, test)
}

func imageSet(name string, train, test *Images) *Set {
	s := &Set{Name: name, Train: train.Source(), Test: test.Source()}
	for _, known := range knownSets {
		if known.name == name {
			s.published = func() (bool, error) { return known.official(train, test) }
		}
	}
	return s
}

// FolderSet is a data set of two folders of image files.
func FolderSet(train, test *ImageFolder) *Set {
	return &Set{Name: FolderName, Train: train.Source(), Test: test.Source(), published: func() (bool, error) {
		return published(train, test), nil
	}}
}

// published tells whether two folders have ImageNet's numbers of images and classes.
func published(train, test *ImageFolder) bool {
	return train.Len() == imageNetTrain && test.Len() == imageNetVal && len(train.Classes) == 1000
}

// Numbers of images of ImageNet-1k (ILSVRC 2012).
const (
	imageNetTrain = 1281167
	imageNetVal   = 50000
)

// official tells whether images are the whole set: in the official binary layout its files have the published sums.
func (s *cifarSet) official(train, test *Images) (bool, error) {
	if train.N != len(s.train)*s.perTrain || test.N != len(s.test)*s.perTest {
		return false, nil
	}
	names := s.batches()
	same := make([]bool, len(names))
	err := inParallel(len(names), func(i int) error {
		want, known := s.binSHA256[names[i]+".bin"]
		if !known {
			same[i] = true
			return nil
		}
		im, n, first := train, s.perTrain, i*s.perTrain
		if i >= len(s.train) {
			im, n, first = test, s.perTest, (i-len(s.train))*s.perTest
		}
		same[i] = sumOf("", im.appendBinary(nil, first, first+n)).SHA256 == want
		return nil
	})
	return !slices.Contains(same, false), err
}
