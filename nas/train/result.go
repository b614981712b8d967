package train

import "github.com/gonas/gonas/nas/arch"

// TrainEpoch are the means over one epoch of training from scratch.
type TrainEpoch struct {
	// Epoch counts from 1.
	Epoch int `json:"epoch"`
	// Loss is the mean training loss, the auxiliary head's weighted share included.
	Loss float64 `json:"loss"`
	// TrainAccuracy is from 0 to 1.
	TrainAccuracy float64 `json:"train_accuracy"`
}

// TrainResult is what training one architecture from scratch gave, as plain data: no times, no paths, so that equal
// runs give equal files.
type TrainResult struct {
	// Name says where the architecture is from: a published name, the search that derived it, or random.
	Name string `json:"name"`
	// Genotype is what a network of cells is made of; Network is set for others.
	Genotype arch.Genotype `json:"genotype"`
	Network  *arch.Network `json:"network,omitempty"`
	Seed     uint64        `json:"seed"`
	Profile  string        `json:"profile"`
	Epochs   []TrainEpoch  `json:"epochs"`
	// TestAccuracy, from 0 to 1, is measured on the test split once, after the last epoch.
	TestAccuracy float64 `json:"test_accuracy"`
	// Params are the parameters without the auxiliary head, MACs the multiply-adds of one image in convolutions and
	// linear layers.
	Params int64 `json:"params"`
	MACs   int64 `json:"macs"`
}
