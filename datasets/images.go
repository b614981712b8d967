package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Images is a set of labelled images of one size.
type Images struct {
	N, Height, Width, Channels int
	// Classes is the number of classes; labels run from 0 to Classes-1.
	Classes int
	// Pixels holds the images in order [N, Height, Width, Channels].
	Pixels []uint8
	// Labels holds one class per image, [N].
	Labels []int32
	// Coarse holds CIFAR-100's superclasses (0 to 19), [N]; nil for other data.
	Coarse []int32
	// Name says what this is, for records and messages: "cifar10 train", "embedded test".
	Name string
	// ClassNames has one name per class, or is nil where the files do not say.
	ClassNames []string
	// Files lists every source file that was read.
	Files []FileSum

	// part is true of what [Images.Subset] made.
	part bool
}

// FileSum is the SHA-256 of one source file.
type FileSum struct {
	// Name is the file's name without its folder.
	Name string `json:"name"`
	// SHA256 is in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
}

// FormatError says where in a file what is not as the format demands.
type FormatError struct {
	File string
	// Offset is the byte at which the trouble lies, or -1 where only the whole file can be blamed.
	Offset int64
	// Field names the part of the format: "label of image 7", "file length".
	Field string
	// Problem says what was found and what was expected.
	Problem string
	// Err is the decoder's own error, if there is one.
	Err error
}

// Error puts file, offset, field and problem in one line.
func (e *FormatError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf("offset %d: ", e.Offset)
	}
	text := fmt.Sprintf("%s: %s%s: %s", e.File, at, e.Field, e.Problem)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the decoder's own error.
func (e *FormatError) Unwrap() error { return e.Err }

func sumOf(name string, data []byte) FileSum {
	sum := sha256.Sum256(data)
	return FileSum{Name: name, SHA256: hex.EncodeToString(sum[:])}
}

// imageSize is the number of bytes of one image.
func (im *Images) imageSize() int { return im.Height * im.Width * im.Channels }

// Image returns the pixels of image i, [Height, Width, Channels], without copying. It panics like
// an index expression if i is not in 0..N-1.
func (im *Images) Image(i int) []uint8 {
	size := im.imageSize()
	return im.Pixels[i*size : (i+1)*size : (i+1)*size]
}

// Validate reports the first way in which the fields contradict each other: a slice of the wrong
// length, a label out of range.
func (im *Images) Validate() error {
	if im.N < 1 || im.Height < 1 || im.Width < 1 || im.Channels < 1 || im.Classes < 1 {
		return fmt.Errorf("%s: N %d, Height %d, Width %d, Channels %d, Classes %d: all must be at least 1",
			im.Name, im.N, im.Height, im.Width, im.Channels, im.Classes)
	}
	if want := im.N * im.imageSize(); len(im.Pixels) != want {
		return fmt.Errorf("%s: Pixels has %d bytes, expected %d", im.Name, len(im.Pixels), want)
	}
	if len(im.Labels) != im.N {
		return fmt.Errorf("%s: Labels has %d entries, expected %d", im.Name, len(im.Labels), im.N)
	}
	if im.Coarse != nil && len(im.Coarse) != im.N {
		return fmt.Errorf("%s: Coarse has %d entries, expected %d", im.Name, len(im.Coarse), im.N)
	}
	if im.ClassNames != nil && len(im.ClassNames) != im.Classes {
		return fmt.Errorf("%s: ClassNames has %d entries, expected %d", im.Name, len(im.ClassNames), im.Classes)
	}
	for i, label := range im.Labels {
		if label < 0 || int(label) >= im.Classes {
			return fmt.Errorf("%s: label of image %d is %d, expected 0 to %d", im.Name, i, label, im.Classes-1)
		}
	}
	return nil
}

// Clone returns a deep copy.
func (im *Images) Clone() *Images {
	c := *im
	c.Pixels = slices.Clone(im.Pixels)
	c.Labels = slices.Clone(im.Labels)
	c.Coarse = slices.Clone(im.Coarse)
	c.ClassNames = slices.Clone(im.ClassNames)
	c.Files = slices.Clone(im.Files)
	return &c
}

// Subset copies the images of the given indices, in their order; an index may occur more than
// once. An index outside 0..N-1 and an empty list are errors.
func (im *Images) Subset(indices []int) (*Images, error) {
	if len(indices) == 0 {
		return nil, fmt.Errorf("%s: a subset needs at least one index", im.Name)
	}
	out := *im
	out.N, out.part = len(indices), true
	out.Pixels = make([]uint8, 0, len(indices)*im.imageSize())
	out.Labels = make([]int32, 0, len(indices))
	out.Coarse = nil
	for at, i := range indices {
		if i < 0 || i >= im.N {
			return nil, fmt.Errorf("%s: indices[%d] is %d, expected 0 to %d", im.Name, at, i, im.N-1)
		}
		out.Pixels = append(out.Pixels, im.Image(i)...)
		out.Labels = append(out.Labels, im.Labels[i])
		if im.Coarse != nil {
			out.Coarse = append(out.Coarse, im.Coarse[i])
		}
	}
	return &out, nil
}

// FirstPerClass returns the indices, ascending, of the first n images of each class. A class with
// fewer than n images is an error.
func (im *Images) FirstPerClass(n int) ([]int, error) {
	if n < 1 {
		return nil, fmt.Errorf("%s: %d images per class, expected at least 1", im.Name, n)
	}
	count := make([]int, im.Classes)
	indices := make([]int, 0, n*im.Classes)
	for i, label := range im.Labels {
		if count[label] < n {
			count[label]++
			indices = append(indices, i)
		}
	}
	for class, c := range count {
		if c < n {
			return nil, fmt.Errorf("%s: class %d has %d images, expected at least %d", im.Name, class, c, n)
		}
	}
	return indices, nil
}

// Halve returns the images at half the height and width. Each new pixel is the mean of a 2×2
// block, rounded half up. Odd sizes are an error.
func (im *Images) Halve() (*Images, error) {
	if im.Height%2 != 0 || im.Width%2 != 0 {
		return nil, fmt.Errorf("%s: %d×%d pixels cannot be halved, height and width must be even", im.Name, im.Height, im.Width)
	}
	out := *im
	out.Height, out.Width = im.Height/2, im.Width/2
	out.Pixels = make([]uint8, im.N*out.imageSize())
	row := im.Width * im.Channels
	at := 0
	for y := 0; y < im.N*im.Height; y += 2 { // rows of all images in one go: Height is even
		upper, lower := im.Pixels[y*row:(y+1)*row], im.Pixels[(y+1)*row:(y+2)*row]
		for x := 0; x < row; x += 2 * im.Channels {
			for c := x; c < x+im.Channels; c++ {
				d := c + im.Channels
				out.Pixels[at] = uint8((int(upper[c]) + int(upper[d]) + int(lower[c]) + int(lower[d]) + 2) / 4)
				at++
			}
		}
	}
	return &out, nil
}

// Resize halves square images until they have size×size pixels; images of that size already are
// returned as they are. A size that halving does not reach is an error.
func (im *Images) Resize(size int) (*Images, error) {
	if im.Height != im.Width {
		return nil, fmt.Errorf("%s: %d×%d pixels are not square", im.Name, im.Height, im.Width)
	}
	out := im
	for out.Height > size {
		next, err := out.Halve()
		if err != nil {
			return nil, err
		}
		out = next
	}
	if out.Height != size {
		return nil, fmt.Errorf("%s: %d pixels cannot be halved to %d", im.Name, im.Height, size)
	}
	return out, nil
}

// window shares the memory of n images from the given one on; it has no Files.
func (im *Images) window(first, n int) *Images {
	w := *im
	w.N, w.Files = n, nil
	size := im.imageSize()
	w.Pixels = im.Pixels[first*size : (first+n)*size]
	w.Labels = im.Labels[first : first+n]
	if im.Coarse != nil {
		w.Coarse = im.Coarse[first : first+n]
	}
	return &w
}
