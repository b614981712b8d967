package datasets

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Names of the data sets of sound that [Open] knows.
const (
	// SpeechName is Google's Speech Commands: the ten words of 12 classes, with silence and unknown words.
	SpeechName = "speech_commands"
	// ScenesName is ESC-10, environmental sounds.
	ScenesName = "esc10"
	// DomesticName is DCASE2018's task 5, domestic activities; see [KindScenes].
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

// sceneFold is the fold of ESC-10 that tests; clips of one recording lie in one fold.
const sceneFold = "5"

var sceneSet = clipSet{
	name: ScenesName, folder: ScenesName, rate: SpeechRate, samples: 5 * SpeechRate, classNames: sceneClasses,
	archives: []clipArchive{{tar: "clips.tar", index: "index.csv", columns: []string{"file", "fold", "target", "category", "freesound_id", "take"},
		row: func(f []string) (clipRow, error) { return clipRow{f[0], f[3], f[1] == sceneFold}, nil }}},
	licence: "CC BY 3.0", reference: "Piczak, ESC, 2015",
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
	switch name {
	case SpeechName, EmbeddedSpeechName:
		return KindSpeech
	case ScenesName, EmbeddedScenesName, DomesticName:
		return KindScenes
	}
	return KindImages
}

// OpenKind finds the data set of a kind that lies in a folder, or, where there is no folder, the part of one that travels
// in the binary.
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
		return Open(ScenesName, dir)
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
	files, err := fs.Sub(embeddedSound, "embedded")
	if err != nil {
		return nil, err
	}
	own := *s
	own.name = name
	train, test, err := own.load(files, "the binary")
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
	embeddedScenes = sync.OnceValues(func() (*Set, error) { return sceneSet.embedded(EmbeddedScenesName) })
)
