package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/engine"
	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/evidence"
)

type trainCmd struct {
	Arch        string  `arg:"" optional:"" help:"Network of the zoo, JSON file of a genotype or network, the run folder of a search, or \"random\" for one drawn by the seed."`
	Data        string  `help:"Folder with CIFAR-10 (default: the part of it inside this binary); for networks of 224 pixels one with images in ImageNet's layout." placeholder:"DIR"`
	Profile     string  `help:"One of ${profiles} (default: quick)." placeholder:"NAME"`
	Seed        *uint64 `help:"Seed of weights and batches, and of the draw of \"random\" (default: 0)." placeholder:"N"`
	Config      string  `help:"JSON file with fields of the recipe to set, as in config.json's \"config\"." placeholder:"FILE"`
	Out         string  `help:"Run folder to make (default: a new one in runs)." placeholder:"DIR"`
	Resume      string  `help:"Run folder to go on with; nothing else is needed." placeholder:"DIR"`
	Granularity string  `help:"Largest part of the network that is compiled as one: operation, edge, cell or network." placeholder:"LEVEL"`
	JSON        bool    `help:"Print what came out as JSON."`
}

const (
	trainCommand = "train"
	randomArch   = "random"
)

// Run trains, in a new run folder or in one that was cut short.
func (c trainCmd) Run(a *app) error {
	if c.Resume != "" {
		return c.resume(a)
	}
	if c.Arch == "" {
		return errors.New("train: expected the file of a genotype, the run folder of a search, \"random\", or --resume DIR")
	}
	config, settings, err := c.settings()
	if err != nil {
		return err
	}
	f, err := createFolder(c.Out, fmt.Sprintf("train-%s-s%d", settings.Profile, config.Seed), settings)
	if err != nil {
		return err
	}
	defer f.Unlock()
	return c.run(a, f, config, settings)
}

// settings puts together what a new run does.
func (c trainCmd) settings() (train.Config, runConfig, error) {
	s := runConfig{Command: trainCommand, Profile: c.Profile}
	fail := func(err error) (train.Config, runConfig, error) { return train.Config{}, s, err }
	if s.Profile == "" {
		s.Profile = nas.Quick
	}
	profile, err := nas.LookupProfile(s.Profile)
	if err != nil {
		return fail(fmt.Errorf("--profile: %w", err))
	}
	s.Note = profile.TrainNote
	network, err := c.network()
	if err != nil {
		return fail(err)
	}
	if s.Data, err = pickData(c.Data); err != nil {
		return fail(err)
	}
	config, err := nas.TrainConfig(s.Profile)
	if network != nil {
		s.Network, s.Name = network, strings.TrimSuffix(filepath.Base(c.Arch), ".json")
		if config, err = nas.TrainNetworkConfig(s.Profile, network); err == nil {
			s.Data.Name, err = imageData(c.Data, network, s.Data.Name)
		}
	}
	if err != nil {
		return fail(err)
	}
	if c.Config != "" {
		text, err := os.ReadFile(c.Config)
		if err != nil {
			return fail(fmt.Errorf("--config: %w", err))
		}
		plain := config
		if err := decodeStrict(c.Config, text, &config); err != nil {
			return fail(err)
		}
		// Seed and granularity don't make another experiment.
		plain.Seed, plain.Granularity, plain.Profile = config.Seed, config.Granularity, config.Profile
		config.Profile = s.Profile
		if plain.Profile = s.Profile; !reflect.DeepEqual(config, plain) {
			s.Note = fmt.Sprintf("profile %s, changed: %s", s.Profile, s.Note)
			s.Profile, config.Profile = customProfile, customProfile
		}
	}
	if c.Seed != nil {
		config.Seed = *c.Seed
	}
	if c.Granularity != "" {
		if _, err := nn.ParseLevel(c.Granularity); err != nil {
			return fail(fmt.Errorf("--%w", err))
		}
		config.Granularity = c.Granularity
	}
	if err := config.Validate(); err != nil {
		if c.Config != "" {
			err = fmt.Errorf("%s: %w", c.Config, err)
		}
		return fail(err)
	}
	built := network
	if network == nil {
		genotype, name, err := readArch(c.Arch, config.Seed)
		if err != nil {
			return fail(err)
		}
		s.Name, s.Genotype = name, &genotype
		a := config.Network(genotype)
		built = &a
	} else {
		network.Input[0], network.Input[1] = config.Image, config.Image
	}
	if err := config.Fits(*built); err != nil {
		if c.Config != "" {
			err = fmt.Errorf("%s: %w", c.Config, err)
		}
		return fail(err)
	}
	s.Config, err = json.Marshal(config)
	return config, s, err
}

// network is the network of the zoo, of a file or of a search's run folder that the command line names; nil where it names
// a genotype, whose network has the
// profile's size.
func (c trainCmd) network() (*arch.Network, error) {
	if c.Arch == randomArch {
		return nil, nil
	}
	if info, err := os.Stat(c.Arch); err == nil {
		path := c.Arch
		if info.IsDir() {
			path = filepath.Join(c.Arch, evidence.NetworkFile)
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var kind map[string]json.RawMessage
		if json.Unmarshal(text, &kind) != nil || kind["input"] == nil {
			return nil, nil // perhaps a genotype
		}
		a, err := arch.ReadNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &a, nil
	}
	n, err := zoo.Get(c.Arch)
	if err != nil {
		return nil, fmt.Errorf("train %s: expected %q, a file, a run folder or a network of the zoo: %w", c.Arch, randomArch, err)
	}
	a := n.Network
	if a.Input[1] == 1 {
		return nil, fmt.Errorf("train %s: a network for speech: training on sound is not there yet", c.Arch)
	}
	return &a, nil
}

// imageData names the data of a network: a folder in ImageNet's layout for the large ones.
func imageData(dir string, a *arch.Network, name string) (string, error) {
	if a.Input[0] <= 32 {
		return name, nil
	}
	if dir == "" {
		return "", errors.New("train: this network needs --data DIR with images in ImageNet's layout: DIR/train/CLASS/*.JPEG and DIR/val")
	}
	return imageFolderData, nil
}

// imageFolderData names images in ImageNet's layout.
const imageFolderData = "image folder"

// readArch finds an architecture by what the command line says; name holds no path.
func readArch(from string, seed uint64) (g arch.Genotype, name string, err error) {
	if from == randomArch {
		return train.Random(seed, space.DARTSPrimitives, train.AnySkips), randomArch, nil
	}
	path := from
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		path = filepath.Join(from, evidence.GenotypeFile)
		if result, err := evidence.ReadResult(from); err == nil {
			name = fmt.Sprintf("%s, profile %s, seed %d", result.Method, result.Profile, result.Seed)
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return g, "", fmt.Errorf("train %s: expected %q or a file: %w", from, randomArch, err)
	}
	if err != nil {
		return g, "", err
	}
	if err := decodeStrict(path, text, &g); err != nil {
		return g, "", err
	}
	if err := g.Validate(nn.Primitives); err != nil {
		return g, "", fmt.Errorf("%s: %w", path, err)
	}
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return g, name, nil
}

// resume goes on with the run of a folder, from its last checkpoint if there is one.
func (c trainCmd) resume(a *app) error {
	given := c
	given.Resume, given.JSON = "", false
	if given != (trainCmd{}) {
		return errors.New("--resume DIR takes everything from the folder: leave out architecture and settings")
	}
	f, settings, err := openFolder(c.Resume, trainCommand)
	if err != nil {
		return err
	}
	defer f.Unlock()
	result, err := evidence.ReadTrainResult(f.Dir)
	if err == nil {
		fmt.Fprintf(a.stderr, "%s: the run has ended already\n", f.Dir)
		return c.report(a, f, &result)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	where := filepath.Join(f.Dir, configFile)
	if (settings.Genotype == nil) == (settings.Network == nil) {
		return fmt.Errorf("%s: expected either genotype or network", where)
	}
	var config train.Config
	if err := decodeStrict(where+": config", settings.Config, &config); err != nil {
		return err
	}
	err = config.Validate()
	if settings.Genotype != nil {
		err = errors.Join(err, settings.Genotype.Validate(nn.Primitives))
	} else {
		err = errors.Join(err, settings.Network.Validate())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return c.run(a, f, config, settings)
}

// loadData makes the batches that the settings name, and fits the network to the number of their classes.
func loadData(settings runConfig, config train.Config, network *arch.Network) (d train.Data, files []datasets.FileSum, err error) {
	if settings.Data.Name != imageFolderData {
		images, test, err := datasets.Load(settings.Data.Name, settings.Data.Dir)
		if err != nil {
			return d, nil, err
		}
		network.Classes = images.Classes
		d, err = config.ImageData(images, test)
		return d, slices.Concat(images.Files, test.Files), err
	}
	images, err := datasets.OpenImageFolder(settings.Data.Dir, "train")
	if err != nil {
		return d, nil, err
	}
	test, err := datasets.OpenImageFolder(settings.Data.Dir, "val")
	if err != nil {
		return d, nil, err
	}
	network.Classes = len(images.Classes)
	d, err = config.FolderData(images, test)
	return d, nil, err
}

func (c trainCmd) run(a *app, f *folder, config train.Config, settings runConfig) error {
	var network arch.Network
	if settings.Network != nil {
		network = *settings.Network
	} else {
		network = config.Network(*settings.Genotype)
	}
	classes := network.Classes
	data, files, err := loadData(settings, config, &network)
	if err != nil {
		return err
	}
	if network.Classes != classes && settings.Network != nil {
		fmt.Fprintf(a.stderr, "the data have %d classes, the network is published with %d: its classifier is made to fit\n", network.Classes, classes)
	}
	fmt.Fprintf(a.stderr, "training %s on %s, profile %s, seed %d, in %s\n", settings.Name, data.Name, settings.Profile, config.Seed, f.Dir)
	var result *train.TrainResult
	err = a.work(f, settings, config.Seed, files, func(e *engine.Engine, log search.Listener) (save func() error, err error) {
		result, err = train.TrainNetwork(a.ctx, e, data, network, config, train.Options{Name: settings.Name, Dir: f.Dir,
			Listeners: []search.Listener{log, showProgress(a.stderr, trainEpoch)}})
		return func() error { return evidence.WriteTrainResult(f.Dir, *result) }, err
	})
	if err != nil {
		return err
	}
	return c.report(a, f, result)
}

// report prints what came out.
func (c trainCmd) report(a *app, f *folder, r *train.TrainResult) error {
	if c.JSON {
		return writeJSON(a.stdout, struct {
			Dir string `json:"dir"`
			*train.TrainResult
		}{f.Dir, r})
	}
	if r.Network == nil {
		printGenotype(a.stdout, r.Genotype)
	}
	last := r.Epochs[len(r.Epochs)-1]
	_, err := fmt.Fprintf(a.stdout, "test accuracy %.4f after %d epochs (training loss %.4f, accuracy %.4f)\n%d parameters, %d multiply-adds an image\nrun folder: %s\n",
		r.TestAccuracy, last.Epoch, last.Loss, last.TrainAccuracy, r.Params, r.MACs, f.Dir)
	return err
}
