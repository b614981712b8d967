// Package runs says which runs claims rest on: what a run of a label and a seed is at a profile, where it lies in an
// evidence folder, and whether what lies there is that run. It opens no backend.
package runs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/diff"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/evidence"
)

// Random is the label of trainings of random architectures; seed k stands beside the searched one of seed k.
const Random = "random"

// randomSkips is the number of skip connections of FairDARTS's random control.
const randomSkips = 2

// Dir is the folder of a run in an evidence folder; command is [run.Search] or [run.Train].
func Dir(dir, command, label string, seed uint64) string {
	return filepath.Join(dir, command, fmt.Sprintf("%s-seed%d", label, seed))
}

// IsSearch tells whether runs of a label are searches, or trainings of what those found.
func IsSearch(label string) bool {
	_, _, found := nas.Labelled(label)
	return found
}

// Kind is what the runs of a label are on.
func Kind(label string) datasets.Kind {
	if m, _, found := nas.Labelled(label); found {
		return datasets.KindOf(m.Data)
	}
	if n, err := zoo.Get(label); err == nil {
		return train.Kind(n.Network)
	}
	return datasets.KindImages
}

// Title is a label as figures print it.
func Title(label string) string {
	m, variant, found := nas.Labelled(label)
	if !found {
		return label
	}
	v, err := m.Variant(variant)
	if err != nil {
		return label
	}
	return v.Title
}

// Seconds is about how long a run takes on two cores, compiling left out; 0 where it was not measured.
func Seconds(command, label, name string) float64 {
	m, variant, found := nas.Labelled(label)
	if command == run.Search && found {
		return m.Seconds(name, variant)
	}
	return train.Seconds(name, Kind(label))
}

// Search is the search of a label and a seed at a profile on data.
func Search(label, name string, seed uint64, data datasets.Identity) (method.Method, method.Config, evidence.Config, error) {
	m, variant, found := nas.Labelled(label)
	if !found {
		return m, nil, evidence.Config{}, fmt.Errorf("no search is called %q", label)
	}
	c, err := m.Config(name, variant)
	if err != nil {
		return m, nil, evidence.Config{}, err
	}
	c.Shared().Seed = seed
	spec, note, err := m.Spec(c, variant, data)
	return m, c, evidence.Config{Spec: spec, Note: note}, err
}

// Train is the training of a label and a seed at a profile on data: of what the search of that label and seed has found,
// whose result is asked for, of a random architecture, or of a network of the zoo.
func Train(label, name string, seed uint64, data datasets.Identity, classes int, found func() (run.Result, error)) (train.Config, arch.Network, evidence.Config, error) {
	var network *arch.Network
	instead := ""
	var err error
	switch {
	case label == Random:
		g := train.Random(seed, space.DARTSPrimitives, randomSkips)
		network = diff.Network(g, space.Size{Classes: classes, InputChannels: 3})
	case IsSearch(label):
		result, readErr := found()
		if readErr != nil {
			return train.Config{}, arch.Network{}, evidence.Config{}, readErr
		}
		if network = result.Network; network == nil {
			network, instead, err = diff.Substitute(result)
		}
	default:
		n, zooErr := zoo.Get(label)
		if err = zooErr; err == nil {
			network = &n.Network
		}
	}
	if err != nil {
		return train.Config{}, arch.Network{}, evidence.Config{}, fmt.Errorf("training %s, seed %d: %w", label, seed, err)
	}
	of := *network
	of.Classes = classes
	c, sized, err := train.At(name, of)
	if err != nil {
		return c, sized, evidence.Config{}, err
	}
	c.Seed = seed
	spec, note, err := train.Spec(label, sized, c, data)
	spec.Instead = instead
	return c, sized, evidence.Config{Spec: spec, Note: note}, err
}

// Want is what the run of a command, a label and a seed is: what [Search] or [Train] say.
func Want(command, label, name string, seed uint64, data datasets.Identity, classes int, found func() (run.Result, error)) (run.Spec, error) {
	if command == run.Search {
		_, _, c, err := Search(label, name, seed, data)
		return c.Spec, err
	}
	_, _, c, err := Train(label, name, seed, data, classes, found)
	return c.Spec, err
}

// Finished reads the result that lies in a run folder. It is the wanted run's where stranger is nil; else stranger names
// what differs from it, the folder's values first. Where no run has finished the error is fs.ErrNotExist.
func Finished(dir string, want run.Spec) (result run.Result, stranger []string, err error) {
	if result, err = evidence.ReadResult(dir); err != nil {
		return result, nil, err
	}
	stranger, err = Stranger(dir, result, want)
	return result, stranger, err
}

// Stranger names what makes a run folder's result another run's than the wanted one: its config.json or the result itself
// says so. Nil where nothing does.
func Stranger(dir string, result run.Result, want run.Spec) ([]string, error) {
	c, err := evidence.ReadConfig(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"there is no " + evidence.ConfigFile}, nil
	}
	if err != nil {
		return nil, err
	}
	if differ, err := c.Spec.Differences(result.Spec); err != nil || len(differ) > 0 {
		for i := range differ {
			differ[i] = evidence.ConfigFile + " and " + evidence.ResultFile + ": " + differ[i]
		}
		return differ, err
	}
	return result.Spec.Differences(want)
}
