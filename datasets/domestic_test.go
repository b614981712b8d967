package datasets

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// domesticMeta has lines of four sessions of each of some classes, session k of k+1 recordings.
func domesticMeta(classes ...string) (lines []string) {
	for c, class := range classes {
		for session := range 4 {
			for k := range session + 1 {
				lines = append(lines, fmt.Sprintf("audio/DevNode%d_ex%d_%d.wav\t%s\ts%d", k%4+1, 10*c+session, k, class, 10*c+session))
			}
		}
	}
	return lines
}

// writeDomestic writes the official layout: recordings of four channels, whose mean is the number of the line.
func writeDomestic(t *testing.T, dir string, lines []string) {
	t.Helper()
	put(t, dir, metaFile, []byte(strings.Join(lines, "\n")+"\n"))
	for i, line := range lines {
		name, _, _ := strings.Cut(line, "\t")
		put(t, dir, name, wav(100, i-3, i-1, i+1, i+3))
	}
}

func TestDomestic(t *testing.T) {
	dir := t.TempDir()
	lines := domesticMeta("cooking", "absence", "working")
	writeDomestic(t, filepath.Join(dir, "DCASE2018-task5-dev"), lines)
	set, err := OpenKind(KindScenes, dir)
	require.NoError(t, err)
	id, err := set.Identity()
	require.NoError(t, err)
	assert.Equal(t, []any{DomesticName, false}, []any{id.Name, id.Published})
	assert.Equal(t, []int{9, 30}, []int{set.Train.Classes(), set.Train.Len() + set.Test.Len()})
	assert.Equal(t, []string{DomesticName + " train", DomesticName + " test"}, []string{set.Train.Name(), set.Test.Name()})
	// Of sessions of 4, 3, 2 and 1 recordings a fold gets one each, the longest is in the first.
	assert.Equal(t, 3*4, set.Test.Len())

	for _, source := range []Source{set.Train, set.Test} {
		c := clipsOf(source)
		for i, key := range c.Keys {
			line := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+"\t") })
			require.GreaterOrEqual(t, line, 0)
			assert.Contains(t, lines[line], "\t"+c.ClassNames[c.Labels[i]]+"\t")
			x, err := c.Clip(i)
			require.NoError(t, err)
			require.Len(t, x, 160000)
			assert.Equal(t, []float32{float32(line) / (1 << 15), float32(line) / (1 << 15), 0}, []float32{x[0], x[99], x[100]}, "the mean of the channels, then silence")
		}
	}
	// Each fold tests once.
	tests := map[string]int{}
	for _, name := range []string{DomesticName, "dcase2018_task5-fold2", "dcase2018_task5-fold3", "dcase2018_task5-fold4"} {
		set, err := Open(name, dir)
		require.NoError(t, err)
		assert.Equal(t, name, set.Name)
		assert.Equal(t, KindScenes, KindOf(name))
		for _, key := range clipsOf(set.Test).Keys {
			tests[key]++
			assert.NotContains(t, clipsOf(set.Train).Keys, key)
		}
	}
	assert.Len(t, tests, 30)
	assert.Equal(t, []int{1}, slices.Compact(slices.Sorted(maps.Values(tests))))
	first, err := Open("dcase2018_task5-fold1", dir)
	require.NoError(t, err)
	same, err := first.Identity()
	require.NoError(t, err)
	assert.Equal(t, id, same)
}

// The real metadata: the published numbers of recordings and sessions, and folds that share no session.
func TestDomesticMetadata(t *testing.T) {
	lines := xzLines(t, DomesticName, "dev_meta.txt.xz")
	assert.Len(t, lines, 72984)
	rows, err := parseDomestic("meta.txt", []byte(strings.Join(lines, "\n")))
	require.NoError(t, err)
	f := domesticFolder{rows: rows}
	assert.Empty(t, f.missing())
	sessions := map[string]map[string]bool{}
	for _, row := range rows {
		if sessions[row.label] == nil {
			sessions[row.label] = map[string]bool{}
		}
		sessions[row.label][row.session] = true
	}
	got := map[string]int{}
	for label, list := range sessions {
		got[label] = len(list)
	}
	assert.Equal(t, map[string]int{"absence": 40, "cooking": 13, "dishwashing": 10, "eating": 13, "other": 118, "social_activity": 21,
		"vacuum_cleaner": 9, "watching_tv": 9, "working": 33}, got)

	folds := domesticFolds(rows)
	assert.Equal(t, folds, domesticFolds(rows))
	of := map[string]int{}
	share := map[string][5]int{}
	for i, row := range rows {
		was, known := of[row.session]
		require.True(t, !known || was == folds[i], "session %s is in folds %d and %d", row.session, was, folds[i])
		of[row.session] = folds[i]
		counts := share[row.label]
		counts[folds[i]]++
		share[row.label] = counts
	}
	assert.Len(t, of, 266)
	length := map[string]int{}
	longest := map[string]int{}
	for _, row := range rows {
		length[row.session]++
		longest[row.label] = max(longest[row.label], length[row.session])
	}
	for label, counts := range share {
		assert.Zero(t, counts[0])
		assert.Greater(t, slices.Min(counts[1:]), domesticClips[label]*3/16, "%s: three quarters of an even share: %v", label, counts)
		assert.LessOrEqual(t, slices.Max(counts[1:])-slices.Min(counts[1:]), longest[label], "%s: %v", label, counts)
	}
	// The order of lines does not matter.
	slices.Reverse(rows)
	for i, fold := range domesticFolds(rows) {
		require.Equal(t, of[rows[i].session], fold)
	}
}

// officialLists writes lists of fold 1 in which the first session of each class tests.
func officialLists(t *testing.T, dir string, lines []string) {
	t.Helper()
	var train, evaluate, test []string
	for _, line := range lines {
		if strings.HasSuffix(line, "0") {
			name, _, _ := strings.Cut(line, "\t")
			evaluate, test = append(evaluate, line), append(test, name)
		} else {
			train = append(train, line)
		}
	}
	for name, list := range map[string][]string{"train": train, "evaluate": evaluate, "test": test} {
		put(t, dir, "evaluation_setup/fold1_"+name+".txt", []byte(strings.Join(list, "\r\n")+"\r\n"))
	}
}

func TestDomesticOfficialFolds(t *testing.T) {
	dir := t.TempDir()
	lines := domesticMeta("cooking", "absence", "working")
	writeDomestic(t, dir, lines)
	officialLists(t, dir, lines)
	for range 3 {
		set, err := Open(DomesticName, dir)
		require.NoError(t, err)
		assert.Equal(t, []string{"audio/DevNode1_ex0_0.wav", "audio/DevNode1_ex10_0.wav", "audio/DevNode1_ex20_0.wav"}, clipsOf(set.Test).Keys)
		assert.Equal(t, 27, set.Train.Len())
		// One of the lists of what tests is enough.
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "evaluation_setup", "fold1_test.txt")))
	}
	f, err := readDomestic(dir, 1)
	require.NoError(t, err)
	assert.True(t, f.official)
	f, err = readDomestic(dir, 2)
	require.NoError(t, err)
	assert.False(t, f.official, "there are no lists of fold 2")
}

func TestDomesticErrors(t *testing.T) {
	lines := domesticMeta("cooking", "absence", "working")
	list := func(name string, edit func([]string) []string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			require.NoError(t, err)
			put(t, dir, name, []byte(strings.Join(edit(strings.Split(strings.TrimSpace(string(data)), "\n")), "\n")))
		}
	}
	replace := func(name, old, with string) func(*testing.T, string) {
		return list(name, func(l []string) []string {
			return strings.Split(strings.Replace(strings.Join(l, "\n"), old, with, 1), "\n")
		})
	}
	const train, evaluate, test = "evaluation_setup/fold1_train.txt", "evaluation_setup/fold1_evaluate.txt", "evaluation_setup/fold1_test.txt"
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))))
			}
		}
	}
	for want, change := range map[string]func(*testing.T, string){
		"DIR/meta.txt: offset 36: line 2: \"audio/DevNode1_ex1_0.wav\\tkooking\\ts1\": expected a label of absence, cooking,": replace(metaFile, "ex1_0.wav\tcooking", "ex1_0.wav\tkooking"),
		"line 2: \"audio/DevNode1_ex1_0.wav\\tcooking\": expected audio/NAME.wav, a label and a session, with tabs":           replace(metaFile, "\ts1", ""),
		"line 2: \"audio/DevNode1_ex1_0.wav\\t\\ts1\": expected audio/NAME.wav":                                               replace(metaFile, "\tcooking\ts1", "\t\ts1"),
		"line 1: \"../DevNode1_ex0_0.wav\\tcooking\\ts0\": expected audio/NAME.wav":                                           replace(metaFile, "audio/", "../"),
		"line 3: \"audio/DevNode2_ex1_1.wav\\tabsence\\ts1\": expected the label cooking, which the session has above":        replace(metaFile, "DevNode2_ex1_1.wav\tcooking", "DevNode2_ex1_1.wav\tabsence"),
		"line 31: \"audio/DevNode1_ex0_0.wav\\tcooking\\ts0\": expected each file once":                                       list(metaFile, func(l []string) []string { return append(l, l[0]) }),
		"DIR/meta.txt: expected lines of audio/NAME.wav, a label and a session":                                               list(metaFile, func([]string) []string { return nil }),
		"DIR/meta.txt: expected a line for every file, there is none for audio/DevNode1_ex0_0.wav":                            list(metaFile, func(l []string) []string { return l[1:] }),
		"DIR: expected every file of meta.txt in it, there is no audio/DevNode1_ex0_0.wav":                                    remove("audio/DevNode1_ex0_0.wav"),
		"open DIR/audio: no such file or directory":                                                                           remove("audio"),
		"DIR/audio/x.wav: expected a file, got a folder":                                                                      func(t *testing.T, dir string) { put(t, dir, "audio/x.wav/y", nil) },
		"DIR: meta.txt: expected a file, got something else (p": func(t *testing.T, dir string) {
			remove(metaFile)(t, dir)
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, metaFile), 0o644))
		},
		"DIR: expected evaluation_setup/fold1_train.txt and evaluation_setup/fold1_evaluate.txt or evaluation_setup/fold1_test.txt, or": remove(train),
		"or none of them": remove(evaluate, test),
		"DIR/evaluation_setup/fold1_train.txt: offset 37: line 2: \"audio/none.wav\\tcooking\\ts1\": expected a file of meta.txt":                replace(train, "audio/DevNode2_ex1_1.wav", "audio/none.wav"),
		"line 1: \"audio/DevNode1_ex1_0.wav\\tcooking\\ts2\": expected what meta.txt says: cooking, s1":                                          replace(train, "\ts1", "\ts2"),
		"line 28: \"audio/DevNode1_ex1_0.wav\\tcooking\\ts1\": expected each file once":                                                          list(train, func(l []string) []string { return append(l, strings.TrimSpace(l[0])) }),
		"DIR: audio/DevNode1_ex1_0.wav: expected it in evaluation_setup/fold1_train.txt or in what tests, and not in both":                       list(train, func(l []string) []string { return l[1:] }),
		"DIR: audio/DevNode1_ex0_0.wav: expected evaluation_setup/fold1_evaluate.txt and evaluation_setup/fold1_test.txt to have the same files": list(test, func(l []string) []string { return l[1:] }),
		"DIR: audio/DevNode2_ex1_1.wav: expected session s1 on one side of fold 1, it trains and tests": func(t *testing.T, dir string) {
			list(train, func(l []string) []string { return l[1:] })(t, dir)
			list(evaluate, func(l []string) []string { return append(l, lines[1]) })(t, dir)
			remove(test)(t, dir)
		},
	} {
		dir := t.TempDir()
		writeDomestic(t, dir, lines)
		officialLists(t, dir, lines)
		change(t, dir)
		_, err := Open(DomesticName, dir)
		require.Error(t, err, want)
		assert.Contains(t, err.Error(), "dcase2018_task5: ")
		assert.Contains(t, strings.ReplaceAll(err.Error(), dir, "DIR"), want)
	}

	dir := t.TempDir()
	writeDomestic(t, dir, lines[:1])
	_, err := Open(DomesticName, dir)
	assert.ErrorContains(t, err, "expected recordings that train and others that test in fold 1, got one kind only, of 1")
	writeDomestic(t, filepath.Join(dir, "dcase2018_task5"), lines)
	_, err = OpenKind(KindScenes, dir)
	assert.ErrorContains(t, err, "dcase2018_task5: expected one in "+dir)

	for _, name := range []string{"dcase2018_task5-fold0", "dcase2018_task5-fold5", "esc10-fold01", "esc10-fold6", "esc10-fold", "speech_commands-fold1"} {
		_, err := Open(name, dir)
		assert.ErrorContains(t, err, `data set "`+name+`": expected one of embedded, `)
	}
	empty := t.TempDir()
	_, err = Open(DomesticName, empty)
	assert.ErrorContains(t, err, "no meta.txt in "+empty+", looked in ., dcase2018_task5, DCASE2018-task5-dev")
	_, err = OpenKind(KindScenes, empty)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "esc10: file does not exist: nothing of it in")
	assert.ErrorContains(t, err, "nor the meta.txt of dcase2018_task5 in .")
}

// A broken recording is found when it is read, and by Verify, which knows what the official ones have.
func TestDomesticDamage(t *testing.T) {
	dir := t.TempDir()
	lines := domesticMeta("eating")
	writeDomestic(t, dir, lines)
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "\t")
		put(t, dir, name, wav(160000, 1, 2, 3, 4))
	}
	require.NoError(t, failed(Verify(dir)))
	status := func() Status {
		list := List(dir)
		return list[slices.IndexFunc(list, func(s Status) bool { return s.Name == DomesticName })]
	}
	s := status()
	assert.Equal(t, []any{Partial, dir, "folders", "", int64(10 * (44 + 8*160000))}, []any{s.State, s.Path, s.Format, s.Problem, s.Bytes})
	assert.Contains(t, s.Missing, "eating: 10 of 2308 recordings")

	put(t, dir, "audio/DevNode1_ex0_0.wav", wav(160000, 1, 2, 3, 4)[:1000])
	put(t, dir, "audio/DevNode1_ex1_0.wav", wav(16000, 1, 2, 3, 4))
	put(t, dir, "audio/DevNode2_ex1_1.wav", wav(160000, 1))
	err := failed(Verify(dir))
	assert.ErrorContains(t, err, "audio/DevNode1_ex0_0.wav: offset 4: RIFF size 1280036 needs a file of 1280044 bytes, this one has 1000: truncated?")
	assert.ErrorContains(t, err, "DevNode1_ex1_0.wav: content: expected 10 s, got 1.00 s")
	assert.ErrorContains(t, err, "DevNode2_ex1_1.wav: content: expected 4 channels at 16000 Hz, got 1 at 16000 Hz")
	assert.ErrorContains(t, err, "expected all 10 recordings to be whole and as the set has them, got 3 that are not")

	put(t, dir, metaFile, []byte("audio/x.wav\n"))
	assert.Contains(t, status().Problem, "meta.txt: offset 0: line 1")
	assert.ErrorContains(t, failed(Verify(dir)), "meta.txt: offset 0: line 1")
}

// Each fold of ESC-10 can test; a plain name is fold 5.
func TestScenesFolds(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, embeddedSound))
	for name, want := range map[string]string{"esc10-fold2": "2-", "esc10-fold5": "5-", ScenesName: "5-"} {
		set, err := Open(name, filepath.Join(dir, "embedded"))
		require.NoError(t, err)
		assert.Equal(t, map[bool]string{false: name, true: ScenesName}[want == "5-"], set.Name)
		assert.Equal(t, KindScenes, KindOf(name))
		assert.Equal(t, []int{40, 10}, []int{set.Train.Len(), set.Test.Len()})
		for _, key := range clipsOf(set.Test).Keys {
			assert.True(t, strings.HasPrefix(key, want), key)
		}
	}
	for _, fold := range []string{"0", "6", "x", ""} {
		_, err := sceneRow("a.flac", "rain", fold, 5)
		assert.ErrorContains(t, err, fmt.Sprintf("a.flac: fold: expected 1 to 5, got %q", fold))
	}
}
