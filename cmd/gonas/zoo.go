package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/onnx"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/plots"
	"github.com/gonas/gonas/repro/evidence"
)

type zooCmd struct {
	List   zooListCmd   `cmd:"" help:"List the networks with their parameters and multiply-adds."`
	Show   zooShowCmd   `cmd:"" help:"Print a network's data as JSON."`
	Count  zooCountCmd  `cmd:"" help:"Count parameters and multiply-adds under every convention."`
	Doc    zooDocCmd    `cmd:"" help:"Print the table of all networks that docs/zoo.md holds."`
	Draw   zooDrawCmd   `cmd:"" help:"Draw a network's cells or blocks."`
	Export zooExportCmd `cmd:"" help:"Write a network's tensors as safetensors under PyTorch's names."`
	Eval   zooEvalCmd   `cmd:"" help:"Measure top-1 and top-5 of a network with given weights."`
	Check  zooCheckCmd  `cmd:"" help:"Compare networks with files of reference numbers; one line of JSON a file."`
}

type zooListCmd struct {
	JSON bool `help:"Print JSON."`
}

// zooLine is a line of zoo list.
type zooLine struct {
	Name        string `json:"name"`
	Paper       string `json:"paper"`
	Input       [3]int `json:"input"`
	Classes     int    `json:"classes"`
	Params      int    `json:"params"`
	WithoutHead int    `json:"params_without_auxiliary_head"`
	MACs        int64  `json:"macs"`
}

func (c zooListCmd) Run(a *app) error {
	names, err := zoo.Names()
	if err != nil {
		return err
	}
	var list []zooLine
	for _, name := range names {
		n, err := zoo.Get(name)
		if err != nil {
			return err
		}
		p, err := n.Params()
		if err != nil {
			return err
		}
		macs, err := n.MACs(0)
		if err != nil {
			return err
		}
		list = append(list, zooLine{n.Name, n.Paper, n.Network.Input, n.Network.Classes, p.All, p.WithoutHead(), macs})
	}
	if c.JSON {
		return writeJSON(a.stdout, list)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPAPER\tINPUT\tCLASSES\tPARAMETERS\tWITHOUT HEAD\tMULTIPLY-ADDS")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%d×%d×%d\t%d\t%.3f M\t%.3f M\t%.1f M\n", l.Name, l.Paper, l.Input[0], l.Input[1], l.Input[2], l.Classes,
			float64(l.Params)/1e6, float64(l.WithoutHead)/1e6, float64(l.MACs)/1e6)
	}
	fmt.Fprintln(w, "nasbench201-INDEX\t2001.00326\t32×32×3\t10\tindex 0 to 15624")
	fmt.Fprintln(w, "nasbenchmacro-CODE\t2103.11922\t32×32×3\t10\t8 digits from 0 to 2")
	return w.Flush()
}

type zooShowCmd struct {
	Name string `arg:"" help:"Network."`
}

func (c zooShowCmd) Run(a *app) error {
	n, err := zoo.Get(c.Name)
	if err != nil {
		return err
	}
	return writeJSON(a.stdout, n.Entry)
}

type zooCountCmd struct {
	Name string `arg:"" help:"Network of the zoo, run folder, or file of a network or genotype."`
	Size *int   `help:"Side of the images in pixels (default: the network's own)."`
	JSON bool   `help:"Print JSON."`
}

func (c zooCountCmd) Run(a *app) error {
	n, err := netOf(a, c.Name)
	if err != nil {
		return err
	}
	side := 0
	if c.Size != nil {
		if side = *c.Size; side < 1 {
			return fmt.Errorf("%s: size: expected at least 1 pixel, got %d", n.Name, side)
		}
	}
	counts, err := n.CountsAt(side)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.stdout, map[string]any{"name": n.Name, "counts": counts, "published": n.Published})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	for _, convention := range zoo.Conventions {
		fmt.Fprintf(w, "%s\t%d\t%.3f M\n", convention, counts[convention], float64(counts[convention])/1e6)
	}
	for _, p := range n.Published {
		checked, err := n.Check(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "printed %s\t%s M\t%s\n", p.Count, p.Value, verdictOfCount(p, checked))
	}
	return w.Flush()
}

// verdictOfCount says in words whether a printed count holds.
func verdictOfCount(p zoo.Published, c zoo.Checked) string {
	var b strings.Builder
	switch {
	case p.Convention == zoo.ConventionNone:
		fmt.Fprintf(&b, "fits no convention; nearest is %s, %.3f M", c.Convention, float64(c.Count)/1e6)
	case c.Agrees:
		fmt.Fprintf(&b, "agrees: %s", p.Convention)
	default:
		fmt.Fprintf(&b, "does not agree: %s gives %.3f M", p.Convention, float64(c.Count)/1e6)
	}
	if p.Cut {
		b.WriteString(", digits cut")
	}
	if p.Classes > 0 {
		fmt.Fprintf(&b, ", %d classes", p.Classes)
	}
	fmt.Fprintf(&b, " (%s)", p.Where)
	return b.String()
}

type zooDocCmd struct{}

func (zooDocCmd) Run(a *app) error {
	text, err := zoo.Document()
	if err == nil {
		_, err = fmt.Fprint(a.stdout, text)
	}
	return err
}

type zooDrawCmd struct {
	Name string  `arg:"" help:"Network of the zoo, run folder, or file of a network or genotype."`
	Out  string  `required:"" help:"File to write; its ending, .svg or .png, is the format."`
	DPI  float64 `default:"144" help:"Resolution of a PNG."`
}

func (c zooDrawCmd) Run(a *app) error {
	n, err := netOf(a, c.Name)
	if err != nil {
		return err
	}
	drawing := plots.Network(n.Network, n.Name)
	var picture bytes.Buffer
	switch ending := strings.ToLower(filepath.Ext(c.Out)); ending {
	case ".svg":
		err = drawing.WriteSVG(&picture)
	case ".png":
		err = drawing.WritePNG(&picture, c.DPI)
	default:
		return fmt.Errorf("zoo draw --out %s: expected a name ending in .svg or .png, got %q", c.Out, ending)
	}
	if err != nil {
		return err
	}
	if err := evidence.WriteFile(c.Out, picture.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, c.Out)
	return err
}

type zooExportCmd struct {
	Name    string  `arg:"" help:"Network of the zoo, or the run folder of a training, whose weights are taken."`
	Out     string  `required:"" help:"File to write."`
	Format  string  `enum:"safetensors,onnx" default:"safetensors" help:"safetensors: the tensors under PyTorch's names; onnx: the network with them, its input [batch, channels, height, width] as in PyTorch."`
	Batch   int     `default:"1" help:"Samples a call of an ONNX file, in which it is fixed."`
	Weights string  `help:"Take the tensors from this safetensors file."`
	Seed    uint64  `help:"Seed of fresh weights, where no others are asked for."`
	Golden  float64 `help:"Fill by the formula of the reference numbers with this gain, 3 for instance."`
}

func (c zooExportCmd) Run(a *app) error {
	if info, err := os.Stat(c.Name); err == nil && info.IsDir() {
		return c.trained(a)
	}
	n, err := zoo.Get(c.Name)
	if err != nil {
		return err
	}
	var w zoo.Weights
	switch {
	case c.Weights != "" && c.Golden != 0:
		return fmt.Errorf("zoo export: --weights and --golden exclude each other")
	case c.Weights != "":
		w, err = readWeights(a, n, c.Weights)
	case c.Golden != 0:
		w, err = n.GoldenWeights(c.Golden)
	default:
		w, err = n.InitialWeights(c.Seed)
	}
	if err != nil {
		return err
	}
	return c.write(a, n.Network, w)
}

// trained exports what a training has trained, without the state of its optimizer.
func (c zooExportCmd) trained(a *app) error {
	if c.Weights != "" || c.Golden != 0 || c.Seed != 0 {
		return fmt.Errorf("zoo export %s: the weights are the run's: leave out --weights, --golden and --seed", c.Name)
	}
	w, err := trainedWeights("export", c.Name)
	if err != nil {
		return err
	}
	r, err := evidence.ReadResult(c.Name)
	if err != nil {
		return err
	}
	return c.write(a, *r.Spec.Network, w)
}

// write writes the file in its format.
func (c zooExportCmd) write(a *app, network arch.Network, w zoo.Weights) error {
	if c.Format == "onnx" {
		err := atomicfile.Write(c.Out, 0o644, func(to io.Writer) error { return onnx.Write(to, network, w, c.Batch) })
		if err != nil {
			return err
		}
		in := network.Input
		_, err = fmt.Fprintf(a.stdout, "%s: ONNX, opset %d, %s [%d, %d, %d, %d] to %s [%d, %d]\n", c.Out, onnx.Opset, onnx.Input, c.Batch, in[2], in[0], in[1], onnx.Output, c.Batch, network.Classes)
		return err
	}
	if err := zoo.WriteWeights(c.Out, w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %d tensors\n", c.Out, len(w))
	return err
}

// readWeights reads a checkpoint and says what of it was left out.
func readWeights(a *app, n *zoo.Net, path string) (zoo.Weights, error) {
	w, left, err := n.ReadCheckpoint(path)
	if err == nil && len(left) > 0 {
		fmt.Fprintf(a.stderr, "%s: %d tensors were left out, counts of a tool and no weights: %s to %s\n", path, len(left), left[0], left[len(left)-1])
	}
	return w, err
}

type zooEvalCmd struct {
	Name    string `arg:"" help:"Network of the zoo, or the run folder of a training."`
	Weights string `help:"Safetensors file of its tensors; of the run folder of a training its own are taken without."`
	Data    string `help:"Folder with CIFAR-10, or images in ImageNet's layout (DIR/val/CLASS/*.JPEG) for networks of 224 pixels; default: the part of CIFAR-10 inside this binary."`
	Split   string `default:"val" help:"Sub-folder of an ImageNet layout; \"\" where the classes lie in the folder itself."`
	Classes string `help:"File with all classes of the network in the order of its outputs, a name a line, where the folder's names do not give it." placeholder:"FILE"`
	Batch   int    `default:"32" help:"Images a call."`
	JSON    bool   `help:"Print JSON, also of what is wrong with the weights."`
}

// Run measures a network on the test images.
func (c zooEvalCmd) Run(a *app) error {
	n, err := netOf(a, c.Name)
	if err != nil {
		return err
	}
	w, err := c.weights(a, n)
	if wrong := (*zoo.WeightsError)(nil); c.JSON && errors.As(err, &wrong) {
		return errors.Join(writeJSON(a.stdout, wrong), err)
	}
	if err != nil {
		return err
	}
	images, err := c.images(a, n)
	if err != nil {
		return err
	}
	if err := n.Use(w); err != nil {
		return err
	}
	began, told := time.Now(), time.Now()
	accuracy, err := n.Evaluate(a.ctx, images, func(done int) {
		if time.Since(told) > 2*time.Second {
			told = time.Now()
			fmt.Fprintf(a.stderr, "%d/%d images, %.0f a second\n", done, images.Len(), float64(done)/time.Since(began).Seconds())
		}
	})
	if err != nil {
		return err
	}
	rate := float64(accuracy.Images) / time.Since(began).Seconds()
	if c.JSON {
		return writeJSON(a.stdout, struct {
			Name string `json:"name"`
			zoo.Accuracy
			Rate float64 `json:"images_per_s"`
		}{n.Name, accuracy, rate})
	}
	_, err = fmt.Fprintf(a.stdout, "%s: top-1 %.2f %%, top-5 %.2f %% of %d images, %.0f images/s\n", n.Name, 100*accuracy.Top1, 100*accuracy.Top5, accuracy.Images, rate)
	return err
}

// weights are those of the file, or those that a run has trained.
func (c zooEvalCmd) weights(a *app, n *zoo.Net) (zoo.Weights, error) {
	if c.Weights != "" {
		return readWeights(a, n, c.Weights)
	}
	if info, err := os.Stat(c.Name); err != nil || !info.IsDir() {
		return nil, wrongUsage(fmt.Errorf("eval %s: expected --weights FILE, or the run folder of a training", c.Name))
	}
	return trainedWeights("eval", c.Name)
}

// trainedWeights are those of a training's run folder.
func trainedWeights(command, dir string) (zoo.Weights, error) {
	r, err := evidence.ReadResult(dir)
	if err != nil {
		return nil, fmt.Errorf("%s %s: expected the folder of a training that has ended: %w", command, dir, err)
	}
	if r.Spec.Command != run.Train || r.Spec.Network == nil {
		return nil, fmt.Errorf("%s %s: a search has no weights of its network: gonas train %s makes them", command, dir, shellWord(dir))
	}
	return train.Weights(dir, *r.Spec.Network)
}

// netOf is a network of the zoo, of a run folder or of a file.
func netOf(a *app, name string) (*zoo.Net, error) {
	path := name
	if i := strings.LastIndex(name, ":"); i > 0 {
		path = name[:i]
	}
	if _, err := os.Stat(path); err != nil {
		return zoo.Get(name)
	}
	t, err := trainCmd{Arch: name}.find(a.stderr, space.Size{Classes: 10, InputChannels: 3})
	if err != nil {
		return nil, err
	}
	if t.network.Classes == 0 {
		t.network.Classes = 10
	}
	return &zoo.Net{Entry: zoo.Entry{Name: t.name, Network: t.network}}, nil
}

// images are the test images of a network at its size.
func (c zooEvalCmd) images(a *app, n *zoo.Net) (datasets.BatchSource, error) {
	in := n.Network.Input
	request := datasets.BatchRequest{Size: c.Batch, Side: in[0]}
	switch {
	case n.Network.Features != nil:
		request.Sound = &datasets.Sound{Features: *n.Network.Features, AsChannels: in[1] == 1}
	case in[0] > 32:
		if c.Data == "" {
			return nil, fmt.Errorf("zoo eval %s: expected --data DIR with images in ImageNet's layout", n.Name)
		}
		folder, err := datasets.OpenImageFolder(c.Data, c.Split)
		if err != nil {
			return nil, err
		}
		if c.Classes != "" {
			names, err := readClasses(c.Classes)
			if err != nil {
				return nil, err
			}
			if err := folder.Among(names); err != nil {
				return nil, err
			}
		} else if err := folder.SameAsTrain(); err != nil {
			return nil, err
		}
		if got := len(folder.Classes); got != n.Network.Classes {
			return nil, fmt.Errorf("zoo eval %s: %s has %d classes, expected the network's %d, or their labels are others: --classes FILE names them all in order", n.Name, folder.Name, got, n.Network.Classes)
		}
		for _, note := range folder.AllNotes() {
			fmt.Fprintln(a.stderr, note)
		}
		return folder.Source().Batches(request)
	}
	flags := runFlags{Data: c.Data}
	if found, err := evidence.ReadConfig(c.Name); err == nil {
		flags.from = &found
	}
	set, _, err := flags.openData(a, "", train.Kind(n.Network))
	if err != nil {
		return nil, err
	}
	return set.Test.Batches(request)
}

type zooCheckCmd struct {
	Files   []string `arg:"" help:"Files of reference numbers."`
	Weights string   `help:"Take the tensors from this safetensors file instead of the formula; one file of numbers then."`
	Gain    float64  `default:"3" help:"Which of the file's evaluations --weights belongs to."`
}

// Run checks all files, and fails at the end if any fell short.
func (c zooCheckCmd) Run(a *app) error {
	if c.Weights != "" && len(c.Files) != 1 {
		return fmt.Errorf("zoo check --weights: expected one file, got %d", len(c.Files))
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	e := engine.New(b.Backend)
	failed := 0
	for _, file := range c.Files {
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		r, err := c.check(e, file)
		if err != nil {
			no := false
			r.OK, r.Problems = &no, append(r.Problems, oneLine(err))
		}
		r.File = file
		if r.OK != nil && !*r.OK {
			failed++
		}
		if err := writeJSONLine(a.stdout, r); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("zoo check: %d of %d files fall short", failed, len(c.Files))
	}
	return nil
}

func (c zooCheckCmd) check(e *engine.Engine, file string) (zoo.Result, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return zoo.Result{}, err
	}
	if c.Weights != "" {
		return zoo.CheckWeights(e, data, c.Weights, c.Gain)
	}
	return zoo.Check(e, data)
}
