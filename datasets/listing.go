package datasets

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	classesFile = "classes.txt"
	indexFile   = "index.csv"
)

// listingFiles stand beside sheets that hold any number of images.
var listingFiles = []string{classesFile, indexFile}

// indexColumns are those of index.csv: an image's batch, its place there, label and class. The file that it comes from is
// for people.
var indexColumns = []string{"split", "k", "label", "class", "original_filename"}

// listing says which images sheets hold: classes.txt has the name of a class a line, sorted, in the order of the labels,
// index.csv a line for each image, those of a batch in its order.
type listing struct {
	classNames []string
	labels     map[string][]byte // of each batch
	files      []FileSum
}

// readListing reads the listing of some batches. Errors in a file are [*FormatError].
func readListing(dir string, batches []string, classes int) (*listing, error) {
	l := &listing{labels: map[string][]byte{}}
	for _, name := range listingFiles {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		l.files = append(l.files, sumOf(name, data))
		if name == classesFile {
			l.classNames, err = parseClasses(path, data, classes)
		} else {
			err = l.parseIndex(path, data, batches)
		}
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// parseClasses reads the names of n classes.
func parseClasses(file string, data []byte, n int) ([]string, error) {
	names := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	at := int64(0)
	for i, name := range names {
		if i > 0 && name <= names[i-1] || name == "" {
			return nil, &FormatError{File: file, Offset: at, Field: fmt.Sprintf("line %d", i+1),
				Problem: fmt.Sprintf("%q, expected a class's name, and in sorted order", name)}
		}
		at += int64(len(name)) + 1
	}
	if len(names) != n {
		return nil, &FormatError{File: file, Offset: int64(len(data)), Field: "number of lines",
			Problem: fmt.Sprintf("%d, expected %d, the name of a class a line", len(names), n)}
	}
	return names, nil
}

// parseIndex reads the labels of some batches, each of which has to have an image.
func (l *listing) parseIndex(file string, data []byte, batches []string) error {
	err := eachRow(file, data, indexColumns, func(r csvRow) error {
		batch := r.fields[0]
		if !slices.Contains(batches, batch) {
			return r.wrong(0, "expected "+strings.Join(batches, " or "))
		}
		if k := len(l.labels[batch]); r.fields[1] != strconv.Itoa(k) {
			return r.wrong(1, fmt.Sprintf("expected %d, the images of %s in their order", k, batch))
		}
		label, err := r.number(2, len(l.classNames)-1)
		if err != nil {
			return err
		}
		if class := l.classNames[label]; r.fields[3] != class {
			return r.wrong(3, fmt.Sprintf("expected %q, which is class %d in %s", class, label, classesFile))
		}
		l.labels[batch] = append(l.labels[batch], byte(label))
		return nil
	})
	if err != nil {
		return err
	}
	for _, batch := range batches {
		if len(l.labels[batch]) == 0 {
			return &FormatError{File: file, Offset: int64(len(data)), Field: indexColumns[0], Problem: "no image of " + batch + ", expected at least 1"}
		}
	}
	return nil
}

// check compares the labels of a batch's own file with those of the index.
func (l *listing) check(file, batch string, labels []byte) error {
	want := l.labels[batch]
	if len(labels) != len(want) {
		return &FormatError{File: file, Offset: int64(min(len(labels), len(want))), Field: "file length",
			Problem: fmt.Sprintf("the file has %d bytes, expected %d, a label for each image of %s in %s", len(labels), len(want), batch, indexFile)}
	}
	for i, label := range labels {
		if err := checkLabel(file, int64(i), "label", i, label, len(l.classNames)); err != nil {
			return err
		}
		if label != want[i] {
			return &FormatError{File: file, Offset: int64(i), Field: fmt.Sprintf("label of image %d", i),
				Problem: fmt.Sprintf("%d, expected %d as in %s", label, want[i], indexFile)}
		}
	}
	return nil
}

// csvRow is a row of a CSV file behind the header.
type csvRow struct {
	file    string
	at      int64 // where the row starts, in bytes
	line    int
	columns []string
	fields  []string // one a column
}

// wrong is the error of a column that is not as expected.
func (r csvRow) wrong(column int, expected string) error {
	return &FormatError{File: r.file, Offset: r.at, Field: fmt.Sprintf("line %d, %s", r.line, r.columns[column]),
		Problem: fmt.Sprintf("%q, %s", r.fields[column], expected)}
}

// number is a column's number, from 0 to most.
func (r csvRow) number(column, most int) (int, error) {
	n, err := strconv.Atoi(r.fields[column])
	if err != nil || n < 0 || n > most {
		return 0, r.wrong(column, fmt.Sprintf("expected 0 to %d", most))
	}
	return n, nil
}

// eachRow calls f with the rows of a CSV file whose header is columns, until one fails.
func eachRow(file string, data []byte, columns []string, f func(csvRow) error) error {
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = len(columns)
	for first := true; ; first = false {
		at := reader.InputOffset()
		fields, err := reader.Read()
		switch {
		case first && (err != nil || !slices.Equal(fields, columns)):
			return &FormatError{File: file, Offset: at, Field: "header", Problem: fmt.Sprintf("%q, expected the columns %q", fields, columns)}
		case first:
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil: // which says the line
			return &FormatError{File: file, Offset: at, Field: "row", Problem: fmt.Sprintf("expected a value for each of %v", columns), Err: err}
		}
		line, _ := reader.FieldPos(0)
		if err := f(csvRow{file, at, line, columns, fields}); err != nil {
			return err
		}
	}
}
