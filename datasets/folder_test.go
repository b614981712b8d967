package datasets

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// grey is a small JPEG image.
func grey(t testing.TB) string {
	return string(jpegOf(t, &RGB{Height: 8, Width: 8, Pix: make([]uint8, 3*64)}))
}

// folderOf makes a folder of images with these names and other files with their contents.
func folderOf(t testing.TB, images []string, others map[string]string) string {
	files := map[string]string{}
	for _, name := range images {
		files[name] = grey(t)
	}
	for name, text := range others {
		files[name] = text
	}
	return writeFiles(t, files)
}

// imagesOf are SPLIT/CLASS/N.jpg of some classes, n of each.
func imagesOf(split string, n int, classes ...string) []string {
	var out []string
	for _, class := range classes {
		for i := range n {
			out = append(out, fmt.Sprintf("%s%s/%d.jpg", split, class, i))
		}
	}
	return out
}

func joined(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func TestFolderClassesAreComparedByName(t *testing.T) {
	for name, c := range map[string]struct {
		train, val []string
		want       string
	}{
		"renamed": {[]string{"ant", "bee", "cat"}, []string{"bee", "cat", "dog"},
			"expected the same classes in both splits: dog of data val is not in data train; ant of data train is not in data val"},
		"missing":  {[]string{"ant", "bee"}, []string{"ant"}, "bee of data train is not in data val"},
		"too many": {[]string{"ant"}, []string{"ant", "b1", "b2", "b3", "b4", "b5"}, "b1, b2, b3, b4 and 1 more of data val are not in data train"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			require.NoError(t, os.Rename(folderOf(t, joined(imagesOf("train/", 1, c.train...), imagesOf("val/", 1, c.val...)), nil), dir))
			_, err := Open(FolderName, dir)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestFolderLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		images        []string
		others        map[string]string
		train, test   int
		classes, says []string
	}{
		"ImageNet's": {images: joined(imagesOf("train/", 3, "a", "b"), imagesOf("val/", 2, "a", "b")), train: 6, test: 4, classes: []string{"a", "b"}},
		"Tiny ImageNet's": {images: joined(imagesOf("train/", 3, "n01/images", "n02/images"), []string{"val/images/val_0.JPEG", "val/images/val_1.JPEG", "val/images/val_2.JPEG"}),
			others: map[string]string{"val/val_annotations.txt": "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n", "train/n01/n01_boxes.txt": "x"},
			train:  6, test: 2, classes: []string{"n01", "n02"}, says: []string{"1 stands not in val_annotations.txt, such as val/images/val_2.JPEG", "1 no image, by its extension, such as train/n01/n01_boxes.txt"}},
		"some nested": {images: joined(imagesOf("train/", 2, "a", "a/more", "a/more/still", "b"), imagesOf("val/", 1, "a", "b")), train: 8, test: 2, classes: []string{"a", "b"}},
		"no splits": {images: imagesOf("", 10, "a", "b"), train: 16, test: 4, classes: []string{"a", "b"},
			says: []string{"has no splits: 16 images train and 4 test, a fifth of each class by the SHA-256 of their names"}},
		"numbers": {images: joined(imagesOf("train/", 1, "0", "1", "10", "2"), imagesOf("val/", 1, "0", "1", "10", "2")), train: 4, test: 4, classes: []string{"0", "1", "2", "10"},
			says: []string{"the 4 classes are numbered and stand in the order of the numbers (0, 1, 2, 10), where torchvision takes them as text (0, 1, 10, 2); --classes FILE gives another"}},
		"test beside val": {images: joined(imagesOf("train/", 1, "a", "b"), imagesOf("val/", 1, "a", "b"), imagesOf("test/", 2, "a", "b")), train: 2, test: 2, classes: []string{"a", "b"},
			says: []string{"val tests; not read: test"}},
		"test alone": {images: joined(imagesOf("train/", 1, "a", "b"), imagesOf("test/", 2, "a", "b")), train: 2, test: 4, classes: []string{"a", "b"}},
		"contents decide": {images: joined(imagesOf("train/", 1, "a", "b"), imagesOf("val/", 1, "a", "b"), []string{"train/a/noextension", "train/b/1.dat"}),
			others: map[string]string{"train/a/x.bin": "what is it", "train/a/Thumbs.db": "x"}, train: 4, test: 2, classes: []string{"a", "b"},
			says: []string{"1 of no format that is read, such as train/a/x.bin", "1 no image, by its extension, such as train/a/Thumbs.db"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folderOf(t, c.images, c.others)
			set, err := Open("", dir)
			require.NoError(t, err)
			assert.Equal(t, FolderName, set.Name)
			assert.Equal(t, []int{c.train, c.test}, []int{set.Train.Len(), set.Test.Len()})
			assert.Equal(t, c.classes, set.Train.ClassNames())
			assert.Equal(t, c.classes, set.Test.ClassNames())
			said := strings.Join(set.Notes, "\n")
			for _, want := range c.says {
				assert.Contains(t, said, want)
			}
			if c.says == nil {
				assert.Empty(t, set.Notes)
			}
			again, err := Open("", dir)
			require.NoError(t, err)
			assert.Equal(t, set.Train.(folderSource).folder.Files, again.Train.(folderSource).folder.Files)
		})
	}
}

func TestFolderOrderOfClasses(t *testing.T) {
	dir := folderOf(t, joined(imagesOf("train/", 2, "ant", "bee", "cat"), imagesOf("val/", 1, "ant", "bee", "cat")), nil)
	set, err := OpenFolder(dir, FolderOptions{Classes: []string{"cat", "ant", "bee"}})
	require.NoError(t, err)
	f := set.Train.(folderSource).folder
	assert.Equal(t, []string{"cat", "ant", "bee"}, f.Classes)
	assert.Equal(t, "train/cat/0.jpg", f.Files[0])
	assert.Equal(t, []int32{0, 0, 1, 1, 2, 2}, f.Labels)
	for want, order := range map[string][]string{
		`class "cat" is missing`:            {"ant", "bee"},
		`there is no folder of class "dog"`: {"ant", "bee", "cat", "dog"},
		`class "ant" stands twice`:          {"ant", "bee", "cat", "ant"},
	} {
		_, err := OpenFolder(dir, FolderOptions{Classes: order})
		assert.ErrorContains(t, err, want)
	}
}

// TestFolderDamaged: what cannot be read is known before anything is trained.
func TestFolderDamaged(t *testing.T) {
	whole := grey(t)
	var p bytes.Buffer
	require.NoError(t, png.Encode(&p, image.NewRGBA(image.Rect(0, 0, 4, 4))))
	for name, content := range map[string]string{
		"cut": whole[:len(whole)-40], "empty": "", "text": "no image at all", "cut PNG": p.String()[:p.Len()-14], "head alone": whole[:20],
	} {
		t.Run(name, func(t *testing.T) {
			images := joined(imagesOf("train/", 20, "a", "b"), imagesOf("val/", 20, "a", "b"))
			dir := folderOf(t, images, map[string]string{"val/b/bad.jpg": content})
			looked := 0
			_, err := OpenFolder(dir, FolderOptions{})
			require.ErrorContains(t, err, "1 of 41 images cannot be read, the first: ")
			require.ErrorContains(t, err, filepath.Join("val", "b", "bad.jpg"))
			require.ErrorContains(t, err, "--damaged skip leaves them out")
			set, err := OpenFolder(dir, FolderOptions{SkipDamaged: true, Progress: func(done, total int) { looked = max(looked, done); assert.Equal(t, 81, total) }})
			require.NoError(t, err)
			assert.Equal(t, 40, set.Test.Len())
			assert.Equal(t, 81, looked)
			assert.Contains(t, strings.Join(set.Notes, "\n"), "1 files were left out: 1 damaged, such as val/b/bad.jpg")
		})
	}
	dir := folderOf(t, joined(imagesOf("train/", 8, "a", "b"), imagesOf("val/", 1, "a", "b")), map[string]string{"train/a/x.jpg": "", "train/b/y.jpg": ""})
	_, err := OpenFolder(dir, FolderOptions{SkipDamaged: true})
	assert.ErrorContains(t, err, "2 of 18 images cannot be read, more than a tenth")
}

// TestFormats: one picture in each format without losses has the same pixels.
func TestFormats(t *testing.T) {
	picture := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.NRGBA{10, 20, 30, 255}, color.NRGBA{200, 100, 50, 255}, color.NRGBA{0, 255, 0, 255}})
	copy(picture.Pix, []uint8{0, 1, 2, 2, 1, 0})
	want := []uint8{10, 20, 30, 200, 100, 50, 0, 255, 0, 0, 255, 0, 200, 100, 50, 10, 20, 30}
	encoded := map[string]func(*bytes.Buffer) error{
		"PNG": func(b *bytes.Buffer) error { return png.Encode(b, picture) }, "GIF": func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) },
		"BMP": func(b *bytes.Buffer) error { return bmp.Encode(b, picture) }, "TIFF": func(b *bytes.Buffer) error { return tiff.Encode(b, picture, nil) },
		"PNM": func(b *bytes.Buffer) error { _, err := fmt.Fprintf(b, "P6\n3 2\n255\n%s", want); return err },
	}
	for format, encode := range encoded {
		var b bytes.Buffer
		require.NoError(t, encode(&b))
		assert.Equal(t, format, formatOf(b.Bytes()))
		got, err := DecodeRGB("x", b.Bytes())
		require.NoError(t, err, format)
		assert.Equal(t, &RGB{Height: 2, Width: 3, Pix: want}, got, format)
		_, err = DecodeRGB("x.img", b.Bytes()[:b.Len()-8])
		assert.ErrorContains(t, err, "x.img: ", format)
	}
	sheet, err := embeddedFiles.ReadFile("embedded/test_0.webp")
	require.NoError(t, err)
	got, err := DecodeRGB("sheet", sheet)
	require.NoError(t, err)
	assert.Positive(t, got.Height*got.Width)
}

// TestUnreadFormats: a few images of formats that are not read are left out, more than a tenth are an error.
func TestUnreadFormats(t *testing.T) {
	few := imagesOf("train/", 5, "a", "b")
	f, err := OpenImageFolder(folderOf(t, few, map[string]string{"train/a/x.heic": "x"}), "train")
	require.NoError(t, err)
	assert.Equal(t, []LeftOut{{"train/a/x.heic", unreadImage}}, f.LeftOut)
	for name, others := range map[string]map[string]string{
		"extension": {"train/a/x.svg": "<svg>", "train/b/y.jp2": "y"},
		"contents":  {"train/a/x": "\x00\x00\x00\x1cftypavif", "train/b/y.img": "\xff\x4f\xff\x51"},
	} {
		_, err := OpenImageFolder(folderOf(t, few, others), "train")
		assert.ErrorContains(t, err, "2 of 12 images are of formats that are not read, more than a tenth, such as train/b/y", name)
	}
	_, err = OpenImageFolder(folderOf(t, imagesOf("train/", 1, "a", "b"), map[string]string{"train/a/x.bin": "x", "train/a/y.bin": "y", "train/a/z.bin": "z"}), "train")
	assert.ErrorContains(t, err, "3 of 5 files are of no format that is read")
}

// TestOrderOfNumbers: names of the same text and a number are in the order of the numbers.
func TestOrderOfNumbers(t *testing.T) {
	for want, names := range map[string]string{
		"0 1 2 10": "0 1 10 2", "class_1 class_10": "class_1 class_10", "class_9 class_10": "class_10 class_9", "1_cat 02_dog 10_ant": "02_dog 10_ant 1_cat",
		"n00000002 n00000010": "n00000002 n00000010", "9999999999999999999 10000000000000000000": "10000000000000000000 9999999999999999999",
		"": "ant bee", " ": "10_a 2_b c", "  ": "a10 b2",
	} {
		assert.Equal(t, strings.TrimSpace(want), strings.Join(numbersInOrder(strings.Fields(names)), " "), names)
	}
}

// TestChannelsOfFolder: mean and deviation are of the training images, each of the same weight; both parts are normalised by
// them, and images beyond the end of a header are looked into.
func TestChannelsOfFolder(t *testing.T) {
	file := func(c color.RGBA, width int) string {
		im := image.NewRGBA(image.Rect(0, 0, width, 2))
		for i := range 2 * width {
			im.Set(i%width, i/width, c)
		}
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, im))
		return b.String()
	}
	white := file(color.RGBA{255, 255, 255, 255}, 3)
	files := map[string]string{"train/a/0.png": file(color.RGBA{255, 51, 0, 255}, 3), "train/b/0.png": file(color.RGBA{0, 51, 0, 255}, 30), "val/a/0.png": white, "val/b/0.png": white}
	s, err := Open("", writeFiles(t, files))
	require.NoError(t, err)
	id, err := s.Identity()
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{0.5, 0.2, 0}, id.Mean[:], 1e-12)
	assert.InDeltaSlice(t, []float64{0.5, 1. / 255, 1. / 255}, id.Std[:], 1e-6)
	b, err := s.Test.Batches(BatchRequest{Size: 1, Side: 2})
	require.NoError(t, err)
	x, _, err := b.Fill(0, 0, nil, nil)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{1, 0.8 * 255, 255}, x[:3], 1e-3)

	broken := []byte(white) // in its pixels, with header and end as they should be
	at := bytes.Index(broken, []byte("IDAT"))
	broken[at+6] ^= 0xff
	files["val/b/0.png"] = string(broken)
	_, err = Open("", writeFiles(t, files))
	assert.ErrorContains(t, err, filepath.Join("val", "b", "0.png"))
}

// TestClassesOfWhatIsNotRead are compared, too.
func TestClassesOfWhatIsNotRead(t *testing.T) {
	_, err := Open("", folderOf(t, joined(imagesOf("train/", 1, "a", "b"), imagesOf("val/", 1, "a", "b"), imagesOf("test/", 1, "a", "c")), nil))
	assert.ErrorContains(t, err, "c of ")
	s, err := Open("", folderOf(t, joined(imagesOf("train/", 1, "a", "b"), imagesOf("val/", 1, "a", "b"), imagesOf("test/", 1, "images")), nil))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Test.Len())
	dir := folderOf(t, joined(imagesOf("train/", 1, "a", "b"), imagesOf("val/", 1, "b")), nil)
	f, err := OpenImageFolder(dir, "val")
	require.NoError(t, err)
	assert.ErrorContains(t, f.SameAsTrain(), "a of ")
}

// TestFolderAmong: a part of a network's classes keeps the network's labels.
func TestFolderAmong(t *testing.T) {
	dir := folderOf(t, imagesOf("val/", 1, "bee", "dog"), nil)
	f, err := OpenImageFolder(dir, "val")
	require.NoError(t, err)
	require.NoError(t, f.Among([]string{"dog", "cat", "bee"}))
	assert.Equal(t, []string{"val/bee/0.jpg", "val/dog/0.jpg"}, f.Files)
	assert.Equal(t, []int32{2, 0}, f.Labels)
	f, err = OpenImageFolder(dir, "val")
	require.NoError(t, err)
	assert.ErrorContains(t, f.Among([]string{"dog", "cat"}), "not among the 2 names: bee")
}
