package datasets

import (
	"embed"
	"fmt"
	"math"
	"sync"
)

//go:embed embedded/index.csv embedded/BIN_SHA256SUMS embedded/*.webp
var embeddedFiles embed.FS

const (
	embeddedIndexFile = "embedded/index.csv"
	embeddedSheetSize = 1000
)

// embeddedEntry is one line of the index: where an embedded image stands in the official files.
type embeddedEntry struct {
	split, file string
	index       int
	label       byte
}

var embeddedOnce = sync.OnceValues(func() (sets [2]*Images, err error) {
	index, err := readEmbeddedIndex()
	if err != nil {
		return sets, err
	}
	err = inParallel(2, func(i int) (err error) {
		sets[i], err = decodeEmbedded([2]string{"train", "test"}[i], index)
		return err
	})
	return sets, err
})

// Embedded returns a part of CIFAR-10 that travels in the binary: 4,000 training images (the first
// 400 of each class in the official order) and 1,000 test images (the first 100 of each class of
// the test batch), 32×32 pixels in 10 classes. The caller owns what it gets. See NOTICE for its
// source. Files holds the sheets, not the official batches.
func Embedded() (train, test *Images, err error) {
	sets, err := embeddedOnce()
	if err != nil {
		return nil, nil, err
	}
	return sets[0].Clone(), sets[1].Clone(), nil
}

func readEmbeddedIndex() ([]embeddedEntry, error) {
	data, err := embeddedFiles.ReadFile(embeddedIndexFile)
	if err != nil {
		return nil, err
	}
	var entries []embeddedEntry
	err = eachRow(embeddedIndexFile, data, []string{"split", "file", "index", "label"}, func(r csvRow) error {
		index, err := r.number(2, math.MaxInt)
		if err != nil {
			return err
		}
		label, err := r.number(3, math.MaxUint8)
		if err != nil {
			return err
		}
		entries = append(entries, embeddedEntry{split: r.fields[0], file: r.fields[1], index: index, label: byte(label)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func decodeEmbedded(split string, index []embeddedEntry) (*Images, error) {
	var labels []byte
	for _, e := range index {
		if e.split == split {
			labels = append(labels, e.label)
		}
	}
	im := cifar10Layout.empty("embedded "+split, len(labels))
	for first := 0; first < im.N; first += embeddedSheetSize {
		name := fmt.Sprintf("%s_%d.webp", split, first/embeddedSheetSize)
		sheet, err := embeddedFiles.ReadFile("embedded/" + name)
		if err != nil {
			return nil, err
		}
		n := min(embeddedSheetSize, im.N-first)
		if err := parseSheet("embedded/"+name, sheet, embeddedIndexFile, labels[first:first+n], cifar10Layout, im.window(first, n)); err != nil {
			return nil, err
		}
		im.Files = append(im.Files, sumOf(name, sheet))
	}
	indexData, err := embeddedFiles.ReadFile(embeddedIndexFile)
	if err != nil {
		return nil, err
	}
	im.Files = append(im.Files, sumOf("index.csv", indexData))
	return im, nil
}
