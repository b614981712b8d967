package datasets

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gonas/gonas/datasets/audio"
)

// What a user of the recordings has to know.
const (
	domesticLicence   = "academic use, by its EULA"
	domesticReference = "Dekkers et al., DCASE2018 task 5, 2018"
)

// soundFolder is a data set as its official archive unpacks.
type soundFolder interface {
	// files are all recordings, within the folder.
	files() []string
	// missing says of which part of the published set there is another number of recordings; nothing where it is whole.
	missing() []string
}

// listSound says which data sets of sound are in dir.
func listSound(dir string) []Status {
	speech := Status{Name: SpeechName, State: Absent, Licence: speechSet.licence, Reference: speechSet.reference}
	scenes := Status{Name: ScenesName, State: Absent, Licence: sceneSet(0).licence, Reference: sceneSet(0).reference}
	domestic := Status{Name: DomesticName, State: Absent, Licence: domesticLicence, Reference: domesticReference}
	if dir != "" {
		if folder, err := findSpeech(dir); folder != "" || err != nil {
			speech.folder(folder, err, func() (soundFolder, string, error) {
				f, err := readSpeechFolder(folder)
				if err != nil {
					return nil, "", err
				}
				return f, "folders " + f.version, nil
			})
		} else {
			speech.archives(&speechSet, dir)
		}
		scenes.archives(sceneSet(0), dir)
		if folder, err := findDomestic(dir); folder != "" || err != nil {
			domestic.folder(folder, err, func() (soundFolder, string, error) {
				f, err := readDomestic(folder, folds[DomesticName].plain)
				return f, "folders", err
			})
		}
	}
	out := []Status{speech, scenes, domestic}
	for _, e := range []struct {
		name, folder string
		of           Status
	}{{EmbeddedSpeechName, SpeechName, speech}, {EmbeddedScenesName, ScenesName, scenes}} {
		s := Status{Name: e.name, State: Present, Format: "embedded", Licence: e.of.Licence, Reference: e.of.Reference}
		_ = fs.WalkDir(embeddedSound, "embedded/"+e.folder, func(_ string, d fs.DirEntry, err error) error {
			if info, infoErr := d.Info(); err == nil && infoErr == nil && !d.IsDir() {
				s.Bytes += info.Size()
			}
			return nil
		})
		out = append(out, s)
	}
	return out
}

// folder notes a set that lies as folders. What does not open is partial, with its problem.
func (s *Status) folder(folder string, err error, read func() (f soundFolder, format string, err error)) {
	s.State, s.Path, s.Format = Partial, folder, "folders"
	if err != nil {
		s.Problem = err.Error()
		return
	}
	f, format, err := read()
	if err != nil {
		s.Problem = err.Error()
		return
	}
	s.Format = format
	for _, name := range f.files() {
		if info, err := os.Stat(filepath.Join(folder, filepath.FromSlash(name))); err == nil {
			s.Bytes += info.Size()
		}
	}
	if s.Missing = f.missing(); len(s.Missing) == 0 {
		s.State = Present
	}
}

// archives notes a set that lies as archives.
func (s *Status) archives(set *clipSet, dir string) {
	below, _, ok := set.locate(os.DirFS(dir))
	if !ok {
		return
	}
	s.State, s.Path, s.Format = Present, filepath.Join(dir, below), "flac in tar"
	for _, a := range set.archives {
		for _, name := range []string{a.index, a.tar} {
			if info, err := os.Stat(filepath.Join(s.Path, name)); err == nil {
				s.Bytes += info.Size()
			} else if !a.optional {
				s.Missing = append(s.Missing, name)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(s.Path, set.noise)); set.noise != "" && err == nil {
		s.Bytes += info.Size()
	}
	if len(s.Missing) > 0 {
		s.State = Partial
	}
}

// verifyEmbeddedSound decodes the recordings in the binary.
func verifyEmbeddedSound() []VerifyResult {
	var out []VerifyResult
	for _, name := range []string{EmbeddedSpeechName, EmbeddedScenesName} {
		_, err := Open(name, "")
		out = append(out, contentResult(name, name, err))
	}
	return out
}

func contentResult(set, file string, err error) VerifyResult {
	r := VerifyResult{Dataset: set, File: file, Check: "content", OK: err == nil}
	if err != nil {
		r.Problem = err.Error()
	}
	return r
}

// verifySound checks the data sets of sound in dir: lists and tables, and every recording.
func verifySound(dir string) (out []VerifyResult) {
	if folder, err := findSpeech(dir); err != nil {
		out = append(out, contentResult(SpeechName, dir, err))
	} else if folder != "" {
		f, err := readSpeechFolder(folder)
		if err == nil {
			_, err = f.set()
		}
		out = append(out, contentResult(SpeechName, folder, err))
		if f != nil {
			out = append(out, verifyRecordings(SpeechName, folder, f.files(), 1, 0)...)
		}
	}
	if folder, err := findDomestic(dir); err != nil {
		out = append(out, contentResult(DomesticName, dir, err))
	} else if folder != "" {
		var f *domesticFolder
		for fold := range folds[DomesticName].most {
			if f, err = readDomestic(folder, fold+1); err != nil {
				break
			}
		}
		out = append(out, contentResult(DomesticName, folder, err))
		if f != nil {
			out = append(out, verifyRecordings(DomesticName, folder, f.files(), domesticChannels, domesticSeconds)...)
		}
	}
	for _, s := range []*clipSet{&speechSet, sceneSet(folds[ScenesName].plain)} {
		if below, _, ok := s.locate(os.DirFS(dir)); ok {
			_, _, err := s.load(os.DirFS(dir), dir)
			out = append(out, contentResult(s.name, filepath.Join(dir, below), err))
		}
	}
	return out
}

// mostBroken is the number of broken recordings that [Verify] names one by one.
const mostBroken = 20

// verifyRecordings decodes all recordings of a folder; the rate and the number of channels have to be the set's, and the
// length, where seconds is not 0, to a hundredth.
func verifyRecordings(set, folder string, names []string, channels, seconds int) (out []VerifyResult) {
	errs := make([]error, len(names))
	_ = inParallel(len(names), func(i int) error {
		var clip audio.Clip
		clip, errs[i] = audio.ReadFile(filepath.Join(folder, filepath.FromSlash(names[i])))
		if errs[i] != nil {
			return nil // collected in the results
		}
		length := float64(clip.Samples()) / float64(clip.Rate)
		if clip.Rate != SpeechRate || len(clip.Channels) != channels {
			errs[i] = fmt.Errorf("expected %d channels at %d Hz, got %d at %d Hz", channels, SpeechRate, len(clip.Channels), clip.Rate)
		} else if want := float64(seconds); seconds > 0 && (length < 0.99*want || length > 1.01*want) {
			errs[i] = fmt.Errorf("expected %d s, got %.2f s", seconds, length)
		}
		return nil
	})
	broken := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		if broken++; broken <= mostBroken {
			out = append(out, contentResult(set, filepath.Join(folder, filepath.FromSlash(names[i])), err))
		}
	}
	var err error
	if broken > 0 {
		err = fmt.Errorf("expected all %d recordings to be whole and as the set has them, got %d that are not", len(names), broken)
	}
	return append(out, contentResult(set, folder, err))
}
