// Package search holds the search loops: what all methods share, so that a method's package holds only what
// its paper adds.
package search

import "github.com/gonas/gonas/nas/arch"

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
	Primitives []string      `json:"primitives"`
	Genotype   arch.Genotype `json:"genotype"`
	// DerivedBy names the rule that discretised the final weights.
	DerivedBy string       `json:"derived_by"`
	Epochs    []EpochStats `json:"epochs"`
	// History holds a snapshot before the first epoch and one after each epoch.
	History []Alphas `json:"history"`
	// Steps is the number of bilevel steps taken.
	Steps int `json:"steps"`
}
