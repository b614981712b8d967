package datasets

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/internal/regular"
)

// ImageFolder is a list of labelled image files of any sizes; an image is decoded when it is asked
// for. It may be used by several goroutines.
type ImageFolder struct {
	// Name says what this is, for records and messages: the folder's name and the split.
	Name string
	// Files holds the images' paths within the folder, with slashes, sorted by class, then by name.
	Files []string
	// Labels holds one class per image, [len(Files)].
	Labels []int32
	// Classes has one identifier per class in the order of the labels, for ImageNet the WordNet ids
	// (n01440764): sorted, as torchvision's ImageFolder numbers them.
	Classes []string
	// ClassNames has one name per class, or is nil where no table gives them.
	ClassNames []string
	// LeftOut are files of the split that are no images, with why.
	LeftOut []LeftOut
	// Notes say what a reader of the list has to know: another order of the classes than torchvision's.
	Notes []string

	// Mean and Std normalise the images, by channel on the scale 0 to 1; where they are 0, ImageNet's do.
	Mean, Std [3]float64

	dir     string            // of files on disk
	archive map[string][]byte // of files in an archive, by path; nil for files on disk
}

// Names in a data folder beside the images.
const imageArchive = "images.tar.gz"

// classTables are files that number and name classes, with their columns.
var classTables = []struct{ file, index, name string }{
	{"labels.csv", "class_index", "name"}, // the one-image-a-class sample of ImageNet
	{"classes.csv", "label", "words"},     // Tiny ImageNet
}

// maxArchive bounds what an archive may unpack to, in bytes, since it is kept in memory.
const maxArchive = 1 << 30

// LeftOut is a file that was not taken.
type LeftOut struct{ Path, Why string }

// imageExtensions are those of files that are taken for images without a look into them; [ImageFolder.Check] looks.
var imageExtensions = []string{".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}

// otherExtensions are those of files that stand beside images and say something of them.
var otherExtensions = []string{".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".md", ".html", ".mat", ".npy", ".npz", ".db", ".ini", ".pdf", ".sh", ".py", ".log"}

func isImage(name string) bool {
	return !strings.HasPrefix(path.Base(name), ".") && slices.Contains(imageExtensions, strings.ToLower(path.Ext(name)))
}

// annotations name the classes of Tiny ImageNet's validation images, which lie in one folder.
const annotations = "val_annotations.txt"

// mostDepth bounds how deep images are looked for, so that links in a circle end.
const mostDepth = 8

// OpenImageFolder lists the images of a folder in one of these layouts:
//
//	DIR/SPLIT/CLASS/NAME       split "train" or "val": ImageNet as torchvision takes it
//	DIR/SPLIT/CLASS/…/NAME     folders within a class's; Tiny ImageNet's train/CLASS/images
//	DIR/val/images/NAME        with the classes in val/val_annotations.txt: Tiny ImageNet's validation images
//	DIR/CLASS/NAME             split ""
//	DIR/WNID.jpg               split "": the sample with one image a class; WNID_NAME.jpg is taken too
//
// Files with the extension of a format that [DecodeRGB] reads are taken for images, others where their first bytes are
// those of one; what is neither is in LeftOut. Nothing is decoded here: [ImageFolder.Check] does.
//
// Classes are numbered in the order of their names as text, as torchvision numbers them; where all begin with the same text and a
// number, in the order of the numbers, which Notes says. Instead of the files DIR may hold them as images.tar.gz, which is then read into memory
// whole. A table DIR/labels.csv (columns class_index, wnid, name) or DIR/classes.csv (label, wnid, words) gives the classes
// their names; where it numbers a class in another way, that is an error.
func OpenImageFolder(dir, split string) (*ImageFolder, error) {
	if strings.ContainsAny(split, `/\`) || strings.HasPrefix(split, ".") {
		return nil, fmt.Errorf("images of %s: split %q: expected the name of a folder, such as train or val", dir, split)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("images of %s: %w", dir, err)
	}
	f := &ImageFolder{Name: strings.TrimSpace(filepath.Base(dir) + " " + split), dir: dir}
	names, err := f.list(split)
	if err != nil {
		return nil, err
	}
	if err := f.sort(names, split); err != nil {
		return nil, err
	}
	if err := f.readable(); err != nil {
		return nil, err
	}
	if err := f.readClassNames(); err != nil {
		return nil, err
	}
	return f, nil
}

// list returns the paths of what lies in the split: files, and folders with a slash at the end.
func (f *ImageFolder) list(split string) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("images of %s: expected a folder: %w", f.dir, err)
	}
	onDisk := split == ""
	for _, e := range entries {
		if e.Name() == split {
			onDisk = true
		}
		if e.Name() == imageArchive && split == "" {
			onDisk = false
			break
		}
	}
	if onDisk {
		return listDisk(f.dir, split, mostDepth)
	}
	file := filepath.Join(f.dir, imageArchive)
	if f.archive, err = readArchive(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("images of %s: no folder %s and no %s, expected %s/CLASS/NAME.JPEG", f.dir, split, imageArchive, split)
	} else if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(f.archive))
	for name := range f.archive {
		if split == "" || strings.HasPrefix(name, split+"/") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: nothing below %s, expected %s/CLASS/NAME.JPEG", file, split, split)
	}
	return names, nil
}

// listDisk lists a folder below dir, and the folders in it to the given depth. Links are followed.
func listDisk(dir, below string, depth int) ([]string, error) {
	folder := filepath.Join(dir, filepath.FromSlash(below))
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a folder of images: %w", folder, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := path.Join(below, e.Name())
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 && !isImage(name) {
			info, err := os.Stat(filepath.Join(folder, e.Name()))
			isDir = err == nil && info.IsDir()
		}
		if !isDir {
			names = append(names, name)
			continue
		}
		names = append(names, name+"/")
		if depth > 1 {
			inside, err := listDisk(dir, name, depth-1)
			if err != nil {
				return nil, err
			}
			names = append(names, inside...)
		}
	}
	return names, nil
}

// readArchive reads the files of a gzipped tar archive.
func readArchive(file string) (map[string][]byte, error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	fail := func(err error) error {
		return &FormatError{File: file, Offset: -1, Field: "archive", Problem: "damaged or truncated, expected a gzipped tar archive", Err: decoderError(err)}
	}
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, fail(err)
	}
	limited := &io.LimitedReader{R: unzipped, N: maxArchive}
	archive := tar.NewReader(limited)
	files := map[string][]byte{}
	unpacked := int64(0) // holes of sparse files with it, which the archive does not have
	for {
		header, err := archive.Next()
		if err == nil {
			unpacked += header.Size
		}
		if limited.N <= 0 || unpacked > maxArchive {
			return nil, &FormatError{File: file, Offset: -1, Field: "archive", Problem: fmt.Sprintf("unpacks to more than the %d bytes allowed: unpack it into the folder", int64(maxArchive))}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fail(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		var content bytes.Buffer
		if header.Size < maxArchive {
			content.Grow(int(min(header.Size, 1<<20)) + bytes.MinRead)
		}
		if _, err := io.Copy(&content, archive); err != nil && limited.N > 0 {
			return nil, fail(err)
		}
		files[path.Clean(header.Name)] = content.Bytes()
	}
	if _, err := io.Copy(io.Discard, limited); err != nil { // to the checksum
		return nil, fail(err)
	}
	return files, nil
}

var wnid = regexp.MustCompile(`^n\d{8}$`)

// sort turns what list found into Files, Labels and Classes.
func (f *ImageFolder) sort(names []string, split string) error {
	where := path.Join(filepath.ToSlash(f.dir), split)
	inside := func(name string) string {
		if split == "" {
			return name
		}
		return strings.TrimPrefix(name, split+"/")
	}
	if split != "" && slices.Contains(names, path.Join(split, annotations)) {
		return f.sortAnnotated(names, split)
	}
	classes := map[string][]string{} // images by class
	flat, inFolders := "", ""        // an example of either
	for _, name := range names {
		class, file, found := strings.Cut(inside(name), "/")
		switch {
		case found && file == "":
			classes[class] = append(classes[class], []string{}...)
		case strings.HasSuffix(file, "/"):
		case found && split == "" && (class == "train" || class == "val"):
			return needsSplit(where, class)
		case !f.image(name):
		case !found:
			flat = name
			id := strings.TrimSuffix(class, path.Ext(class))
			id, _, _ = strings.Cut(id, "_")
			classes[id] = append(classes[id], name)
		default:
			inFolders = name
			classes[class] = append(classes[class], name)
		}
	}
	switch {
	case flat == "" && inFolders == "":
		if split == "" {
			for _, s := range []string{"train", "val"} {
				if _, ok := classes[s]; ok {
					return needsSplit(where, s)
				}
			}
		}
		return fmt.Errorf("images of %s: no image found, expected CLASS/NAME.JPEG (or .jpg, .png)%s", where, f.leftOutText())
	case flat != "" && inFolders != "":
		return fmt.Errorf("images of %s: unknown layout: %s beside %s, expected either one folder a class or WNID.jpg files", where, flat, inFolders)
	case flat != "" && split != "":
		return fmt.Errorf("images of %s: unknown layout: %s lies outside a class's folder, expected CLASS/NAME.JPEG", where, flat)
	}
	for class, images := range classes {
		switch {
		case len(images) > 0 && flat != "" && !wnid.MatchString(class):
			return fmt.Errorf("images of %s: %s: the name gives no class, expected WNID.jpg such as n01440764.jpg", where, images[0])
		case len(images) > 0:
		case flat != "": // a folder of something else
			delete(classes, class)
		default:
			return fmt.Errorf("images of %s: no image in the folder of class %s, expected at least one .JPEG, .jpg or .png%s", where, class, f.leftOutText())
		}
	}
	f.number(classes)
	return nil
}

// number gives the classes their numbers and the images their labels.
func (f *ImageFolder) number(classes map[string][]string) {
	f.Classes, f.Files, f.Labels = slices.Sorted(maps.Keys(classes)), nil, nil
	if byNumber := numbersInOrder(f.Classes); byNumber != nil && !slices.Equal(byNumber, f.Classes) {
		f.Notes = append(f.Notes, fmt.Sprintf("the %d classes are numbered and stand in the order of the numbers (%s), where torchvision takes them as text (%s); --classes FILE gives another",
			len(byNumber), few(byNumber), few(f.Classes)))
		f.Classes = byNumber
	}
	f.label(classes)
}

// label lists the images in the order of the classes.
func (f *ImageFolder) label(classes map[string][]string) {
	f.Files, f.Labels = nil, nil
	for label, class := range f.Classes {
		images := classes[class]
		slices.Sort(images)
		f.Files = append(f.Files, images...)
		for range images {
			f.Labels = append(f.Labels, int32(label))
		}
	}
}

// numberedClass is a name with a number behind a text, which may be empty.
var numberedClass = regexp.MustCompile(`^([^0-9]*)([0-9]+)`)

// numbersInOrder are names that all begin with the same text and a number behind it (0 and 10, class_1 and class_10, 2_cat and
// 10_dog) in the order of the numbers, else nil.
func numbersInOrder(names []string) []string {
	text, digits := "", map[string]string{}
	for i, name := range names {
		m := numberedClass.FindStringSubmatch(name)
		if m == nil || i > 0 && m[1] != text {
			return nil
		}
		text, digits[name] = m[1], strings.TrimLeft(m[2], "0")
	}
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(digits[a]), len(digits[b])), cmp.Compare(digits[a], digits[b]))
	})
	return out
}

// few shows the first of a list.
func few(list []string) string {
	const most = 4
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// sortAnnotated sorts the images of a split whose classes stand in a table.
func (f *ImageFolder) sortAnnotated(names []string, split string) error {
	file := path.Join(split, annotations)
	text, err := f.content(file)
	if err != nil {
		return err
	}
	images := map[string]string{} // by the name that the table has
	for _, name := range names {
		if !strings.HasSuffix(name, "/") && name != file && f.image(name) {
			images[path.Base(name)] = name
		}
	}
	classes := map[string][]string{}
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		fields := strings.Fields(line)
		fail := func(format string, args ...any) error {
			return &FormatError{File: filepath.Join(f.dir, filepath.FromSlash(file)), Offset: -1, Field: fmt.Sprintf("line %d", i+1), Problem: fmt.Sprintf(format, args...)}
		}
		if len(fields) < 2 {
			return fail("%q, expected the name of an image and its class", line)
		}
		name, found := images[fields[0]]
		if !found {
			return fail("there is no image %s, or it stands twice", fields[0])
		}
		classes[fields[1]] = append(classes[fields[1]], name)
		delete(images, fields[0])
	}
	for _, name := range slices.Sorted(maps.Values(images)) {
		f.LeftOut = append(f.LeftOut, LeftOut{name, "stands not in " + annotations})
	}
	f.number(classes)
	return nil
}

// unread is why a file is left out that is neither an image that is read nor one of otherExtensions.
const unread = "of no format that is read"

// unreadImage is why an image is left out.
const unreadImage = "an image of a format that is not read"

// foreignExtensions and foreignBeginnings are those of images of other formats.
var (
	foreignExtensions = []string{".heic", ".heif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".svg", ".tga", ".psd", ".ico", ".pcx", ".exr", ".hdr", ".dds",
		".xbm", ".xpm", ".pam", ".pfm", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".raw"}
	foreignBeginnings = []string{"\x00\x00\x00\x0cjP  ", "\xff\x4f\xff\x51", "\x00\x00\x00\x0cJXL ", "8BPS", "\x00\x00\x00\x1cftyp", "\x00\x00\x00\x20ftyp", "\x00\x00\x00\x18ftyp"}
)

// readable is the error of a folder of whose images more than a tenth are of formats that are not read, or of which most files
// are none that are read.
func (f *ImageFolder) readable() error {
	images, files, example := 0, 0, ""
	for _, l := range f.LeftOut {
		switch l.Why {
		case unreadImage:
			images++
			example = l.Path
		case unread:
			files++
			example = cmp.Or(example, l.Path)
		}
	}
	all := len(f.Files) + images
	switch {
	case float64(images) > mostLeftOut*float64(all):
		return fmt.Errorf("images of %s: %d of %d images are of formats that are not read, more than a tenth, such as %s: expected JPEG, PNG, WebP, GIF, BMP, TIFF or PNM", f.Name, images, all, example)
	case files > len(f.Files):
		return fmt.Errorf("images of %s: %d of %d files are %s, such as %s: expected JPEG, PNG, WebP, GIF, BMP, TIFF or PNM", f.Name, files, all+files, unread, example)
	}
	return nil
}

// image tells whether a file is taken for an image, and remembers it where it is not.
func (f *ImageFolder) image(name string) bool {
	if isImage(name) {
		return true
	}
	if slices.Contains(otherExtensions, strings.ToLower(path.Ext(name))) {
		f.LeftOut = append(f.LeftOut, LeftOut{name, "no image, by its extension"})
		return false
	}
	head, err := f.head(name)
	if err == nil && formatOf(head) != "" {
		return true
	}
	if slices.Contains(foreignExtensions, strings.ToLower(path.Ext(name))) || slices.ContainsFunc(foreignBeginnings, func(begin string) bool { return bytes.HasPrefix(head, []byte(begin)) }) {
		f.LeftOut = append(f.LeftOut, LeftOut{name, unreadImage})
		return false
	}
	f.LeftOut = append(f.LeftOut, LeftOut{name, unread})
	return false
}

// leftOutText is what an error adds where files were passed over.
func (f *ImageFolder) leftOutText() string {
	if len(f.LeftOut) == 0 {
		return ""
	}
	return fmt.Sprintf("; left out: %d files, such as %s (%s)", len(f.LeftOut), f.LeftOut[0].Path, f.LeftOut[0].Why)
}

func needsSplit(where, split string) error {
	return fmt.Errorf("images of %s: there is a folder %s, expected its name as the split", where, split)
}

// readClassNames reads the first table of classes there is.
func (f *ImageFolder) readClassNames() error {
	for _, table := range classTables {
		file := filepath.Join(f.dir, table.file)
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
		if err != nil {
			return &FormatError{File: file, Offset: -1, Field: "table of classes", Problem: "not readable as CSV", Err: err}
		}
		if len(rows) == 0 {
			return &FormatError{File: file, Offset: 0, Field: "table of classes", Problem: "empty, expected a line of column names"}
		}
		index, id, name := slices.Index(rows[0], table.index), slices.Index(rows[0], "wnid"), slices.Index(rows[0], table.name)
		if index < 0 || id < 0 || name < 0 {
			return &FormatError{File: file, Offset: 0, Field: "column names",
				Problem: fmt.Sprintf("%s, expected %s, wnid and %s among them", strings.Join(rows[0], ","), table.index, table.name)}
		}
		names := make([]string, len(f.Classes))
		seen := make([]bool, len(f.Classes))
		for i, row := range rows[1:] {
			at := slices.Index(f.Classes, row[id])
			if at < 0 {
				return &FormatError{File: file, Offset: -1, Field: fmt.Sprintf("class %d", i), Problem: fmt.Sprintf("there is no image of class %s", row[id])}
			}
			if row[index] != strconv.Itoa(at) || seen[at] {
				return &FormatError{File: file, Offset: -1, Field: fmt.Sprintf("%s of class %s", table.index, row[id]),
					Problem: fmt.Sprintf("%s, expected %d (its place among the classes) once", row[index], at)}
			}
			names[at], seen[at] = row[name], true
		}
		if missing := slices.Index(seen, false); missing >= 0 {
			return &FormatError{File: file, Offset: -1, Field: "table of classes",
				Problem: fmt.Sprintf("class %s, of which there are images, is missing", f.Classes[missing])}
		}
		f.ClassNames = names
		return nil
	}
	return nil
}

// Len is the number of images.
func (f *ImageFolder) Len() int { return len(f.Files) }

// path is where image i lies, for messages.
func (f *ImageFolder) path(i int) string {
	if f.archive != nil {
		return filepath.Join(f.dir, imageArchive) + ":" + f.Files[i]
	}
	return filepath.Join(f.dir, filepath.FromSlash(f.Files[i]))
}

// Read returns the bytes of image file i, which the caller must not change. An i outside
// 0..Len()-1 and a file that cannot be read are errors.
func (f *ImageFolder) Read(i int) ([]byte, error) {
	if i < 0 || i >= len(f.Files) {
		return nil, fmt.Errorf("image %d of %s: expected 0 to %d", i, f.Name, len(f.Files)-1)
	}
	data, err := f.content(f.Files[i])
	if err != nil {
		return nil, fmt.Errorf("image %d of %s: expected a readable file: %w", i, f.Name, err)
	}
	return data, nil
}

// largestImage bounds the bytes of an image file.
const largestImage = 1 << 30

// content is what a file of the folder or its archive holds.
func (f *ImageFolder) content(name string) ([]byte, error) {
	if f.archive != nil {
		return f.archive[name], nil
	}
	return regular.Read(filepath.Join(f.dir, filepath.FromSlash(name)), largestImage)
}

// head are the first bytes of a file.
func (f *ImageFolder) head(name string) ([]byte, error) {
	if f.archive != nil {
		return f.archive[name], nil
	}
	file, err := regular.Open(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// Decode reads and decodes image i as [DecodeRGB] does.
func (f *ImageFolder) Decode(i int) (*RGB, error) {
	data, err := f.Read(i)
	if err != nil {
		return nil, err
	}
	return DecodeRGB(f.path(i), data)
}
