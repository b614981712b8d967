package datasets

import (
	"embed"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Names of the data sets of sound that [Open] knows.
const (
	// SpeechName is Google's Speech Commands, v0.01 or v0.02: the ten words of 12 classes, with silence and unknown words.
	SpeechName = "speech_commands"
	// ScenesName is ESC-10, environmental sounds; fold 5 tests. With -fold1 to -fold4 behind the name another one does.
	ScenesName = "esc10"
	// DomesticName is the development set of DCASE2018's task 5, domestic activities; fold 1 tests. With -fold2 to -fold4
	// behind the name another one does.
	DomesticName = "dcase2018_task5"
	// EmbeddedSpeechName and EmbeddedScenesName are parts of them that travel in the binary.
	EmbeddedSpeechName = "embedded-speech"
	EmbeddedScenesName = "embedded-scenes"
)

// SpeechRate is the rate of all sound that networks hear here, in samples a second.
const SpeechRate = 16000

// SpeechClasses are the 12 classes of Speech Commands in the order of TensorFlow's example: silence and unknown words
// first.
var SpeechClasses = []string{"_silence_", "_unknown_", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"}

// sceneClasses are those of ESC-10, in the order of its targets.
var sceneClasses = []string{"dog_bark", "rain", "sea_waves", "baby_cry", "clock_tick", "person_sneeze", "helicopter", "chainsaw", "rooster", "fire_crackling"}

// speechSet are FLAC clips of the official test files of Speech Commands v0.02, in two archives. Their split, by speaker,
// is this project's own: clips of the part valid train, for no choice is made on them here.
var speechSet = clipSet{
	name: SpeechName, folder: SpeechName, rate: SpeechRate, samples: SpeechRate, classNames: SpeechClasses,
	archives: []clipArchive{
		{tar: "clips.tar", index: "index.csv", columns: []string{"path", "label", "word", "speaker", "split"},
			row: func(f []string) (clipRow, error) { return speechRow(f[0], f[1], f[4]) }},
		{tar: "clips_v0.02_test_more.tar", index: "index_v0.02_test_more.csv", optional: true,
			columns: []string{"path", "label", "word", "speaker", "official_set", "own_split", "samples", "source"},
			row:     func(f []string) (clipRow, error) { return speechRow(f[0], f[1], f[5]) }},
	},
	noise:   "background_noise_20s.tar",
	licence: "CC BY 4.0", reference: "Warden, Speech Commands, 2018",
}

func speechRow(path, label, split string) (clipRow, error) {
	switch split {
	case "train", "valid", "test":
		return clipRow{path, label, split == "test"}, nil
	}
	return clipRow{}, fmt.Errorf("%s: split: expected train, valid or test, got %q", path, split)
}

// sceneSet is ESC-10 of which one of its five folds tests; clips of one recording lie in one fold.
func sceneSet(fold int) *clipSet {
	return &clipSet{
		name: ScenesName, folder: ScenesName, rate: SpeechRate, samples: 5 * SpeechRate, classNames: sceneClasses,
		archives: []clipArchive{{tar: "clips.tar", index: "index.csv", columns: []string{"file", "fold", "target", "category", "freesound_id", "take"},
			row: func(f []string) (clipRow, error) { return sceneRow(f[0], f[3], f[1], fold) }}},
		licence: "CC BY 3.0", reference: "Piczak, ESC, 2015",
	}
}

func sceneRow(path, label, fold string, tests int) (clipRow, error) {
	n, err := strconv.Atoi(fold)
	if err != nil || n < 1 || n > folds[ScenesName].most {
		return clipRow{}, fmt.Errorf("%s: fold: expected 1 to %d, got %q", path, folds[ScenesName].most, fold)
	}
	return clipRow{path, label, n == tests}, nil
}

// folds are the data sets of which another fold can test: their number of folds, and the one that tests where the name says none.
var folds = map[string]struct{ most, plain int }{ScenesName: {5, 5}, DomesticName: {domesticFoldsN, 1}}

// withFold takes a name such as esc10-fold2 apart. Names of other sets, and of folds that there are not, are left as they are,
// with fold 0.
func withFold(name string) (set string, fold int) {
	set, number, given := strings.Cut(name, "-fold")
	f, ok := folds[set]
	switch n, err := strconv.Atoi(number); {
	case !ok:
	case !given:
		return set, f.plain
	case err == nil && n >= 1 && n <= f.most && strconv.Itoa(n) == number:
		return set, n
	}
	return name, 0
}

// openFold opens a set of which a fold tests. The fold that tests anyway does not show in the set's name.
func openFold(set, dir string, fold int) (*Set, error) {
	name := set
	if fold != folds[set].plain {
		name = fmt.Sprintf("%s-fold%d", set, fold)
	}
	if set == DomesticName {
		return openDomestic(name, dir, fold)
	}
	s := sceneSet(fold)
	s.name = name
	return s.open(dir)
}

// Kind says what samples are.
type Kind string

// Kinds of samples: images, recordings of words, and recordings of places.
const (
	KindImages Kind = "images"
	KindSpeech Kind = "speech"
	KindScenes Kind = "scenes"
)

// KindOf is the kind of a data set by its name.
func KindOf(name string) Kind {
	name, _ = withFold(name)
	switch name {
	case SpeechName, EmbeddedSpeechName:
		return KindSpeech
	case ScenesName, EmbeddedScenesName, DomesticName:
		return KindScenes
	}
	return KindImages
}

// OpenKind finds the data set of a kind that lies in a folder, or, where there is no folder, the part of one that travels
// in the binary. Of scenes DCASE2018's task 5 goes before ESC-10.
func OpenKind(kind Kind, dir string) (*Set, error) {
	switch kind {
	case KindSpeech:
		if dir == "" {
			return Open(EmbeddedSpeechName, "")
		}
		return Open(SpeechName, dir)
	case KindScenes:
		if dir == "" {
			return Open(EmbeddedScenesName, "")
		}
		return openScenes(dir)
	}
	return Open("", dir)
}

// open reads the set from a folder of the machine.
func (s *clipSet) open(dir string) (*Set, error) {
	train, test, err := s.load(os.DirFS(dir), dir)
	if err != nil {
		return nil, err
	}
	return &Set{Name: s.name, Train: train.Source(), Test: test.Source()}, nil
}

// embedded reads the part of the set that travels in the binary.
func (s *clipSet) embedded(name string) (*Set, error) {
	train, test, err := s.inBinary(name)
	if err != nil {
		return nil, err
	}
	return &Set{Name: name, Train: train.Source(), Test: test.Source()}, nil
}

//go:embed embedded/speech_commands embedded/esc10
var embeddedSound embed.FS

// embeddedSpeech and embeddedScenes are read once; nobody changes clips.
var (
	embeddedSpeech = sync.OnceValues(func() (*Set, error) { return speechSet.embedded(EmbeddedSpeechName) })
	embeddedScenes = sync.OnceValues(func() (*Set, error) { return sceneSet(folds[ScenesName].plain).embedded(EmbeddedScenesName) })
)
