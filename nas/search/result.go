// Package search holds the search loops: what all methods share, so that a method's package holds only what
// its paper adds.
package search

import (
	"github.com/gonas/gonas/nas/arch"
	"github.com/gonas/gonas/nas/evolve"
)

// Alphas is one snapshot of the architecture parameters of a cell space.
type Alphas struct {
	// Epoch counts from 0 (before the first step); the last snapshot is the final one.
	Epoch int `json:"epoch"`
	// Normal and Reduce are the raw parameters, [edges][primitives].
	Normal [][]float64 `json:"normal"`
	Reduce [][]float64 `json:"reduce"`
	// NormalWeights and ReduceWeights are the relaxation's weights (softmax over an edge, or sigmoid), same shape.
	NormalWeights [][]float64 `json:"normal_weights"`
	ReduceWeights [][]float64 `json:"reduce_weights"`
}

// EpochStats are the means over one epoch of a search.
type EpochStats struct {
	Epoch int `json:"epoch"`
	Steps int `json:"steps"`
	// LearningRate of the weights in this epoch.
	LearningRate float64 `json:"learning_rate"`
	// TrainLoss and TrainAccuracy (0 to 1) are of the weights' steps, ValLoss and ValAccuracy of the
	// architecture's steps (cross entropy only); ArchRegulariser is the mean of the method's added loss, weighted.
	TrainLoss       float64 `json:"train_loss"`
	TrainAccuracy   float64 `json:"train_accuracy"`
	ValLoss         float64 `json:"val_loss"`
	ValAccuracy     float64 `json:"val_accuracy"`
	ArchRegulariser float64 `json:"arch_regulariser"`
	// SkipsNormal and SkipsReduce count skip_connect in the genotype derived after this epoch.
	SkipsNormal int `json:"skips_normal"`
	SkipsReduce int `json:"skips_reduce"`
}

// Result is what a search found, as plain data: no times, no paths, so that equal runs give equal files.
type Result struct {
	Method     string        `json:"method"`
	Space      string        `json:"space"`
	Profile    string        `json:"profile"`
	Seed       uint64        `json:"seed"`
	Primitives []string      `json:"primitives,omitempty"`
	Genotype   arch.Genotype `json:"genotype,omitzero"`
	// DerivedBy names the rule that discretised the final weights, or chose the network.
	DerivedBy string       `json:"derived_by"`
	Epochs    []EpochStats `json:"epochs,omitempty"`
	// History holds a snapshot before the first epoch and one after each epoch.
	History []Alphas `json:"history,omitempty"`
	// Steps is the number of steps taken.
	Steps int `json:"steps"`
	// Supernet is how a single-path supernet was trained, Ranking and Evolution what was done with it. A search over cells
	// has none of them, and one of a supernet has neither alphas nor a genotype.
	Supernet  *PathsResult `json:"supernet,omitempty"`
	Ranking   *Ranking     `json:"ranking,omitempty"`
	Evolution *Evolution   `json:"evolution,omitempty"`
}

// Ranking is what a supernet says of some paths before and after it is trained.
type Ranking struct {
	// Codes of the paths.
	Codes []string `json:"codes"`
	// Untrained and Trained are their one-shot accuracies, 0 to 1; Untrained may be left out.
	Untrained []float64 `json:"untrained,omitempty"`
	Trained   []float64 `json:"trained"`
}

// Evolution is an evolutionary search over a supernet's paths.
type Evolution struct {
	Objectives  []evolve.Objective `json:"objectives"`
	Evaluations int                `json:"evaluations"`
	// Generations are the first fronts after each generation.
	Generations []evolve.Snapshot `json:"generations"`
	// Front is the last first front, most accurate first; Chosen is one of it.
	Front  []Candidate `json:"front"`
	Chosen Candidate   `json:"chosen"`
	// Network is the chosen path by itself.
	Network arch.Network `json:"network"`
}

// Candidate is a path with its one-shot accuracy (0 to 1), multiply-adds of one image and parameters.
type Candidate struct {
	Code     string  `json:"code"`
	Accuracy float64 `json:"accuracy"`
	MACs     int64   `json:"macs"`
	Params   int64   `json:"params"`
}
