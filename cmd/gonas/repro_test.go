package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/repro/runner"
)

// TestUnpublished: runs at the profile paper say before they start that the data are not the papers'.
func TestUnpublished(t *testing.T) {
	jobs := []runner.Job{{Label: "darts"}, {Label: "random"}, {Label: "fairnas-strict"}, {Label: "fairnas"}}
	embedded := datasets.Identity{Name: datasets.EmbeddedName, Train: 4000, Test: 1000}
	assert.Equal(t, []string{
		"not the published protocol, which takes the whole of CIFAR-10: on embedded (4000 training and 1000 test samples)",
		"not the published protocol, which takes the whole of ImageNet: on embedded (4000 training and 1000 test samples)",
	}, unpublished(profile.Paper, jobs, images(embedded)))
	assert.Empty(t, unpublished(profile.Day, jobs, images(embedded)))
	assert.Empty(t, unpublished(profile.Paper, jobs[:3], images(datasets.Identity{Name: datasets.CIFAR10Name, Train: 50000, Test: 10000, Published: true})))
}

// images are a data set by its kind.
func images(id datasets.Identity) map[datasets.Kind]datasets.Identity {
	return map[datasets.Kind]datasets.Identity{datasets.KindImages: id}
}
