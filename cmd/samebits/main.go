// Command samebits compares run folders that the commit before the new house (8d45696) wrote with those of today:
//
//	go run ./cmd/samebits OLD NEW
//
// Each is a run folder or an evidence folder. Tensors of checkpoints and numbers of results have to be equal to the last
// bit; weights of tables to 1e-6, for the relaxation is computed on the device in float32 now and was computed on the
// host in float64. It exits with 1 where anything differs, and names it.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/checkpoint"
	"github.com/gonas/gonas/nas/run"
	"github.com/gonas/gonas/repro/evidence"
)

// old is a result.json of 8d45696, of a search or of a training.
type old struct {
	Steps    int           `json:"steps"`
	Genotype arch.Genotype `json:"genotype"`
	Epochs   []struct {
		TrainLoss     float64 `json:"train_loss"`
		TrainAccuracy float64 `json:"train_accuracy"`
		ValLoss       float64 `json:"val_loss"`
		ValAccuracy   float64 `json:"val_accuracy"`
		Penalty       float64 `json:"arch_regulariser"`
		SkipsNormal   float64 `json:"skips_normal"`
		SkipsReduce   float64 `json:"skips_reduce"`
		Loss          float64 `json:"loss"`
	} `json:"epochs"`
	History []struct {
		Normal        [][]float64 `json:"normal"`
		Reduce        [][]float64 `json:"reduce"`
		NormalWeights [][]float64 `json:"normal_weights"`
		ReduceWeights [][]float64 `json:"reduce_weights"`
	} `json:"history"`
	Supernet *struct {
		Epochs []struct {
			TrainLoss     float64 `json:"train_loss"`
			TrainAccuracy float64 `json:"train_accuracy"`
			Lowest        float64 `json:"lowest"`
			Highest       float64 `json:"highest"`
		} `json:"epochs"`
		Updates [][]float64 `json:"updates"`
	} `json:"supernet"`
	Ranking   *run.Ranking `json:"ranking"`
	Evolution *struct {
		Evaluations int `json:"evaluations"`
		Front       []struct {
			Code     string  `json:"code"`
			Accuracy float64 `json:"accuracy"`
			MACs     float64 `json:"macs"`
			Params   float64 `json:"params"`
		} `json:"front"`
	} `json:"evolution"`
	TestAccuracy float64 `json:"test_accuracy"`
	Params       float64 `json:"params"`
	MACs         float64 `json:"macs"`
}

// comparison counts what was compared and names what differs.
type comparison struct {
	tensors, numbers int
	differ           []string
	largest          float64
}

func (c *comparison) same(what string, a, b float64) {
	c.numbers++
	if a != b {
		c.differ = append(c.differ, fmt.Sprintf("%s: %v, now %v", what, a, b))
	}
}

func (c *comparison) table(what string, a, b [][]float64, tolerance float64) {
	if len(a) != len(b) {
		c.differ = append(c.differ, fmt.Sprintf("%s: %d rows, now %d", what, len(a), len(b)))
		return
	}
	for i := range a {
		for k := range a[i] {
			c.numbers++
			d := math.Abs(a[i][k] - b[i][k])
			c.largest = math.Max(c.largest, d)
			if !(d <= tolerance) {
				c.differ = append(c.differ, fmt.Sprintf("%s[%d][%d]: %v, now %v", what, i, k, a[i][k], b[i][k]))
			}
		}
	}
}

func (c *comparison) checkpoints(a, b string) error {
	was, err := checkpoint.Read(filepath.Join(a, run.CheckpointFile))
	if err != nil {
		return err
	}
	now, err := checkpoint.Read(filepath.Join(b, run.CheckpointFile))
	if err != nil {
		return err
	}
	if len(was.Tensors) != len(now.Tensors) {
		c.differ = append(c.differ, fmt.Sprintf("checkpoint: %d tensors, now %d", len(was.Tensors), len(now.Tensors)))
	}
	for name, v := range was.Tensors {
		c.tensors++
		if !slices.Equal(v, now.Tensors[name]) {
			c.differ = append(c.differ, "checkpoint: tensor "+name)
		}
	}
	return nil
}

func (c *comparison) results(a, b string) error {
	text, err := os.ReadFile(filepath.Join(a, evidence.ResultFile))
	if err != nil {
		return err
	}
	var was old
	if err := json.Unmarshal(text, &was); err != nil {
		return err
	}
	now, err := evidence.ReadResult(b)
	if err != nil {
		return err
	}
	row := func(i int, column string, v float64) {
		c.same(fmt.Sprintf("epoch %d, %s", i+1, column), v, now.Log.Row(i).Of(column))
	}
	for i, e := range was.Epochs {
		if now.Spec.Command == run.Train {
			row(i, "train_loss", e.Loss)
			row(i, "train_accuracy", e.TrainAccuracy)
			continue
		}
		for column, v := range map[string]float64{"train_loss": e.TrainLoss, "train_accuracy": e.TrainAccuracy, "val_loss": e.ValLoss,
			"val_accuracy": e.ValAccuracy, "penalty": e.Penalty, "skips_normal": e.SkipsNormal, "skips_reduce": e.SkipsReduce} {
			row(i, column, v)
		}
	}
	for i, h := range was.History {
		for name, t := range map[string][2][][]float64{"normal": {h.Normal, h.NormalWeights}, "reduce": {h.Reduce, h.ReduceWeights}} {
			table, _ := now.Table(name)
			c.table(name+" parameters", t[0], table.Epochs[i].Values, 0)
			c.table(name+" weights", t[1], table.Epochs[i].Weights, 1e-6)
		}
	}
	if len(was.History) > 0 && !reflect.DeepEqual(was.Genotype, *now.Genotype) {
		c.differ = append(c.differ, "genotype")
	}
	if s := was.Supernet; s != nil {
		for i, e := range s.Epochs {
			for column, v := range map[string]float64{"train_loss": e.TrainLoss, "train_accuracy": e.TrainAccuracy, "lowest": e.Lowest, "highest": e.Highest} {
				row(i, column, v)
			}
		}
		updates, _ := now.Table("updates")
		c.table("updates", s.Updates, updates.Last().Values, 0)
	}
	if k := was.Ranking; k != nil {
		c.table("ranking", [][]float64{k.Trained, k.Untrained}, [][]float64{now.Ranking.Trained, now.Ranking.Untrained}, 0)
	}
	if v := was.Evolution; v != nil {
		c.same("evaluations", float64(v.Evaluations), float64(now.Front.Evaluations))
		for i, m := range v.Front {
			is := now.Front.Members[i]
			if m.Code != is.Code {
				c.differ = append(c.differ, fmt.Sprintf("front[%d]: %s, now %s", i, m.Code, is.Code))
			}
			c.table("front", [][]float64{{m.Accuracy, m.MACs, m.Params}}, [][]float64{is.Values}, 0)
		}
	}
	if now.Spec.Command == run.Train {
		c.same("test accuracy", was.TestAccuracy, now.Numbers.Of("test_accuracy"))
		c.same("parameters", was.Params, now.Numbers.Of("parameters"))
		c.same("multiply-adds", was.MACs, now.Numbers.Of("multiply_adds"))
		return nil
	}
	c.same("steps", float64(was.Steps), now.Numbers.Of("steps"))
	return nil
}

// folders are the run folders of a run or evidence folder, by path inside it.
func folders(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, evidence.ResultFile)); err == nil {
		return []string{"."}, nil
	}
	var out []string
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", evidence.ResultFile))
	for _, f := range found {
		inside, relErr := filepath.Rel(dir, filepath.Dir(f))
		if relErr != nil {
			return nil, relErr
		}
		out = append(out, inside)
	}
	if len(out) == 0 && err == nil {
		err = fmt.Errorf("%s: expected a run folder or an evidence folder, found no result", dir)
	}
	return out, err
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: samebits OLD NEW")
		os.Exit(2)
	}
	list, err := folders(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	failed := false
	for _, name := range list {
		a, b := filepath.Join(os.Args[1], name), filepath.Join(os.Args[2], name)
		var c comparison
		err := c.checkpoints(a, b)
		if err == nil {
			err = c.results(a, b)
		}
		if err != nil {
			c.differ = append(c.differ, err.Error())
		}
		fmt.Printf("%-34s %4d tensors and %6d numbers, weights within %.1e: ", name, c.tensors, c.numbers, c.largest)
		if len(c.differ) == 0 {
			fmt.Println("the same")
			continue
		}
		failed = true
		fmt.Printf("%d differ: %s\n", len(c.differ), c.differ[:min(3, len(c.differ))])
	}
	if failed {
		os.Exit(1)
	}
}
