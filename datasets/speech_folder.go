package datasets

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// speechFolder is Speech Commands as its official archives unpack: WORD/SPEAKER_nohash_NUMBER.wav, longer recordings in
// _background_noise_, and the lists of what validates and what tests.
type speechFolder struct {
	dir     string
	version string
	// parts are the recordings of each part, sorted.
	parts map[string][]string
	noise []string
}

const noiseFolder = "_background_noise_"

// speechFolders are the places of the archives' folders below a data folder; the last two are torchaudio's.
var speechFolders = []string{".", SpeechName, "speech_commands_v0.01", "speech_commands_v0.02",
	"SpeechCommands/speech_commands_v0.01", "SpeechCommands/speech_commands_v0.02"}

var speechParts = []string{PartTraining, PartValidation, PartTesting}

// speechLists are the official lists, each with its part.
var speechLists = []struct{ file, part string }{{"validation_list.txt", PartValidation}, {"testing_list.txt", PartTesting}}

// newWords came with v0.02; its other 30 words are those of v0.01.
var newWords = []string{"backward", "follow", "forward", "learn", "visual"}

// speechNumbers are numbers of files of the published versions (Warden, 1804.03209, has the sums: 64,727 with the noise and
// 105,829 without; the lists have validation and testing).
var speechNumbers = map[string]map[string]int{
	"v0.01": {PartTraining: 51088, PartValidation: 6798, PartTesting: 6835, noiseFolder: 6},
	"v0.02": {PartTraining: 84843, PartValidation: 9981, PartTesting: 11005, noiseFolder: 6},
}

// findSpeech says which folder below dir has the official archive's; none is "".
func findSpeech(dir string) (string, error) {
	return findFolder(SpeechName, dir, speechFolders, func(folder string) bool {
		return exists(folder, noiseFolder) || exists(folder, SpeechClasses[2])
	})
}

// openSpeech opens what lies in dir: the official archive's folders or, where there are none, clips in the archives of
// [speechSet].
func openSpeech(dir string) (*Set, error) {
	folder, err := findSpeech(dir)
	if err != nil {
		return nil, err
	}
	if folder == "" {
		set, err := speechSet.open(dir)
		if _, _, ok := speechSet.locate(os.DirFS(dir)); !ok {
			err = fmt.Errorf("%w; nor the folders of the official archive, which are %s and one for each word, in %s", err, noiseFolder, strings.Join(speechFolders, ", "))
		}
		return set, err
	}
	f, err := readSpeechFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SpeechName, err)
	}
	return f.set()
}

// readSpeechFolder lists what lies there. Nothing is decoded.
func readSpeechFolder(dir string) (*speechFolder, error) {
	f := &speechFolder{dir: dir, version: "v0.01", parts: map[string][]string{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, e := range entries {
		// Stat follows links.
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if !info.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == noiseFolder {
			continue
		}
		if strings.HasPrefix(e.Name(), "_") {
			return nil, fmt.Errorf("%s: expected the folder of a word or %s", filepath.Join(dir, e.Name()), noiseFolder)
		}
		words = append(words, e.Name())
	}
	for _, word := range SpeechClasses[2:] {
		if !slices.Contains(words, word) {
			return nil, fmt.Errorf("%s: expected a folder for each of the words %s, got none for %s", dir, strings.Join(SpeechClasses[2:], ", "), word)
		}
	}
	if f.noise, err = listWAV(dir, noiseFolder); err != nil {
		return nil, fmt.Errorf("noise, of which silence is made: %w", err)
	}
	known := map[string]string{}
	for _, word := range words {
		if slices.Contains(newWords, word) {
			f.version = "v0.02"
		}
		names, err := listWAV(dir, word)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !strings.Contains(path.Base(name), noHash) {
				return nil, fmt.Errorf("%s: expected a name SPEAKER%sNUMBER.wav", filepath.Join(dir, filepath.FromSlash(name)), noHash)
			}
			known[name] = WhichSet(name)
			f.parts[known[name]] = append(f.parts[known[name]], name)
		}
	}
	for _, list := range speechLists {
		if err := f.compare(list.file, list.part, known); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// compare refuses a list that differs from the hashes of the names, or that names what is not there.
func (f *speechFolder) compare(list, part string, known map[string]string) error {
	file := filepath.Join(f.dir, list)
	if !exists(file) {
		return nil
	}
	data, err := readList(file)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	err = eachLine(file, data, func(l tabLine) error {
		name := l.fields[0]
		got, there := known[name]
		switch {
		case len(l.fields) != 1 || listed[name]:
			return l.wrong("expected the name of a file, each once")
		case !there:
			return l.wrong("expected this file in %s, there is none", f.dir)
		case got != part:
			return l.wrong("expected a name whose hash says %s, as the list does; it says %s", part, got)
		}
		listed[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range f.parts[part] {
		if !listed[name] {
			return fmt.Errorf("%s: expected %s in it, whose hash says %s", file, name, part)
		}
	}
	return nil
}

// missing says of which part there is not the published number of files; whole sets have none.
func (f *speechFolder) missing() (out []string) {
	for _, part := range append(slices.Clone(speechParts), noiseFolder) {
		got, want := len(f.parts[part]), speechNumbers[f.version][part]
		if part == noiseFolder {
			got = len(f.noise)
		}
		if got != want {
			out = append(out, fmt.Sprintf("%s %s: %d of %d recordings", f.version, part, got, want))
		}
	}
	return out
}

// set makes a data set of the training and the testing part. The validation part is in neither: the example and the papers
// choose by it and train on the rest.
func (f *speechFolder) set() (*Set, error) {
	noise, sums, err := f.readNoise()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SpeechName, err)
	}
	train, err := f.clips(PartTraining, noise)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SpeechName, err)
	}
	test, err := f.clips(PartTesting, noise)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SpeechName, err)
	}
	train.Files = sums
	return &Set{Name: SpeechName, Train: train.Source(), Test: test.Source(), published: func() (bool, error) { return len(f.missing()) == 0, nil }}, nil
}

func (f *speechFolder) readNoise() (noise [][]float32, sums []FileSum, err error) {
	for _, name := range f.noise {
		file := filepath.Join(f.dir, filepath.FromSlash(name))
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		x, err := mono(file, data, SpeechRate)
		if err != nil {
			return nil, nil, err
		}
		if len(x) <= SpeechRate {
			return nil, nil, fmt.Errorf("%s: expected more than a second of noise, got %d samples", file, len(x))
		}
		noise, sums = append(noise, x), append(sums, sumOf(name, data))
	}
	return noise, sums, nil
}

// clips are those of a part, in 12 classes as TensorFlow's example makes them: all recordings of the ten words, a tenth as
// many of all other words, drawn once and for all, and a tenth as many of silence.
func (f *speechFolder) clips(part string, noise [][]float32) (*Clips, error) {
	c := &Clips{Name: SpeechName + " " + f.version + " " + part, Rate: SpeechRate, Samples: SpeechRate, ClassNames: SpeechClasses, Noise: noise, version: f.version}
	var others []string
	for _, name := range f.parts[part] {
		word, _, _ := strings.Cut(name, "/")
		label := slices.Index(SpeechClasses, word)
		if label < 0 {
			others = append(others, name)
			continue
		}
		c.Labels, c.Keys = append(c.Labels, int32(label)), append(c.Keys, name)
	}
	if len(c.Keys) == 0 || len(others) == 0 {
		return nil, fmt.Errorf("%s: expected recordings of the ten words and of others in the %s part, got %d and %d", f.dir, part, len(c.Keys), len(others))
	}
	share := (len(c.Keys) + 9) / 10
	var pcg rand.PCG
	seedPCG(&pcg, streamUnknown, 0, 0, slices.Index(speechParts, part))
	rand.New(&pcg).Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	others = others[:min(share, len(others))]
	slices.Sort(others)
	for _, name := range others {
		c.Labels, c.Keys = append(c.Labels, 1), append(c.Keys, name)
	}
	files := &clipFiles{dir: f.dir, names: slices.Clone(c.Keys), rate: SpeechRate}
	c.Read = files.read
	for i := range share {
		c.Labels, c.Keys = append(c.Labels, 0), append(c.Keys, fmt.Sprintf("%s/%d", SpeechClasses[0], i))
	}
	c.silent = share
	return c, nil
}

// files are all recordings there, of every part, and the noise.
func (f *speechFolder) files() []string {
	return slices.Concat(f.parts[PartTraining], f.parts[PartValidation], f.parts[PartTesting], f.noise)
}
