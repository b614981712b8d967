package datasets

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

// Speakers of each part by their hash.
var speakers = map[string][]string{
	PartTraining:   {"4a294341", "43f57297"},
	PartValidation: {"0e17f595"},
	PartTesting:    {"563aa4e6"},
}

// put writes a file, and the folders that it lies in.
func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, data, 0o644))
}

// wav is a file whose samples all have a level, in steps of 16 bit.
func wav(samples int, levels ...int) []byte {
	channels := make([][]float32, len(levels))
	for c, level := range levels {
		channels[c] = slices.Repeat([]float32{float32(level) / (1 << 15)}, samples)
	}
	return audio.EncodeWAV(SpeechRate, channels)
}

// writeSpeechFolder writes the official layout: of each of the ten words, bed, zero and more the recordings of all speakers,
// and, where lists is set, the official lists.
func writeSpeechFolder(t *testing.T, dir string, lists bool, more ...string) {
	t.Helper()
	listed := map[string]*bytes.Buffer{PartTraining: {}, PartValidation: {}, PartTesting: {}}
	level := 0
	for _, word := range slices.Concat(SpeechClasses[2:], []string{"bed", "zero"}, more) {
		for part, who := range speakers {
			for _, speaker := range who {
				level++
				name := fmt.Sprintf("%s/%s_nohash_0.wav", word, speaker)
				put(t, dir, name, wav(15000, level))
				fmt.Fprintln(listed[part], name)
			}
		}
	}
	put(t, dir, "_background_noise_/hum.wav", wav(20000, 3000))
	put(t, dir, "_background_noise_/hiss.wav", wav(16001, 20000))
	put(t, dir, "_background_noise_/README.md", []byte("about the noise"))
	put(t, dir, "LICENSE", nil)
	put(t, dir, "yes/.hidden.wav", nil)
	if lists {
		for _, list := range speechLists {
			put(t, dir, list.file, listed[list.part].Bytes())
		}
	}
}

func clipsOf(s Source) *Clips { return s.(clipSource).clips }

func TestSpeechFolder(t *testing.T) {
	dir := t.TempDir()
	writeSpeechFolder(t, dir, true)
	set, err := Open(SpeechName, dir)
	require.NoError(t, err)
	id, err := set.Identity()
	require.NoError(t, err)
	assert.Equal(t, []any{SpeechName, false, 24, 12}, []any{id.Name, id.Published, id.Train, id.Test})
	again, err := OpenKind(KindSpeech, dir)
	require.NoError(t, err)
	same, err := again.Identity()
	require.NoError(t, err)
	assert.Equal(t, id, same)
	require.Len(t, set.Train.Files(), 2, "those of noise")

	for _, part := range []struct {
		source Source
		name   string
		words  int
	}{{set.Train, PartTraining, 20}, {set.Test, PartTesting, 10}} {
		c := clipsOf(part.source)
		assert.Equal(t, "speech_commands v0.01 "+part.name, c.Name)
		counts := map[string]int{}
		for i, key := range c.Keys {
			class := c.ClassNames[c.Labels[i]]
			counts[class]++
			x, err := c.Clip(i)
			require.NoError(t, err)
			require.Len(t, x, SpeechRate)
			again, err := c.Clip(i)
			require.NoError(t, err)
			require.Equal(t, x, again)
			if class == "_silence_" {
				assert.Greater(t, x[0], float32(0))
				assert.LessOrEqual(t, x[0], float32(20000)/(1<<15))
				assert.Equal(t, x[0], x[SpeechRate-1], "silence fills the clip")
				continue
			}
			assert.Equal(t, part.name, WhichSet(key))
			assert.Equal(t, class == "_unknown_", path.Dir(key) == "bed" || path.Dir(key) == "zero", key)
			if class != "_unknown_" {
				assert.Equal(t, class, path.Dir(key))
			}
			want, err := audio.ReadFile(filepath.Join(dir, filepath.FromSlash(key)))
			require.NoError(t, err)
			assert.Equal(t, want.Channels[0], x[:15000], key)
			assert.Equal(t, make([]float32, 1000), x[15000:], "short clips end in silence")
		}
		for _, class := range SpeechClasses {
			want := part.words / 10
			assert.Equal(t, want, counts[class], class) // the ten words evenly, a tenth of their sum of the two others
		}
	}
}

// In training silence is drawn anew in every epoch; without training it stays.
func TestSpeechSilence(t *testing.T) {
	dir := t.TempDir()
	writeSpeechFolder(t, dir, false)
	set, err := Open(SpeechName, dir)
	require.NoError(t, err)
	c := clipsOf(set.Train)
	first, err := c.Clip(22)
	require.NoError(t, err)
	second, err := c.Clip(23)
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	fill := func(training bool, epoch int) []float32 {
		b, err := set.Train.Batches(BatchRequest{Size: 2, Indices: []int{22, 23}, Seed: 3, Training: training, Sound: speech()})
		require.NoError(t, err)
		x, y, err := b.Fill(epoch, 0, nil, nil)
		require.NoError(t, err)
		assert.Equal(t, []int32{0, 0}, y)
		return x
	}
	assert.Equal(t, fill(false, 0), fill(false, 1))
	assert.Equal(t, fill(true, 1), fill(true, 1))
	assert.NotEqual(t, fill(true, 0), fill(true, 1))

	c.Noise = nil
	_, err = set.Train.Batches(BatchRequest{Size: 2, Sound: speech()})
	assert.ErrorContains(t, err, "2 of silence among 24 clips, expected no more, and noise that it is made of")
}

// The version is told by the words, and with it the identity; a word besides the ten is unknown.
func TestSpeechVersions(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	writeSpeechFolder(t, one, false, "wow")
	writeSpeechFolder(t, two, false, "visual")
	ids := map[string]bool{}
	for dir, version := range map[string]string{one: "v0.01", two: "v0.02"} {
		set, err := Open(SpeechName, dir)
		require.NoError(t, err)
		assert.Equal(t, "speech_commands "+version+" training", set.Train.Name())
		assert.Equal(t, "speech_commands "+version+" testing", set.Test.Name())
		id, err := set.Identity()
		require.NoError(t, err)
		ids[id.SHA256] = true
	}
	assert.Len(t, ids, 2)

	for version, numbers := range speechNumbers {
		f := speechFolder{version: version, parts: map[string][]string{}, noise: make([]string, 6)}
		sum := 0
		for _, part := range speechParts {
			f.parts[part] = make([]string, numbers[part])
			sum += numbers[part]
		}
		assert.Equal(t, map[string]int{"v0.01": 64727 - 6, "v0.02": 105829}[version], sum)
		assert.Empty(t, f.missing())
		f.parts[PartTesting] = f.parts[PartTesting][1:]
		assert.Equal(t, []string{fmt.Sprintf("%s testing: %d of %d recordings", version, numbers[PartTesting]-1, numbers[PartTesting])}, f.missing())
	}
}

// The unknown words are a tenth of the words' recordings, drawn from those of all other words.
func TestSpeechUnknownShare(t *testing.T) {
	f := speechFolder{version: "v0.02", parts: map[string][]string{}}
	for _, part := range []string{PartTraining, PartTesting} {
		for i := range 95 {
			f.parts[part] = append(f.parts[part], fmt.Sprintf("bed/%d", i), fmt.Sprintf("yes/%d", i), fmt.Sprintf("zero/%d", i))
		}
	}
	var drawn [][]string
	for _, part := range []string{PartTraining, PartTesting} {
		c, err := f.clips(part, nil)
		require.NoError(t, err)
		require.Len(t, c.Keys, 95+10+10)
		keys := c.Keys[95:105]
		assert.True(t, slices.IsSorted(keys))
		words := map[string]bool{}
		for _, key := range keys {
			words[path.Dir(key)] = true
		}
		assert.Equal(t, map[string]bool{"bed": true, "zero": true}, words)
		assert.Len(t, slices.Compact(slices.Clone(keys)), 10, "each once")
		drawn = append(drawn, keys)
	}
	assert.NotEqual(t, drawn[0], drawn[1])
}

// The archive's folder is found where people unpack it; two of them are an error, the same one twice is not, and the archives
// of FLAC clips give way.
func TestSpeechPlaces(t *testing.T) {
	for _, place := range speechFolders {
		dir := t.TempDir()
		writeSpeechFolder(t, filepath.Join(dir, filepath.FromSlash(place)), false)
		set, err := Open(SpeechName, dir)
		require.NoError(t, err, place)
		assert.Equal(t, 24, set.Train.Len())
	}
	dir := writeSpeech(t, nil)
	writeSpeechFolder(t, filepath.Join(dir, "speech_commands_v0.01"), false)
	set, err := Open(SpeechName, dir)
	require.NoError(t, err)
	assert.Equal(t, "speech_commands v0.01 training", set.Train.Name())
	require.NoError(t, os.Symlink("speech_commands_v0.01", filepath.Join(dir, "speech_commands")))
	_, err = Open(SpeechName, dir)
	require.NoError(t, err)
	writeSpeechFolder(t, filepath.Join(dir, "speech_commands_v0.02"), false, "learn")
	_, err = Open(SpeechName, dir)
	assert.ErrorContains(t, err, "speech_commands: expected one in "+dir+", got "+filepath.Join(dir, "speech_commands")+" and "+
		filepath.Join(dir, "speech_commands_v0.02")+": give the folder of one of them")

	for _, dir := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		_, err = Open(SpeechName, dir)
		assert.ErrorIs(t, err, os.ErrNotExist)
		assert.ErrorContains(t, err, "looked for index.csv, speech_commands/index.csv with the columns path,label,word,speaker,split; "+
			"nor the folders of the official archive, which are _background_noise_ and one for each word, in ., speech_commands, speech_commands_v0.01")
	}
}

func TestSpeechFolderErrors(t *testing.T) {
	const testing1 = "yes/563aa4e6_nohash_0.wav"
	appended := func(list, line string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, list))
			require.NoError(t, err)
			put(t, dir, list, append(data, line...))
		}
	}
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))))
			}
		}
	}
	for want, change := range map[string]func(*testing.T, string){
		"expected a folder for each of the words yes, no, up, down, left, right, on, off, stop, go, got none for off":   remove("off"),
		"noise, of which silence is made: open DIR/_background_noise_: no such file or directory":                       remove("_background_noise_"),
		"DIR/_background_noise_: expected WAV files in it, got none":                                                    remove("_background_noise_/hum.wav", "_background_noise_/hiss.wav"),
		"DIR: expected recordings of the ten words and of others in the training part, got 20 and 0":                    remove("bed", "zero", speechLists[0].file, speechLists[1].file),
		"DIR/testing_list.txt: offset 261: line 11: \"bed/563aa4e6_nohash_0.wav\"":                                      remove("bed/563aa4e6_nohash_0.wav"),
		"expected this file in DIR, there is none":                                                                      remove("go/0e17f595_nohash_0.wav"),
		"DIR/testing_list.txt: offset 314: line 13: \"yes/563aa4e6_nohash_0.wav\": expected the name of a file, each o": appended("testing_list.txt", testing1+"\n"),
		"line 13: \"yes/4a294341_nohash_0.wav\": expected a name whose hash says testing, as the list does; it says tr": appended("testing_list.txt", "yes/4a294341_nohash_0.wav\r\n"),
		"line 13: \"" + testing1 + "\\tx\": expected the name of a file, each once":                                     appended("testing_list.txt", testing1+"\tx\n"),
		"DIR/validation_list.txt: expected bed/0e17f595_nohash_0.wav in it, whose hash says validation": func(t *testing.T, dir string) {
			put(t, dir, "validation_list.txt", nil)
		},
		"DIR: validation_list.txt: expected a file, got something else (p": func(t *testing.T, dir string) {
			remove("validation_list.txt")(t, dir)
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "validation_list.txt"), 0o644))
		},
		"DIR/up: expected WAV files in it, got none": func(t *testing.T, dir string) {
			remove("up")(t, dir)
			require.NoError(t, os.Mkdir(filepath.Join(dir, "up"), 0o755))
		},
		"DIR/up/a.wav: expected a file, got a folder": func(t *testing.T, dir string) { put(t, dir, "up/a.wav/b", nil) },
		"DIR/up/a.wav: expected a file, got something else (p": func(t *testing.T, dir string) {
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "up", "a.wav"), 0o644))
		},
		"DIR/up/a_nohash_1.wav: no such file or directory": func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "up", "a_nohash_1.wav")))
		},
		"DIR/up/a.wav: expected a name SPEAKER_nohash_NUMBER.wav":                 func(t *testing.T, dir string) { put(t, dir, "up/a.wav", wav(10, 1)) },
		"DIR/_unknown_: expected the folder of a word or _background_noise_":      func(t *testing.T, dir string) { put(t, dir, "_unknown_/a", nil) },
		"DIR/_background_noise_/x.wav: expected more than a second of noise, got": func(t *testing.T, dir string) { put(t, dir, "_background_noise_/x.wav", wav(16000, 1)) },
		"DIR/_background_noise_/x.wav: offset 4: RIFF size 68 needs a file of 76": func(t *testing.T, dir string) { put(t, dir, "_background_noise_/x.wav", wav(16, 1)[:70]) },
	} {
		dir := t.TempDir()
		writeSpeechFolder(t, dir, true)
		change(t, dir)
		_, err := Open(SpeechName, dir)
		require.Error(t, err, want)
		assert.Contains(t, err.Error(), "speech_commands: ")
		assert.Contains(t, strings.ReplaceAll(err.Error(), dir, "DIR"), want)
	}
}

// A broken recording is found when it is read, and by Verify; files that are not there are counted by List.
func TestSpeechFolderDamage(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "speech_commands_v0.02")
	writeSpeechFolder(t, folder, true)
	state := func() Status {
		list := List(dir)
		return list[slices.IndexFunc(list, func(s Status) bool { return s.Name == SpeechName })]
	}
	s := state()
	assert.Equal(t, []any{Partial, folder, "folders v0.01", ""}, []any{s.State, s.Path, s.Format, s.Problem})
	assert.Equal(t, int64(48*30044+40044+32046), s.Bytes)
	assert.Equal(t, []string{"v0.01 training: 24 of 51088 recordings", "v0.01 validation: 12 of 6798 recordings", "v0.01 testing: 12 of 6835 recordings",
		"v0.01 _background_noise_: 2 of 6 recordings"}, s.Missing)
	require.NoError(t, failed(Verify(dir)))

	broken := "go/563aa4e6_nohash_0.wav"
	put(t, folder, broken, wav(1000, 1)[:1000])
	put(t, folder, "go/0e17f595_nohash_0.wav", wav(1000, 1, 2))
	set, err := Open(SpeechName, dir)
	require.NoError(t, err)
	b, err := set.Test.Batches(BatchRequest{Size: 12, Sound: speech()})
	require.NoError(t, err)
	_, _, err = b.Fill(0, 0, nil, nil)
	assert.ErrorContains(t, err, "speech_commands v0.01 testing: "+filepath.Join(folder, filepath.FromSlash(broken))+": offset 4: RIFF size 2036 needs a file of 2044 bytes, this one has 1000")
	err = failed(Verify(dir))
	assert.ErrorContains(t, err, broken+": content: ")
	assert.ErrorContains(t, err, "go/0e17f595_nohash_0.wav: content: expected 1 channels at 16000 Hz, got 2 at 16000 Hz")
	assert.ErrorContains(t, err, "expected all 50 recordings to be whole and as the set has them, got 2 that are not")

	require.NoError(t, os.RemoveAll(filepath.Join(folder, "yes")))
	assert.Contains(t, state().Problem, "got none for yes")
	assert.ErrorContains(t, failed(Verify(dir)), "got none for yes")
}

// The testing parts have as many clips as the official test sets of 12 classes: 3,081 of v0.01 and 4,890 of v0.02.
func TestSpeechTestNumbers(t *testing.T) {
	for version, want := range map[string]int{"v0.01": 3081, "v0.02": 4890} {
		f := speechFolder{version: version, parts: map[string][]string{PartTesting: xzLines(t, SpeechName, "testing_list_"+version+".txt.xz")}}
		c, err := f.clips(PartTesting, nil)
		require.NoError(t, err)
		assert.Len(t, c.Keys, want, version)
	}
}
