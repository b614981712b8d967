package datasets

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/audio"
)

func speech() *Sound { return &Sound{Features: audio.TensorFlow(), AsChannels: true} }

// The parts in the binary: clips of each class on both sides, and no speaker of speech or recording of scenes on both.
func TestEmbeddedSound(t *testing.T) {
	for _, tc := range []struct {
		name           string
		train, test    int
		samples, class int
		who            func(key string) string
	}{
		{EmbeddedSpeechName, 144, 48, 16000, 12, func(key string) string {
			_, file, _ := strings.Cut(key, "/")
			speaker, _, spoken := strings.Cut(file, "_nohash_")
			if !spoken {
				return ""
			}
			return speaker[strings.LastIndex(speaker, "_")+1:]
		}},
		{EmbeddedScenesName, 40, 10, 80000, 10, func(key string) string { return strings.Split(key, "-")[1] }},
	} {
		set, err := Open(tc.name, "")
		require.NoError(t, err)
		assert.Equal(t, []int{tc.train, tc.test}, []int{set.Train.Len(), set.Test.Len()})
		id, err := set.Identity()
		require.NoError(t, err)
		assert.False(t, id.Published)
		assert.Equal(t, tc.name, id.Name)
		sides := map[string]int{}
		for side, s := range []Source{set.Train, set.Test} {
			clips := s.(clipSource).clips
			assert.Equal(t, tc.samples, clips.Samples)
			counts := make([]int, tc.class)
			for i, key := range clips.Keys {
				counts[clips.Labels[i]]++
				x, err := clips.Clip(i)
				require.NoError(t, err)
				require.Len(t, x, tc.samples)
				if who := tc.who(key); who != "" {
					was, ok := sides[who]
					assert.True(t, !ok || was == side, "%s is on both sides", key)
					sides[who] = side
				}
			}
			for _, n := range counts {
				assert.Equal(t, len(clips.Labels)/tc.class, n)
			}
		}
	}
}

// Batches of clips depend on seed, epoch and step alone; without training they are the clips' own features.
func TestClipBatches(t *testing.T) {
	set, err := Open(EmbeddedSpeechName, "")
	require.NoError(t, err)
	sound := speech()
	sound.ShiftMS, sound.Speed, sound.Noise = 100, 0.1, &Noise{Share: 0.5, Volume: 0.1}
	sound.SpecAugment = &SpecAugment{TimeMasks: 1, TimeWidth: 10, CoefficientMasks: 1, CoefficientWidth: 4}
	batches := func(seed uint64, training bool) BatchSource {
		b, err := set.Train.Batches(BatchRequest{Size: 6, Seed: seed, Training: training, Sound: sound})
		require.NoError(t, err)
		return b
	}
	fill := func(b BatchSource, epoch, step int) ([]float32, []int32) {
		x, y, err := b.Fill(epoch, step, nil, nil)
		require.NoError(t, err)
		return x, y
	}
	a := batches(1, true)
	assert.Equal(t, []any{24, 144, 12, [4]int{6, 98, 1, 40}}, []any{a.Steps(), a.Len(), a.Classes(), a.Shape()})
	x, y := fill(a, 2, 3)
	again, labels := fill(batches(1, true), 2, 3)
	assert.Equal(t, x, again)
	assert.Equal(t, y, labels)
	other, _ := fill(a, 3, 3)
	assert.NotEqual(t, x, other)
	other, _ = fill(batches(2, true), 2, 3)
	assert.NotEqual(t, x, other)

	plain, y := fill(batches(1, false), 5, 0)
	e, err := audio.New(sound.Features)
	require.NoError(t, err)
	clips := set.Train.(clipSource).clips
	for i := range 6 {
		c, err := clips.Clip(i)
		require.NoError(t, err)
		want, err := e.Features(c)
		require.NoError(t, err)
		assert.Equal(t, want, plain[i*98*40:(i+1)*98*40])
		assert.Equal(t, clips.Labels[i], y[i])
	}
}

// A shift moves samples, a speed of 0 leaves them, and the masks give what they cover the clip's means.
func TestVary(t *testing.T) {
	x := make([]float32, 100)
	for i := range x {
		x[i] = float32(i + 1)
	}
	r := func() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
	assert.Equal(t, x, Sound{}.vary(r(), x, 1000, nil))
	seen := map[int]bool{}
	random := r()
	for range 200 {
		got := Sound{ShiftMS: 5}.vary(random, x, 1000, nil)
		shift := 0
		if got[50] != 0 {
			shift = 51 - int(got[50])
		}
		seen[shift] = true
		for i, v := range got {
			want := float32(0)
			if at := i - shift; at >= 0 && at < len(x) {
				want = x[at]
			}
			require.Equal(t, want, v)
		}
	}
	assert.Len(t, seen, 11, "every shift from -5 to 5 ms occurs")
	noisy := Sound{Noise: &Noise{Share: 1, Volume: 0.1}}.vary(r(), make([]float32, 100), 1000, [][]float32{x})
	assert.NotEqual(t, make([]float32, 100), noisy)
	for _, v := range noisy {
		assert.LessOrEqual(t, v, float32(1))
	}

	features := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	SpecAugment{CoefficientMasks: 50, CoefficientWidth: 1}.mask(r(), features, 2)
	assert.Equal(t, []float32{4, 5, 4, 5, 4, 5, 4, 5}, features)
	features = []float32{1, 2, 3, 4}
	SpecAugment{TimeMasks: 50, TimeWidth: 1}.mask(r(), features, 2)
	assert.Equal(t, []float32{2, 3, 2, 3}, features)
}

// Clips and images refuse each other's requests, and clips refuse settings that they cannot have.
func TestClipErrors(t *testing.T) {
	set, err := Open(EmbeddedSpeechName, "")
	require.NoError(t, err)
	images, _, err := Embedded()
	require.NoError(t, err)
	_, err = images.Source().Batches(BatchRequest{Size: 4, Side: 32, Sound: speech()})
	assert.ErrorContains(t, err, "batches of embedded train: sound: expected none for images")
	for want, change := range map[string]func(*BatchRequest){
		"batches of embedded-speech train: sound: the samples are clips":                 func(r *BatchRequest) { r.Sound = nil },
		"sound: features: audio config: hop is 0":                                        func(r *BatchRequest) { r.Sound.Features.Hop = 0 },
		"sample_rate: expected the 16000 samples a second that the clips have, got 8000": func(r *BatchRequest) { r.Sound.Features.SampleRate = 8000 },
		"sound: shift_ms: expected at least 0, got -1":                                   func(r *BatchRequest) { r.Sound.ShiftMS = -1 },
		"sound: speed: expected less than 1, got 1":                                      func(r *BatchRequest) { r.Sound.Speed = 1 },
		"sound: noise.share: expected at most 1, got 2":                                  func(r *BatchRequest) { r.Sound.Noise = &Noise{Share: 2} },
		"sound: spec_augment.time_masks: expected at least 0":                            func(r *BatchRequest) { r.Sound.SpecAugment = &SpecAugment{TimeMasks: -1} },
		"batches of embedded-speech train: BatchSize is 0, expected at least 1":          func(r *BatchRequest) { r.Size = 0 },
	} {
		r := BatchRequest{Size: 4, Sound: speech()}
		change(&r)
		_, err := set.Train.Batches(r)
		assert.ErrorContains(t, err, want)
	}
}

// writeSpeech writes a data folder of silent clips, changed before it is written.
func writeSpeech(t *testing.T, change func(rows []string, files map[string][]byte) []string) string {
	t.Helper()
	rows, files := []string{"path,label,word,speaker,split"}, map[string][]byte{}
	for i, split := range []string{"train", "valid", "test"} {
		name := fmt.Sprintf("yes/%d.wav", i)
		files[name] = audio.EncodeWAV(16000, [][]float32{make([]float32, 100*(i+1))})
		rows = append(rows, fmt.Sprintf("%s,yes,yes,s%d,%s", name, i, split))
	}
	if change != nil {
		rows = change(rows, files)
	}
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644}))
		_, err := w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clips.tar"), b.Bytes(), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.csv"), []byte(strings.Join(rows, "\n")+"\n"), 0o644))
	return dir
}

func TestClipArchives(t *testing.T) {
	set, err := Open(SpeechName, writeSpeech(t, nil))
	require.NoError(t, err)
	assert.Equal(t, []int{2, 1}, []int{set.Train.Len(), set.Test.Len()}, "valid trains")
	x, err := set.Train.(clipSource).clips.Clip(1)
	require.NoError(t, err)
	assert.Len(t, x, 16000, "short clips end in silence")
	for want, change := range map[string]func([]string, map[string][]byte) []string{
		"index.csv: yes/9.wav: expected it in clips.tar, which has no such file": func(r []string, _ map[string][]byte) []string {
			return append(r, "yes/9.wav,yes,yes,s,train")
		},
		"index.csv: yes/0.wav: expected each file once, got it twice": func(r []string, _ map[string][]byte) []string { return append(r, r[1]) },
		"clips.tar: yes/0.wav: expected a line of index.csv for each file, got none for 1 of 3": func(r []string, _ map[string][]byte) []string {
			return append(r[:1:1], r[2:]...)
		},
		`yes/0.wav: split: expected train, valid or test, got "dev"`: func(r []string, _ map[string][]byte) []string {
			r[1] = strings.Replace(r[1], "train", "dev", 1)
			return r
		},
		`label: expected one of _silence_, _unknown_, yes`: func(r []string, _ map[string][]byte) []string {
			r[1] = strings.Replace(r[1], ",yes,", ",jes,", 1)
			return r
		},
		"clips.tar: yes/2.wav": func(r []string, files map[string][]byte) []string {
			files["yes/2.wav"] = files["yes/2.wav"][:50]
			return r
		},
		"index.csv: no clip that tests": func(r []string, files map[string][]byte) []string {
			delete(files, "yes/2.wav")
			return r[:3]
		},
		"nothing of it in": func(r []string, _ map[string][]byte) []string {
			r[0] = "split,k,label,class,original_filename"
			return r
		},
	} {
		_, err := Open(SpeechName, writeSpeech(t, change))
		assert.ErrorContains(t, err, want)
	}
	_, err = Open(ScenesName, writeSpeech(t, nil))
	assert.ErrorContains(t, err, "esc10: file does not exist: nothing of it in")
}
