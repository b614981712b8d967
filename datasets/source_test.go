package datasets

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Open finds what lies in a folder, and a set by its name.
func TestOpen(t *testing.T) {
	embedded, err := Open("", "")
	require.NoError(t, err)
	assert.Equal(t, EmbeddedName, embedded.Name)
	assert.Equal(t, [2]int{4000, 1000}, [2]int{embedded.Train.Len(), embedded.Test.Len()})
	assert.Equal(t, [3]int{32, 32, 3}, embedded.Train.Shape())
	assert.Equal(t, 10, embedded.Train.Classes())
	assert.Len(t, embedded.Train.ClassNames(), 10)
	assert.Len(t, embedded.Files(), len(embedded.Train.Files())+len(embedded.Test.Files()))
	assert.NotEmpty(t, embedded.Files())

	dir := writeFiles(t, map[string]string{
		"train/n1/a.JPEG": grey(t), "train/n1/b.JPEG": grey(t), "train/n2/c.JPEG": grey(t), "val/n1/d.JPEG": grey(t), "val/n2/e.JPEG": grey(t)})
	for _, name := range []string{"", FolderName} {
		folder, err := Open(name, dir)
		require.NoError(t, err)
		assert.Equal(t, FolderName, folder.Name)
		assert.Equal(t, [2]int{3, 2}, [2]int{folder.Train.Len(), folder.Test.Len()})
		assert.Equal(t, [3]int{0, 0, 3}, folder.Train.Shape(), "of different sizes")
		assert.Equal(t, []string{"n1", "n2"}, folder.Train.ClassNames())
		assert.Empty(t, folder.Files())
	}
	_, err = Open("mnist", "")
	assert.ErrorContains(t, err, `data set "mnist": expected one of embedded, cifar10, cifar100, folder`)
	_, err = Open("", t.TempDir())
	assert.ErrorContains(t, err, "cifar10")
	_, err = Open(FolderName, filepath.Join(dir, "train"))
	assert.Error(t, err)
}

// The identity tells sets apart by what they hold: the files, which of their images, their number, and labels.
func TestIdentity(t *testing.T) {
	train, test, err := Embedded()
	require.NoError(t, err)
	id := func(s *Set) Identity {
		t.Helper()
		id, err := s.Identity()
		require.NoError(t, err)
		return id
	}
	whole := id(ImageSet(train, test))
	opened, err := Open(EmbeddedName, "")
	require.NoError(t, err)
	assert.Equal(t, id(opened), whole)
	assert.Equal(t, "embedded (4000 training and 1000 test samples)", whole.String())
	assert.False(t, whole.Published)
	assert.Equal(t, "embedded", whole.Name)

	part := func(indices ...int) *Images {
		s, err := train.Subset(indices)
		require.NoError(t, err)
		return s
	}
	relabelled := part(0, 1, 2)
	relabelled.Labels[1]++
	own := func(pixel uint8) *Images {
		im := smallImages(3, 4, 4, 3, 2)
		im.Files, im.Pixels[5] = nil, pixel
		return im
	}
	seen := map[string]string{whole.SHA256: "whole"}
	for name, s := range map[string]*Set{
		"other test": ImageSet(train, train), "first three": ImageSet(part(0, 1, 2), test), "other three": ImageSet(part(0, 1, 3), test),
		"other order": ImageSet(part(1, 0, 2), test), "other label": ImageSet(relabelled, test), "four": ImageSet(part(0, 1, 2, 3), test),
		"of no file": ImageSet(own(1), own(1)), "another pixel": ImageSet(own(2), own(1)),
	} {
		got := id(s)
		assert.Equal(t, got, id(s), name)
		assert.NotContains(t, seen, got.SHA256, "%s is not %s", name, seen[got.SHA256])
		seen[got.SHA256] = name
	}
	assert.Equal(t, id(ImageSet(part(0, 1, 2), test)), id(ImageSet(part(0, 1, 2).Clone(), test)))

	files := map[string]string{"train/n1/a.JPEG": grey(t), "train/n2/b.JPEG": grey(t), "val/n1/c.JPEG": grey(t), "val/n2/d.JPEG": grey(t)}
	open := func() *Set {
		s, err := Open(FolderName, writeFiles(t, files))
		require.NoError(t, err)
		return s
	}
	first := id(open())
	assert.Equal(t, first, id(open()), "wherever it lies")
	files["train/n2/x.JPEG"] = grey(t)
	delete(files, "train/n2/b.JPEG")
	assert.NotEqual(t, first, id(open()))
	assert.False(t, first.Published)
}

// A set is the published one where it has all images, unchanged where the sums of the official files are known.
func TestOfficial(t *testing.T) {
	s, _ := balancedSet()
	dir := t.TempDir()
	writeTiny(t, s, dir)
	s.binSHA256 = map[string]string{}
	for i, b := range s.batches() {
		s.binSHA256[b+".bin"] = sumOf("", randomBatch(s.layout, s.records(b), uint64(i))).SHA256
	}
	train, test, err := s.load(dir)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change func(train, test *Images) (*Images, *Images)
		want   bool
	}{
		"as it is":      {func(a, b *Images) (*Images, *Images) { return a, b }, true},
		"a pixel":       {func(a, b *Images) (*Images, *Images) { a.Pixels[len(a.Pixels)-1]++; return a, b }, false},
		"a test pixel":  {func(a, b *Images) (*Images, *Images) { b.Pixels[0]++; return a, b }, false},
		"a label":       {func(a, b *Images) (*Images, *Images) { a.Labels[0] = (a.Labels[0] + 1) % 10; return a, b }, false},
		"less to train": {func(a, b *Images) (*Images, *Images) { a.N--; return a, b }, false},
		"the other way": {func(a, b *Images) (*Images, *Images) { return b, a }, false},
	} {
		a, b := tc.change(train.Clone(), test.Clone())
		got, err := s.official(a, b)
		require.NoError(t, err)
		assert.Equal(t, tc.want, got, name)
	}
	s.binSHA256 = nil
	got, err := s.official(train, test)
	require.NoError(t, err)
	assert.True(t, got, "without sums the numbers tell")
}

// CIFAR-10 as it was published is, and with an image less is not.
func TestPublished(t *testing.T) {
	s, err := Open(CIFAR10Name, dataFolder(t))
	require.NoError(t, err)
	id, err := s.Identity()
	require.NoError(t, err)
	assert.Equal(t, "cifar10 (50000 training and 10000 test samples)", id.String())
	assert.True(t, id.Published)
	s.Train.(imageSource).images.N--
	id, err = s.Identity()
	require.NoError(t, err)
	assert.False(t, id.Published)
}

// A source's batches are as training and evaluation need them.
func TestSourceBatches(t *testing.T) {
	train, _, err := Embedded()
	require.NoError(t, err)
	s := train.Source()
	b, err := s.Batches(BatchRequest{Size: 3, Indices: []int{5, 1, 4, 2, 3, 9, 8}, Seed: 2, Training: true, Side: 16, Cutout: 6})
	require.NoError(t, err)
	assert.Equal(t, [4]int{3, 16, 16, 3}, b.Shape())
	assert.Equal(t, []int{2, 7, 10}, []int{b.Steps(), b.Len(), b.Classes()}, "a last batch that is not full is left out")
	small, err := train.Resize(16)
	require.NoError(t, err)
	augment := DARTSAugment(16)
	augment.Cutout = 6
	want, err := NewBatches(small, BatchConfig{BatchSize: 3, Indices: []int{5, 1, 4, 2, 3, 9, 8}, Seed: 2, Augment: augment, Shuffle: true, DropLast: true})
	require.NoError(t, err)
	x, y, err := b.Fill(1, 1, nil, nil)
	require.NoError(t, err)
	wantX, wantY := want.At(1, 1)
	assert.Equal(t, wantX, x)
	assert.Equal(t, wantY, y)

	b, err = s.Batches(BatchRequest{Size: 3, Indices: []int{5, 1, 4, 2}, Seed: 2, Side: 32, Cutout: 6})
	require.NoError(t, err)
	assert.Equal(t, 2, b.Steps())
	x, y, err = b.Fill(0, 1, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, []int32{train.Labels[2]}, y)
	assert.Len(t, x, 32*32*3)
	for i, p := range train.Image(2) {
		require.InDelta(t, (float64(p)/255-float64(EvalTransform().Mean[i%3]))/float64(EvalTransform().Std[i%3]), x[i], 1e-5)
	}
	_, err = s.Batches(BatchRequest{Size: 3, Side: 20})
	assert.Error(t, err)
	_, err = s.Batches(BatchRequest{Size: 0, Side: 32})
	assert.ErrorContains(t, err, "BatchSize is 0")
}

// clips is a source of another kind: sound, as a spectrogram of one channel.
type clips struct{ n int }

func (c clips) Steps() int    { return c.n }
func (c clips) Len() int      { return c.n }
func (c clips) Shape() [4]int { return [4]int{1, 2, 3, 1} }
func (c clips) Classes() int  { return 2 }
func (c clips) Fill(epoch, step int, x []float32, y []int32) ([]float32, []int32, error) {
	return append(x[:0], float32(epoch), float32(step), 0, 0, 0, 0), append(y[:0], int32(step%2)), nil
}

// Another package's batches come like those of images: in order, epoch after epoch.
func TestPrefetcherTakesAnySource(t *testing.T) {
	p := NewPrefetcher(context.Background(), clips{3}, PrefetchConfig{Step: 2, Workers: 2})
	defer p.Close()
	for i := 2; i < 10; i++ {
		b, err := p.Next()
		require.NoError(t, err)
		assert.Equal(t, [2]float32{float32(math.Floor(float64(i) / 3)), float32(i % 3)}, [2]float32(b.X[:2]))
		assert.Equal(t, [2]int{i / 3, i % 3}, [2]int{b.Epoch, b.Step})
		b.Release()
	}
}
