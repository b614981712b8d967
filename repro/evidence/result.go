package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gonas/gonas/nas/search"
	"github.com/gonas/gonas/nas/train"
	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/verdict"
)

// WriteResult writes what a search found: result.json, genotype.json, alphas.csv and metrics.csv. result.json comes
// last, so that where it is the others are.
//
// A search over a single-path supernet has no alphas; it writes metrics.csv, network.json where it chose one, and result.json.
func WriteResult(dir string, r search.Result) error {
	if r.Supernet != nil {
		return writePaths(dir, r)
	}
	alphas := [][]string{{"epoch", "cell", "edge", "op", "alpha", "weight"}}
	for i, a := range r.History {
		for _, side := range []struct {
			cell            string
			alphas, weights [][]float64
		}{{"normal", a.Normal, a.NormalWeights}, {"reduce", a.Reduce, a.ReduceWeights}} {
			if err := sameShape(side.alphas, side.weights, len(r.Primitives)); err != nil {
				return fmt.Errorf("%s: history[%d].%s: %w", filepath.Join(dir, ResultFile), i, side.cell, err)
			}
			for edge, row := range side.alphas {
				for k, alpha := range row {
					alphas = append(alphas, []string{strconv.Itoa(a.Epoch), side.cell, strconv.Itoa(edge), r.Primitives[k],
						number(alpha), number(side.weights[edge][k])})
				}
			}
		}
	}
	metrics := [][]string{{"epoch", "steps", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy",
		"arch_regulariser", "skips_normal", "skips_reduce"}}
	for _, e := range r.Epochs {
		metrics = append(metrics, []string{strconv.Itoa(e.Epoch), strconv.Itoa(e.Steps), number(e.LearningRate), number(e.TrainLoss),
			number(e.TrainAccuracy), number(e.ValLoss), number(e.ValAccuracy), number(e.ArchRegulariser),
			strconv.Itoa(e.SkipsNormal), strconv.Itoa(e.SkipsReduce)})
	}
	return inOrder(
		func() error { return writeCSV(dir, AlphasFile, alphas) },
		func() error { return writeCSV(dir, MetricsFile, metrics) },
		func() error { return writeJSON(dir, GenotypeFile, r.Genotype, true) },
		func() error { return writeJSON(dir, ResultFile, r, false) })
}

func writePaths(dir string, r search.Result) error {
	metrics := [][]string{{"epoch", "learning_rate", "train_loss", "train_accuracy", "lowest", "highest"}}
	for _, e := range r.Supernet.Epochs {
		metrics = append(metrics, []string{strconv.Itoa(e.Epoch), number(e.LearningRate), number(e.TrainLoss), number(e.TrainAccuracy), number(e.Lowest), number(e.Highest)})
	}
	steps := []func() error{func() error { return writeCSV(dir, MetricsFile, metrics) }}
	if r.Evolution != nil {
		steps = append(steps, func() error { return writeJSON(dir, NetworkFile, r.Evolution.Network, true) })
	}
	return inOrder(append(steps, func() error { return writeJSON(dir, ResultFile, r, false) })...)
}

// ReadResult reads a search's result.json. Where there is none the error is fs.ErrNotExist.
func ReadResult(dir string) (search.Result, error) {
	r, err := readJSON[search.Result](dir, ResultFile)
	if err != nil {
		return r, err
	}
	for i, a := range r.History {
		for name, t := range map[string][2][][]float64{"normal": {a.Normal, a.NormalWeights}, "reduce": {a.Reduce, a.ReduceWeights}} {
			if err := sameShape(t[0], t[1], len(r.Primitives)); err != nil {
				return r, fmt.Errorf("%s: history[%d].%s: %w", filepath.Join(dir, ResultFile), i, name, err)
			}
		}
	}
	return r, nil
}

func sameShape(alphas, weights [][]float64, primitives int) error {
	if len(alphas) != len(weights) {
		return fmt.Errorf("expected weights of %d edges, got %d", len(alphas), len(weights))
	}
	for edge := range alphas {
		if len(alphas[edge]) != primitives || len(weights[edge]) != primitives {
			return fmt.Errorf("edge %d: expected %d parameters and weights, got %d and %d", edge, primitives, len(alphas[edge]), len(weights[edge]))
		}
	}
	return nil
}

// WriteTrainResult writes what training from scratch gave: result.json, genotype.json and metrics.csv.
func WriteTrainResult(dir string, r train.TrainResult) error {
	metrics := [][]string{{"epoch", "loss", "train_accuracy"}}
	for _, e := range r.Epochs {
		metrics = append(metrics, []string{strconv.Itoa(e.Epoch), number(e.Loss), number(e.TrainAccuracy)})
	}
	return inOrder(
		func() error { return writeCSV(dir, MetricsFile, metrics) },
		func() error { return writeJSON(dir, GenotypeFile, r.Genotype, true) },
		func() error { return writeJSON(dir, ResultFile, r, false) })
}

// inOrder stops at the first step that fails, so that a result never stands without what comes before it.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// ReadTrainResult reads a training's result.json. Where there is none the error is fs.ErrNotExist.
func ReadTrainResult(dir string) (train.TrainResult, error) {
	return readJSON[train.TrainResult](dir, ResultFile)
}

// Verdicts are the contents of verdicts.json.
type Verdicts struct {
	Profile claims.Profile `json:"profile"`
	// Files are the SHA-256 of the logs and results that the verdicts rest on, by path inside the folder.
	Files map[string]string `json:"files,omitempty"`
	// Claims are the SHA-256 of the claims' records, by id.
	Claims   map[string]string `json:"claims,omitempty"`
	Verdicts []verdict.Verdict `json:"verdicts"`
}

// rawFiles are the files of a run that say what happened and what came out.
var rawFiles = []string{EventsFile, MetricsFile, ResultFile, GenotypeFile, NetworkFile, AlphasFile}

// HashFiles returns the SHA-256 of the logs and results of all runs below dir/search and dir/train, by path inside dir,
// with slashes. Folders of runs that have no result are left out: they are not finished.
func HashFiles(dir string) (map[string]string, error) {
	out := map[string]string{}
	for _, kind := range []string{"search", "train"} {
		results, err := filepath.Glob(filepath.Join(dir, kind, "*", ResultFile))
		if err != nil {
			return nil, err
		}
		for _, result := range results {
			for _, name := range rawFiles {
				path := filepath.Join(filepath.Dir(result), name)
				data, err := os.ReadFile(path)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return nil, err
				}
				inside, err := filepath.Rel(dir, path)
				if err != nil {
					return nil, err
				}
				out[filepath.ToSlash(inside)] = fmt.Sprintf("%x", sha256.Sum256(data))
			}
		}
	}
	return out, nil
}

// WriteVerdicts writes verdicts.json.
func WriteVerdicts(dir string, v Verdicts) error { return writeJSON(dir, VerdictsFile, v, true) }

// ReadVerdicts reads verdicts.json.
func ReadVerdicts(dir string) (Verdicts, error) { return readJSON[Verdicts](dir, VerdictsFile) }
