// Package nas is the registry of search methods. A method is one package below nas and one entry here; commands,
// tests and the evidence of claims find it by its name.
package nas

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
)

// Paper is where a method was published.
type Paper struct {
	ArXiv string `json:"arxiv"`
	Title string `json:"title"`
}

// Config is a method's configuration: a pointer to its package's Config, which encoding/json reads and writes.
type Config interface {
	// Validate reports the first field out of range.
	Validate() error
}

// Method is a way of searching for architectures.
type Method struct {
	Name   string   `json:"name"`
	Paper  Paper    `json:"paper"`
	Spaces []string `json:"spaces"`

	defaults func() Config
	base     func(Config) (*search.Base, bool)
	// apply changes the published protocol to a profile.
	apply func(Config, Profile)
	// notes are the method's own words for its profiles, nil where those of [Profile.Note] fit.
	notes map[string]string
	// folder runs the method on a folder in ImageNet's layout, nil where it cannot.
	folder func(context.Context, *engine.Engine, *datasets.ImageFolder, Config, search.Options) (*search.Result, error)
	run    func(context.Context, *engine.Engine, *datasets.Images, Config, search.Options) (*search.Result, error)
}

// methods is in the order of publication.
var methods = []Method{
	define(darts.Name, Paper{"1806.09055", "DARTS: Differentiable Architecture Search"}, []string{"S0"},
		darts.DefaultConfig, func(c *darts.Config) *search.Base { return &c.Base }, darts.Search,
		func(c *darts.Config, p Profile) { p.cells(&c.Config) }),
	pathMethod(define(fairnas.Name, Paper{"1907.01845", "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search"}, space.PathSpaces,
		fairnas.DefaultConfig, func(c *fairnas.Config) *search.Base { return &c.Base }, fairnas.Search, fairNASProfile), fairNASNotes, fairnas.SearchFolder),
	define(fairdarts.Name, Paper{"1911.12126", "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search"}, []string{"S0"},
		fairdarts.DefaultConfig, func(c *fairdarts.Config) *search.Base { return &c.Base }, fairdarts.Search,
		func(c *fairdarts.Config, p Profile) {
			p.cells(&c.Config)
			if p.Name == Quick {
				c.Arch.LearningRate = 0.1 // at 0.05 hardly a sigmoid reaches the threshold
			}
		}),
}

// define makes an entry of a package's own types.
func define[C any, P interface {
	*C
	Config
}](name string, paper Paper, spaces []string, defaults func() C, base func(P) *search.Base,
	run func(context.Context, *engine.Engine, *datasets.Images, C, search.Options) (*search.Result, error),
	apply func(P, Profile)) Method {
	m := Method{Name: name, Paper: paper, Spaces: spaces}
	m.defaults = func() Config {
		c := defaults()
		return P(&c)
	}
	m.base = func(c Config) (*search.Base, bool) {
		p, ok := c.(P)
		if !ok || p == nil {
			return nil, false
		}
		return base(p), true
	}
	m.run = func(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, o search.Options) (*search.Result, error) {
		return run(ctx, e, images, *c.(P), o)
	}
	m.apply = func(c Config, p Profile) { apply(c.(P), p) }
	return m
}

// pathMethod adds to a method what its profiles are and how it runs on a folder of images.
func pathMethod[C any](m Method, notes map[string]string, folder func(context.Context, *engine.Engine, *datasets.ImageFolder, C, search.Options) (*search.Result, error)) Method {
	m.notes = notes
	m.folder = func(ctx context.Context, e *engine.Engine, f *datasets.ImageFolder, c Config, o search.Options) (*search.Result, error) {
		return folder(ctx, e, f, *any(c).(*C), o)
	}
	return m
}

// Methods lists the methods in the order of their publication.
func Methods() []Method { return append([]Method(nil), methods...) }

// Lookup finds a method by name; the error lists the names that there are.
func Lookup(name string) (Method, error) {
	var names []string
	for _, m := range methods {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Method{}, fmt.Errorf("method %q: expected one of %s", name, strings.Join(names, ", "))
}

// Base is the part of c that all methods share; changing it changes c. A configuration of another method is an error.
func (m Method) Base(c Config) (*search.Base, error) {
	base, ok := m.base(c)
	if !ok {
		return nil, fmt.Errorf("%s: expected a configuration made by its own Config, got %T", m.Name, c)
	}
	return base, nil
}

// Note says in a sentence how a profile of the method departs from the paper.
func (m Method) Note(p Profile) string {
	if note, ok := m.notes[p.Name]; ok {
		return note
	}
	return p.Note
}

// Search runs the method on images, whose halves train the weights and the architecture. c is of the kind that
// [Method.Config] makes and stays as it is.
func (m Method) Search(ctx context.Context, e *engine.Engine, images *datasets.Images, c Config, o search.Options) (*search.Result, error) {
	if err := m.check(c); err != nil {
		return nil, err
	}
	return m.run(ctx, e, images, c, o)
}

// SearchFolder is [Method.Search] on the images of a folder in ImageNet's layout, by methods that search a space for them.
func (m Method) SearchFolder(ctx context.Context, e *engine.Engine, images *datasets.ImageFolder, c Config, o search.Options) (*search.Result, error) {
	if err := m.check(c); err != nil {
		return nil, err
	}
	if m.folder == nil {
		return nil, fmt.Errorf("%s: searches on CIFAR, not on folders of images", m.Name)
	}
	return m.folder(ctx, e, images, c, o)
}

// check refuses what is no configuration of the method.
func (m Method) check(c Config) error {
	base, err := m.Base(c)
	if err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if !slices.Contains(m.Spaces, base.Space) {
		return fmt.Errorf("%s: config: space: expected one of %s, got %q", m.Name, strings.Join(m.Spaces, ", "), base.Space)
	}
	return nil
}
