package zoo

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/gonas/gonas/datasets"
)

// Accuracy is how well a network classifies.
type Accuracy struct {
	Images int `json:"images"`
	// Top1 and Top5 are the shares of images whose label is the largest logit, or among the five largest; from 0 to 1.
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
}

// Evaluate measures the network with its present weights on all images of a source; after each batch it tells progress,
// where that is not nil, how many images are done.
func (n *Net) Evaluate(ctx context.Context, images datasets.BatchSource, progress func(done int)) (Accuracy, error) {
	s := images.Shape()
	if [3]int(s[1:]) != n.Network.Input {
		return Accuracy{}, fmt.Errorf("%s: expected images of %v, got %v", n.Name, n.Network.Input, s[1:])
	}
	if images.Classes() != n.Network.Classes {
		return Accuracy{}, fmt.Errorf("%s: has %d classes, the images have %d", n.Name, n.Network.Classes, images.Classes())
	}
	pre := datasets.NewPrefetcher(ctx, images, datasets.PrefetchConfig{})
	defer pre.Close()
	var a Accuracy
	var first, five int
	for range images.Steps() {
		batch, err := pre.Next()
		if err != nil {
			return a, err
		}
		t := tensors.FromFlatDataAndDimensions(batch.Full(s), s[:]...)
		logits, err := n.Predict(t)
		if err != nil {
			return a, err
		}
		if err := t.FinalizeAll(); err != nil {
			return a, err
		}
		for i, label := range batch.Y {
			switch larger := above(logits[i], int(label)); {
			case larger == 0:
				first, five = first+1, five+1
			case larger < 5:
				five++
			}
		}
		a.Images += len(batch.Y)
		batch.Release()
		if progress != nil {
			progress(a.Images)
		}
	}
	a.Top1, a.Top5 = float64(first)/float64(a.Images), float64(five)/float64(a.Images)
	return a, nil
}

// above counts the logits that beat the label's: of equal ones the first wins, and NaN loses.
func above(logits []float32, label int) int {
	n := 0
	own := logits[label]
	for k, v := range logits {
		if k != label && (v > own || v == own && k < label || own != own) {
			n++
		}
	}
	return n
}
