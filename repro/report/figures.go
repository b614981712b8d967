package report

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// FiguresDir is the folder of an evidence folder that holds pictures, named <paper>-<what>.svg.
const FiguresDir = "figures"

// Largest size in bytes of a picture, and of all of them, to become part of the page; what is larger is linked.
const (
	maxFigure  = 1 << 20
	maxFigures = 12 << 20
)

// Figure is one picture.
type Figure struct {
	// File is its place below the evidence folder, with slashes.
	File string
	// Title and Desc are its own.
	Title, Desc string
	// Again is true of the same picture of a further seed, which is linked and not shown.
	Again bool
	// Source is the picture as a data URL, so that whatever is in it neither runs nor loads anything; empty if it is
	// too large.
	Source template.URL
}

// Alt is the picture in words.
func (f Figure) Alt() string {
	if f.Desc == "" {
		return f.Title
	}
	return f.Title + ". " + f.Desc
}

// furtherSeed is the name of a picture that the first seed's run has too.
var furtherSeed = regexp.MustCompile(`-seed[1-9][0-9]*\.svg$`)

// readFigures takes the pictures of the figures folder itself: no links to elsewhere, no folders below.
func (r *Report) readFigures() error {
	entries, err := os.ReadDir(filepath.Join(r.dir, FiguresDir)) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	room := int64(maxFigures)
	for _, e := range entries {
		if path.Ext(e.Name()) != ".svg" || !e.Type().IsRegular() {
			continue
		}
		limit := min(room, maxFigure)
		again := furtherSeed.MatchString(e.Name())
		if again {
			limit = 0
		}
		f, size, err := readFigure(r.dir, e.Name(), limit)
		if err != nil {
			return err
		}
		f.Again = again
		room -= size
		paper, _, _ := strings.Cut(e.Name(), "-")
		if i := slices.IndexFunc(r.Papers, func(p Paper) bool { return p.ID == paper }); i >= 0 {
			r.Papers[i].Figures = append(r.Papers[i].Figures, f)
		} else {
			r.Figures = append(r.Figures, f)
		}
	}
	return nil
}

func readFigure(dir, name string, limit int64) (f Figure, size int64, err error) {
	f = Figure{File: path.Join(FiguresDir, name), Title: strings.TrimSuffix(name, ".svg")}
	file := filepath.Join(dir, FiguresDir, name)
	info, err := os.Lstat(file)
	if err != nil {
		return f, 0, err
	}
	if info.Size() > limit {
		f.Desc = "Not part of the page, for its size"
		return f, 0, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return f, 0, err
	}
	title, desc, err := words(b)
	if err != nil {
		return f, 0, fmt.Errorf("%s: expected an SVG picture: %w", file, err)
	}
	if title != "" {
		f.Title = title
	}
	f.Desc = desc
	f.Source = template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(b))
	return f, int64(len(b)), nil
}

// words reads a picture to its end and takes title and description of the outermost element.
func words(b []byte) (title, desc string, err error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	var open []string
	seen := false
	for {
		t, err := d.Token()
		if err == io.EOF {
			if len(open) > 0 || !seen {
				return "", "", io.ErrUnexpectedEOF
			}
			return strings.TrimSpace(title), strings.TrimSpace(desc), nil
		}
		if err != nil {
			return "", "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) == 0 && t.Name.Local != "svg" {
				return "", "", fmt.Errorf("the outermost element is %q", t.Name.Local)
			}
			open, seen = append(open, t.Name.Local), true
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) != 2 {
				continue
			}
			switch open[1] {
			case "title":
				title += string(t)
			case "desc":
				desc += string(t)
			}
		}
	}
}
