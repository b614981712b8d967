// Command gonas is the command line of gonas: neural architecture search in Go on GoMLX and XLA.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"unicode"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"github.com/gonas/gonas/backend"
	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/latency"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// cli is the tree of commands. A field that may be left out has the zero value then, so that a command can tell.
type cli struct {
	Doctor    doctorCmd    `cmd:"" help:"Say what was found on this machine, what is missing and the command that brings it."`
	Cache     cacheCmd     `cmd:"" help:"The cache of compiled programs."`
	Data      dataCmd      `cmd:"" help:"The data sets."`
	Zoo       zooCmd       `cmd:"" help:"The published architectures."`
	Search    searchCmd    `cmd:"" help:"Search for an architecture."`
	Kws       kwsCmd       `cmd:"" help:"Hear keywords in recordings and in a stream of sound."`
	Train     trainCmd     `cmd:"" help:"Train an architecture from scratch and test it."`
	Runs      runsCmd      `cmd:"" help:"The runs of a folder: list, show, compare."`
	Repro     reproCmd     `cmd:"" help:"Check the papers' claims: make the runs, decide, verify."`
	Count     zooCountCmd  `cmd:"" help:"Count a network: of the zoo, of a run, of a file."`
	Draw      zooDrawCmd   `cmd:"" help:"Draw a network's cells or blocks."`
	Eval      zooEvalCmd   `cmd:"" help:"Measure a network with given weights, or what a training has trained."`
	Export    zooExportCmd `cmd:"" help:"Write a network's tensors, or the network as ONNX."`
	Landscape landscapeCmd `cmd:"" help:"Measure the validation accuracy around the parameters that a search ended with."`
	Latency   latencyCmd   `cmd:"" help:"Tables of how long the blocks of networks take."`
	Plot      plotCmd      `cmd:"" help:"Redraw a figure from the raw results of a run or of evidence."`
	Bench     benchCmd     `cmd:"" help:"Measure this machine."`
	Kernel    kernelCmd    `cmd:"" help:"The Jupyter kernel for notebooks."`
	Lab       labCmd       `cmd:"" help:"Open JupyterLab on the notebooks."`
	Version   versionCmd   `cmd:"" help:"Print version and commit."`
	Help      helpCmd      `cmd:"" help:"Say what a command does, as COMMAND --help."`

	Completion kongcompletion.Completion `cmd:"" help:"Print the completion of a shell: bash, zsh or fish."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print version and commit."`
}

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is an error of what was asked for, not of doing it: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// wrongUsage marks an error as one of wrong usage.
func wrongUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// errInterrupted marks an error whose message has said how to go on.
var errInterrupted = errors.New("interrupted")

// app is what commands work with.
type app struct {
	ctx            context.Context
	stdout, stderr io.Writer
	args           []string
}

func main() { os.Exit(execute(os.Args[1:])) }

// execute is the program; the result is its exit code.
func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The first signal ends a run in order; a second one, while that takes its time, ends the process.
	context.AfterFunc(ctx, stop)

	a := &app{ctx: ctx, stdout: os.Stdout, stderr: os.Stderr, args: args}
	var root cli
	parser, err := kong.New(&root, kong.Name("gonas"), kong.Writers(a.stdout, a.stderr),
		kong.Description("Neural architecture search in Go on GoMLX and XLA."),
		kong.Vars{"methods": methodNames(), "spaces": strings.Join(space.PathSpaces(), ", "), "tables": strings.Join(latency.Names(), ", "), "variants": variantNames(), "profiles": strings.Join(profile.Names(), ", "), "version": buildInfo().String(), "datasets": strings.Join(datasets.Names(), ", ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return a.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kongcompletion.Register(parser)
	if args[0] == "help" {
		args = append(args[1:], "--help")
	}
	command, err := parser.Parse(doubleDashes(args))
	if err != nil {
		a.fail(err)
		fmt.Fprintln(a.stderr, "gonas: `gonas --help` and `gonas COMMAND --help` say what there is")
		return exitUsage
	}
	err = command.Run(a)
	if recordErr := backend.RecordRun(); err == nil && recordErr != nil {
		fmt.Fprintln(a.stderr, "gonas: "+oneLine(recordErr))
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(a.stderr, "gonas: "+oneLine(err))
		return exitInterrupted
	case errors.As(err, new(usageError)):
		a.fail(err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.stderr, "gonas: interrupted")
		return exitInterrupted
	}
	return a.fail(err)
}

func (a *app) fail(err error) int {
	fmt.Fprintln(a.stderr, "gonas: error: "+oneLine(err))
	return exitFailed
}

// helpCmd stands in the list of commands; execute makes COMMAND --help of it.
type helpCmd struct {
	Command []string `arg:"" optional:"" help:"Command."`
}

// oneLine puts an error's message on one line, without what would move a terminal's cursor or change its colours: names come
// from files of others.
func oneLine(err error) string {
	text := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, text)
}

var singleDash = regexp.MustCompile(`^-[a-z][a-z-]+(=|$)`)

// doubleDashes lets long flags be written with one dash too, as Go's tools do; there are no flags of one letter but -h.
func doubleDashes(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "--" {
			copy(out[i:], args[i:])
			break
		}
		if singleDash.MatchString(arg) {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

func methodNames() string {
	var names []string
	for _, m := range nas.Methods() {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// variantNames lists the methods' controls.
func variantNames() string {
	var parts []string
	for _, m := range nas.Methods() {
		var labels []string
		for _, v := range m.Variants {
			labels = append(labels, v.Label)
		}
		if labels != nil {
			parts = append(parts, m.Name+": "+strings.Join(labels, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
