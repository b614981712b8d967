package kws

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/internal/atomicfile"
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/nas/zoo"
)

// Files of a model's folder, as [Export] writes it.
const (
	ModelFile   = "model.json"
	WeightsFile = "weights.safetensors"
	readmeFile  = "README.md"
)

// resultFile and networkFile are those of a run folder.
const resultFile = "result.json"

// Model says what a keyword spotter is made of and where its weights come from.
type Model struct {
	// Network has the features that it hears.
	Network    arch.Network `json:"network"`
	ClassNames []string     `json:"class_names"`
	// Run is the training of the weights; Accuracy is that on its test clips, 0 to 1.
	Run      Run     `json:"run"`
	Accuracy float64 `json:"test_accuracy"`
	// WeightsSHA256 is that of the file of weights.
	WeightsSHA256 string `json:"weights_sha256"`
}

// Run names a training: what was trained, how, and on what.
type Run struct {
	Name    string            `json:"name"`
	Profile string            `json:"profile"`
	Seed    uint64            `json:"seed"`
	Data    datasets.Identity `json:"data"`
	Config  json.RawMessage   `json:"config"`
}

// Validate reports the first field that no keyword spotter can have.
func (m Model) Validate() error {
	if err := m.Network.Validate(); err != nil {
		return err
	}
	if kind := train.Kind(m.Network); kind != datasets.KindSpeech {
		return fmt.Errorf("network: expected one for %s (features, and an input of [frames, 1, coefficients]), got one for %s", datasets.KindSpeech, kind)
	}
	if got := m.Network.Features.SampleRate; got != datasets.SpeechRate {
		return fmt.Errorf("network: features: sample_rate: expected %d, got %d", datasets.SpeechRate, got)
	}
	shape, err := datasets.Sound{Features: *m.Network.Features, AsChannels: true}.Shape(window)
	if err != nil {
		return fmt.Errorf("network: features: %w", err)
	}
	if shape != m.Network.Input {
		return fmt.Errorf("network: input: expected %v, the features of a second, got %v", shape, m.Network.Input)
	}
	if len(m.ClassNames) != m.Network.Classes {
		return fmt.Errorf("class_names: expected one for each of the network's %d classes, got %d", m.Network.Classes, len(m.ClassNames))
	}
	seen := map[string]bool{}
	for i, name := range m.ClassNames {
		if name == "" || seen[name] {
			return fmt.Errorf("class_names[%d]: expected a name of its own, got %q", i, name)
		}
		seen[name] = true
	}
	return nil
}

//go:embed model
var embedded embed.FS

// readModel reads what [Export] wrote. where is how errors call the folder.
func readModel(files fs.FS, where string) (Model, zoo.Weights, error) {
	var m Model
	name := path.Join(where, ModelFile)
	text, err := fs.ReadFile(files, ModelFile)
	if err != nil {
		return m, nil, err
	}
	if err := method.Decode(name, text, &m); err != nil {
		return m, nil, err
	}
	if err := m.Validate(); err != nil {
		return m, nil, fmt.Errorf("%s: %w", name, err)
	}
	data, err := fs.ReadFile(files, WeightsFile)
	if err != nil {
		return m, nil, err
	}
	name = path.Join(where, WeightsFile)
	if got := sum(data); got != m.WeightsSHA256 {
		return m, nil, fmt.Errorf("%s: SHA-256: expected %s as %s says, got %s", name, m.WeightsSHA256, ModelFile, got)
	}
	net, err := zoo.New(m.Run.Name, m.Network)
	if err != nil {
		return m, nil, fmt.Errorf("%s: %w", name, err)
	}
	w, err := net.ParseWeights(name, data)
	return m, w, err
}

// readRun reads the run folder of a training.
func readRun(dir string) (Model, zoo.Weights, error) {
	var m Model
	name := filepath.Join(dir, resultFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil, fmt.Errorf("%s: expected the run folder of a training that has ended, or a folder that `gonas kws --export` wrote: no %s and no %s in it", dir, resultFile, ModelFile)
	}
	if err != nil {
		return m, nil, err
	}
	var r run.Result
	if err := method.Decode(name, text, &r); err != nil {
		return m, nil, err
	}
	if r.Spec.Command != run.Train || r.Network == nil {
		return m, nil, fmt.Errorf("%s: spec: command: expected %q with its network, got %q: what a search finds has to be trained first (`gonas train %s`)", name, run.Train, r.Spec.Command, dir)
	}
	if kind := datasets.KindOf(r.Spec.Data.Name); kind != datasets.KindSpeech {
		return m, nil, fmt.Errorf("%s: spec: data: name: expected %s, got %q, a set of %s", name, datasets.SpeechName, r.Spec.Data.Name, kind)
	}
	m = Model{Network: *r.Network, ClassNames: datasets.SpeechClasses, Accuracy: r.Numbers.Of(train.TestAccuracy),
		Run: Run{r.Spec.Name, r.Spec.Profile, r.Spec.Seed, r.Spec.Data, r.Spec.Config}}
	if err := m.Validate(); err != nil {
		return m, nil, fmt.Errorf("%s: %w", name, err)
	}
	w, err := train.Weights(dir, m.Network)
	return m, w, err
}

// read takes either kind of folder.
func read(dir string) (Model, zoo.Weights, error) {
	if _, err := os.Stat(filepath.Join(dir, ModelFile)); err == nil {
		return readModel(os.DirFS(dir), filepath.ToSlash(dir))
	}
	return readRun(dir)
}

// Export makes of a training's run folder the files of a model in another folder, without the state of the optimizer:
// model.json, weights.safetensors and a line that says where they come from. Each appears whole or not at all; the folder
// is made where it lacks.
func Export(runDir, dir string) (Model, error) {
	m, w, err := read(runDir)
	if err != nil {
		return m, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, err
	}
	weights := filepath.Join(dir, WeightsFile)
	if err := zoo.WriteWeights(weights, w); err != nil {
		return m, err
	}
	data, err := os.ReadFile(weights)
	if err != nil {
		return m, err
	}
	m.WeightsSHA256 = sum(data)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(m); err != nil {
		return m, err
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, readmeFile), 0o644, []byte(m.About()+"\n")); err != nil {
		return m, err
	}
	return m, atomicfile.WriteBytes(filepath.Join(dir, ModelFile), 0o644, text.Bytes())
}

// About says in a sentence where the weights come from.
func (m Model) About() string {
	d := m.Run.Data
	return fmt.Sprintf("%s, trained at the profile %s with seed %d on the %d training clips of %s (SHA-256 %.12s…): %.1f %% of its %d test clips right.",
		m.Run.Name, m.Run.Profile, m.Run.Seed, d.Train, d.Name, d.SHA256, 100*m.Accuracy, d.Test)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
