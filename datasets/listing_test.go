package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gonas/gonas/datasets/datasetstest"
)

// writeListed writes CIFAR-100 as sheets of 7 training and 4 test images, image k of class k; the pixels are CIFAR-10's.
func writeListed(t testing.TB, dir string) {
	t.Helper()
	datasetstest.CIFAR100(t, dir, testSheet(t, "seven.webp"), 7, testSheet(t, "four.webp"), 4)
}

func TestLoadListedSheets(t *testing.T) {
	dir := t.TempDir()
	writeListed(t, filepath.Join(dir, "cifar100"))
	want, wantTest, err := Embedded()
	require.NoError(t, err)
	for _, folder := range []string{dir, filepath.Join(dir, "cifar100")} {
		train, test, err := Load(CIFAR100Name, folder)
		require.NoError(t, err)
		require.NoError(t, train.Validate())
		require.NoError(t, test.Validate())
		assert.Equal(t, []int{7, 4, 100, 100}, []int{train.N, test.N, train.Classes, test.Classes})
		assert.Equal(t, want.Pixels[:7*cifarPixels], train.Pixels)
		assert.Equal(t, wantTest.Pixels[:4*cifarPixels], test.Pixels)
		assert.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6}, train.Labels)
		assert.Equal(t, "class 99", test.ClassNames[99])
		assert.Nil(t, train.Coarse, "superclasses are not in it")
		assert.Equal(t, "cifar100 train", train.Name)
		var files []string
		for _, f := range append(train.Files, test.Files...) {
			files = append(files, f.Name)
		}
		assert.Equal(t, []string{"train.webp", "train.labels", "classes.txt", "index.csv", "test.webp", "test.labels", "classes.txt", "index.csv"}, files)
	}

	set, err := Open("", dir)
	require.NoError(t, err)
	assert.Equal(t, CIFAR100Name, set.Name, "found by its files")
	id, err := set.Identity()
	require.NoError(t, err)
	assert.Equal(t, "cifar100 (7 training and 4 test samples)", id.String())
	assert.False(t, id.Published, "a part of the published set")
	status := List(dir)[2]
	assert.Equal(t, []any{Present, "webp by index.csv", filepath.Join(dir, "cifar100")}, []any{status.State, status.Format, status.Path})

	b, err := set.Train.Batches(BatchRequest{Size: 7, Side: 32})
	require.NoError(t, err)
	x, _, err := b.Fill(0, 0, nil, nil)
	require.NoError(t, err)
	assert.InDelta(t, (float64(want.Pixels[1])/255-0.48654887)/0.25643846, x[1], 1e-5, "normalised by CIFAR-100's numbers")
}

// What is wrong in a folder is named by file and field, with what was expected.
func TestListedSheetsErrors(t *testing.T) {
	replace := func(name, was, is string) func(map[string]string) {
		return func(files map[string]string) {
			if !strings.Contains(files[name], was) {
				panic(name + " lacks " + was)
			}
			files[name] = strings.Replace(files[name], was, is, 1)
		}
	}
	remove := func(name string) func(map[string]string) {
		return func(files map[string]string) { delete(files, name) }
	}
	good := t.TempDir()
	writeListed(t, good)
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   string // behind the folder
	}{
		"no sheet":               {remove("test.webp"), " lacks test.webp"},
		"no labels":              {remove("train.labels"), " lacks train.labels"},
		"no index":               {remove(indexFile), " lacks index.csv"},
		"no classes":             {remove(classesFile), " lacks classes.txt"},
		"a class less":           {replace(classesFile, "class 99\n", ""), "/classes.txt: offset 891: number of lines: 99, expected 100, the name of a class a line"},
		"a class twice":          {replace(classesFile, "class 03", "class 02"), `/classes.txt: offset 27: line 4: "class 02", expected a class's name, and in sorted order`},
		"no name":                {replace(classesFile, "class 00\n", "\n"), `/classes.txt: offset 0: line 1: "", expected a class's name`},
		"other columns":          {replace(indexFile, "split,k", "k,split"), `/index.csv: offset 0: header: ["k" "split" "label" "class" "original_filename"], expected the columns ["split" "k"`},
		"an empty index":         {func(f map[string]string) { f[indexFile] = "" }, "/index.csv: offset 0: header: []"},
		"a value missing":        {replace(indexFile, ",6.png", ""), "/index.csv: offset "},
		"another split":          {replace(indexFile, "test,3,", "val,3,"), `split: "val", expected train or test`},
		"an image left out":      {replace(indexFile, "train,2,2,class 02,2.png\n", ""), `k: "3", expected 2, the images of train in their order`},
		"label 100":              {replace(indexFile, "train,2,2,", "train,2,100,"), `label: "100", expected 0 to 99`},
		"a label that is a word": {replace(indexFile, "train,2,2,", "train,2,two,"), `label: "two", expected 0 to 99`},
		"another class":          {replace(indexFile, "train,2,2,class 02", "train,2,2,class 03"), `class: "class 03", expected "class 02", which is class 2 in classes.txt`},
		"no test image": {func(f map[string]string) {
			f[indexFile], _, _ = strings.Cut(f[indexFile], "\n")
			f[indexFile] += "\ntrain,0,0,class 00,0.png\n"
		}, "/index.csv: offset 63: split: no image of test, expected at least 1"},
		"a label less":         {func(f map[string]string) { f["test.labels"] = "\x00\x01\x02" }, "/test.labels: offset 3: file length: the file has 3 bytes, expected 4, a label for each image of test in index.csv"},
		"a label more":         {func(f map[string]string) { f["test.labels"] += "\x00" }, "/test.labels: offset 4: file length: the file has 5 bytes, expected 4"},
		"a label out of range": {func(f map[string]string) { f["test.labels"] = "\x00\x01\x64\x03" }, "/test.labels: offset 2: label of image 2: 100, expected 0 to 99"},
		"another label":        {func(f map[string]string) { f["train.labels"] = "\x00\x01\x02\x03\x04\x06\x05" }, "/train.labels: offset 5: label of image 5: 6, expected 5 as in index.csv"},
		"a sheet of others":    {func(f map[string]string) { f["test.webp"] = f["train.webp"] }, "/test.webp: offset 12: WebP size: 128×64 pixels, expected a grid of 4 images of 32×32 pixels"},
		"a truncated sheet":    {func(f map[string]string) { f["train.webp"] = f["train.webp"][:5000] }, "WebP pixels: damaged or truncated"},
		"no WebP":              {func(f map[string]string) { f["train.webp"] = "pixels" }, "/train.webp: offset 0: WebP header: not a readable WebP file"},
	} {
		t.Run(name, func(t *testing.T) {
			files, dir := map[string]string{}, t.TempDir()
			for _, name := range names(t, good) {
				data, err := os.ReadFile(filepath.Join(good, name))
				require.NoError(t, err)
				files[name] = string(data)
			}
			c.change(files)
			for name, text := range files {
				write(t, dir, name, text)
			}
			_, _, err := LoadCIFAR100(dir)
			require.ErrorContains(t, err, dir)
			assert.ErrorContains(t, err, c.want)
			if len(files) == 6 {
				var format *FormatError
				require.ErrorAs(t, err, &format)
				assert.GreaterOrEqual(t, format.Offset, int64(0))
				assert.ErrorContains(t, failed(verify(dir, []*cifarSet{&cifar100Set})), c.want, "verifying says so too")
			} else {
				assert.ErrorIs(t, err, fs.ErrNotExist)
			}
			_, err = Open("", dir)
			assert.ErrorContains(t, err, c.want, "and so does finding what is there")
		})
	}
}

// The line that is named is the one that an editor shows.
func TestIndexNamesTheLine(t *testing.T) {
	l := &listing{classNames: []string{"a"}, labels: map[string][]byte{}}
	err := l.parseIndex("index.csv", []byte(strings.Join(indexColumns, ",")+"\n\nx,0,0,a,\"one\ntwo\"\nx,1,1,a,\n"), []string{"x"})
	assert.EqualError(t, err, `index.csv: offset 57: line 5, label: "1", expected 0 to 0`)
}

// Some of the images neither hide the whole set nor count as it, and an index alone is no CIFAR-100.
func TestListedSheetsAreNotTheWholeSet(t *testing.T) {
	s := cifar100Set
	s.perTrain, s.perTest = 200, 100
	dir := t.TempDir()
	writeListed(t, filepath.Join(dir, "cifar100"))
	archive := pack(t, &s, []tarEntry{
		regularEntry("cifar-100-binary/train.bin", balanced100(200)), regularEntry("cifar-100-binary/test.bin", balanced100(100))})
	web := newServer(t)
	web.handler = serveWhole(archive)
	assert.ErrorContains(t, web.fetcher(&s).Fetch(t.Context(), CIFAR100Name, filepath.Join(dir, "cifar100"), nil),
		"holds images of it that index.csv lists, which would be found before the whole set: name another folder")
	assert.Empty(t, web.ranges)
	require.NoError(t, web.fetcher(&s).Fetch(t.Context(), CIFAR100Name, dir, nil))
	assert.Len(t, web.ranges, 1, "downloaded")
	train, test, err := s.load(dir)
	require.NoError(t, err)
	assert.Equal(t, []int{200, 100}, []int{train.N, test.N})
	assert.Len(t, train.Coarse, 200)

	other := t.TempDir()
	writeListed(t, other)
	for _, name := range cifar100Set.names(true)[:4] {
		require.NoError(t, os.Remove(filepath.Join(other, name)))
	}
	assert.Equal(t, listingFiles, names(t, other))
	assert.Equal(t, Absent, List(other)[2].State)
	_, err = Open("", other)
	assert.ErrorContains(t, err, "data_batch_1.bin")
	assert.ErrorContains(t, err, "nor are there train.bin or train.webp of cifar100, or images in train/CLASS")
}

// balanced100 is a batch of n images, image k of class k modulo 100 and superclass k modulo 20.
func balanced100(n int) []byte {
	data := randomBatch(cifar100Layout, n, 1)
	for k := range n {
		record := data[k*cifar100Layout.recordBytes():]
		record[0], record[1] = byte(k%20), byte(k%100)
	}
	return data
}

// The part of CIFAR-100 in the data folder is what its README says: the sums of label and planes of every image, and the
// numbers of the classes. Its statistics are near those of the whole set, by which it is normalised.
func TestCIFAR100Sheets(t *testing.T) {
	dir := filepath.Join(dataFolder(t), "cifar100")
	if _, err := os.Stat(filepath.Join(dir, indexFile)); err != nil {
		t.Skipf("no CIFAR-100 as sheets: %v", err)
	}
	set, err := Open("", dir)
	require.NoError(t, err)
	id, err := set.Identity()
	require.NoError(t, err)
	assert.Equal(t, "cifar100 (10000 training and 2000 test samples)", id.String())
	assert.False(t, id.Published)
	byName, err := Open(CIFAR100Name, filepath.Dir(dir))
	require.NoError(t, err)
	again, err := byName.Identity()
	require.NoError(t, err)
	assert.Equal(t, id, again)
	for source, want := range map[Source]struct {
		class int
		sum   string
	}{
		set.Train: {100, "70bdb39c8268d95388ef91a2501f991a4fa484410e25d9e1e6b70e1d92a4b831"},
		set.Test:  {20, "91c9d920b87ea2ad4553113dbb6ce9bdb71d5e653d57082de91908f014caa0c8"},
	} {
		im := source.(imageSource).images
		require.NoError(t, im.Validate())
		sum := sha256.Sum256(im.appendBinary(nil, 0, im.N))
		assert.Equal(t, want.sum, hex.EncodeToString(sum[:]), im.Name)
		count := make([]int, 100)
		for _, label := range im.Labels {
			count[label]++
		}
		for class, n := range count {
			assert.Equal(t, want.class, n, "%s: class %d", im.Name, class)
		}
		assert.Equal(t, []string{"apple", "worm"}, []string{im.ClassNames[0], im.ClassNames[99]})
	}
	mean, std := set.Train.(imageSource).images.MeanStd()
	assert.InDeltaSlice(t, cifar100Mean, mean, 0.004)
	assert.InDeltaSlice(t, cifar100Std, std, 0.004)
	require.NoError(t, failed(Verify(dir)))
}
