package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonas/gonas/internal/near"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/figures"
)

type plotCmd struct {
	Figure string  `arg:"" help:"One of the figures listed above, or all."`
	From   string  `required:"" placeholder:"DIR" help:"Folder of raw results: of a run (--out of gonas search or gonas train), or of evidence (--out of gonas repro run)."`
	Out    string  `placeholder:"FILE" help:"Picture to write; its ending, .svg or .png, is the format. The data that it shows go beside it as .csv. Of all figures the folder that they go to. Default: SVG, PNG and CSV, for every run that the figure is of, in DIR/figures."`
	Of     string  `name:"run" placeholder:"LABEL-seedK" help:"Only this run of an evidence folder, by the name of its folder below search."`
	DPI    float64 `default:"144" help:"Resolution of a PNG."`
	Paper  string  `enum:"white,none" default:"white" help:"What is behind the ink: white, or none for pages of another colour."`
}

// Help is the text of --help between the usage and the flags.
func (plotCmd) Help() string {
	var b strings.Builder
	b.WriteString("Figures:\n")
	for _, f := range figures.List() {
		fmt.Fprintf(&b, "  %-14s %s\n", f.Name, f.Help)
	}
	fmt.Fprintf(&b, "  %-14s %s", "all", "every figure that the folder has data for, as DIR/figures/[METHOD-]FIGURE[-LABEL-SEED].svg, .png and .csv")
	return b.String()
}

// Run draws.
func (c plotCmd) Run(a *app) error {
	wanted, err := c.figures()
	if err != nil {
		return err
	}
	source, err := figures.Open(c.From)
	if err != nil {
		return fmt.Errorf("plot --from: %w", err)
	}
	for _, s := range source.Strangers {
		fmt.Fprintf(a.stderr, "left out %s\n", s)
	}
	if c.Of != "" {
		if source, err = source.Only(c.Of); err != nil {
			return fmt.Errorf("plot --run %s: %w", c.Of, err)
		}
	}
	written := 0
	for _, f := range wanted {
		list, err := f.Draw(source)
		var none figures.NoData
		if errors.As(err, &none) && c.Figure == "all" {
			fmt.Fprintf(a.stderr, "left out %s: %s\n", f.Name, none)
			continue
		}
		if err != nil {
			return fmt.Errorf("plot %s --from %s: %w", f.Name, c.From, err)
		}
		if c.Out != "" && c.Figure != "all" {
			files, err := pictureFiles(c.Out)
			if err == nil {
				err = c.write(list[0].Figure, files)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "%s: %s\n", c.Out, list[0].Of)
			return err
		}
		for _, n := range list {
			stem := filepath.Join(cmp.Or(c.Out, filepath.Join(c.From, "figures")), n.Stem)
			files := map[string]string{".svg": stem + ".svg", ".png": stem + ".png", ".csv": stem + ".csv"}
			if err := c.write(n.Figure, files); err != nil {
				return err
			}
			written++
			if _, err := fmt.Fprintf(a.stdout, "%s.svg: %s\n", stem, n.Of); err != nil {
				return err
			}
		}
	}
	if written == 0 {
		return fmt.Errorf("plot --from %s: there was nothing to draw", c.From)
	}
	return nil
}

// figures are those that are asked for.
func (c plotCmd) figures() ([]figures.Figure, error) {
	all := figures.List()
	if c.Figure == "all" {
		if ending := filepath.Ext(c.Out); ending == ".svg" || ending == ".png" {
			return nil, wrongUsage(fmt.Errorf("plot all: --out names the folder of all figures, got the name of a file, %s", c.Out))
		}
		return all, nil
	}
	if c.Out != "" {
		if _, err := pictureFiles(c.Out); err != nil {
			return nil, fmt.Errorf("plot --out %w", err)
		}
	}
	var names []string
	for _, f := range all {
		if f.Name == c.Figure {
			return []figures.Figure{f}, nil
		}
		names = append(names, f.Name)
	}
	return nil, wrongUsage(fmt.Errorf("plot %q: expected one of %s, all%s", c.Figure, strings.Join(names, ", "), near.Hint(c.Figure, names)))
}

// pictureFiles are the picture of a name and the data beside it, by their endings.
func pictureFiles(out string) (map[string]string, error) {
	ending := filepath.Ext(out)
	format := strings.ToLower(ending)
	if format != ".svg" && format != ".png" {
		return nil, fmt.Errorf("%s: expected a name ending in .svg or .png, got %q", out, ending)
	}
	return map[string]string{format: out, ".csv": strings.TrimSuffix(out, ending) + ".csv"}, nil
}

// write is [writeFigure] as the flags say.
func (c plotCmd) write(f plots.Figure, files map[string]string) error {
	if c.Paper == "none" {
		f.Drawing = f.WithoutPaper()
	}
	return writeFigure(f, c.DPI, files)
}

// writeFigure writes a figure in the formats of the endings, a PNG at a resolution.
func writeFigure(f plots.Figure, dpi float64, files map[string]string) error {
	for _, ending := range slices.Sorted(maps.Keys(files)) {
		var b bytes.Buffer
		var err error
		switch ending {
		case ".svg":
			err = f.WriteSVG(&b)
		case ".png":
			err = f.WritePNG(&b, dpi)
		default:
			err = f.WriteCSV(&b)
		}
		if err != nil {
			return err
		}
		if err := evidence.WriteFile(files[ending], b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
