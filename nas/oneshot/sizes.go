package oneshot

import (
	"fmt"
	"maps"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// small is what the reduced profiles of a strictly fair supernet have in common.
const small = `"space": %q, "holdout": 0.1, "weights": {"learning_rate": 0.1, "clip": 5}`

// Reduced are the profiles of a strictly fair supernet of a space for small images, in place of one for ImageNet. steps are
// those of an epoch at quick, where each trains as many paths as a layer has choices; seconds are how long that takes.
func Reduced(name string, steps int, seconds float64) map[string]method.Profile {
	set := "{" + fmt.Sprintf(small, name)
	return map[string]method.Profile{
		profile.Smoke: {
			Set:     set + `, "image": 8, "epochs": 2, "steps_per_epoch": 3, "batch": 8, "recalibrate": 16, "measure": 32, "evolution": {"population": 4, "generations": 2}}`,
			Note:    "seconds: " + name + ", 8×8 pixels, 2 epochs of 3 steps, batch 8, 2 generations of 4 paths; rate 0.1, clipped; shows that everything works and nothing else",
			Seconds: 2,
		},
		profile.Quick: {
			Set:     set + fmt.Sprintf(`, "image": 16, "epochs": 10, "steps_per_epoch": %d, "batch": 32, "recalibrate": 64, "measure": 256, "evolution": {"population": 24, "generations": 6}}`, steps),
			Note:    fmt.Sprintf("minutes: %s, 16×16 pixels, 10 epochs of %d steps, batch 32, 6 generations of 24 paths measured on 256 images; rate 0.1, clipped", name, steps),
			Seconds: seconds,
		},
		profile.GPU: {
			Set:  set + `, "image": 32, "epochs": 40, "batch": 256, "recalibrate": 256, "measure": 2000, "evolution": {"population": 50, "generations": 20}}`,
			Note: name + " on whole images, 40 epochs of batch 256, 20 generations of 50 paths measured on 2,000 images; rate 0.1, clipped; its time was not measured",
		},
		profile.Day: {
			Set:  set + `, "image": 32, "epochs": 30, "batch": 64, "recalibrate": 128, "measure": 1000, "evolution": {"population": 50, "generations": 20}}`,
			Note: name + " on whole images, 30 epochs of batch 64, 20 generations of 50 paths measured on 1,000 images; rate 0.1, clipped; its time was not measured",
		},
		profile.Paper: {Note: "the published protocol, as far as it is known"},
	}
}

// rankOnly are the sizes of a supernet that ranks networks of NAS-Bench-Macro, whose accuracies are known, and searches
// none. At quick the supernet has a quarter of the channels: a whole one learns too little in half a minute (300 steps of
// batch 32 at 0.05: tau-b 0.15 and 0.04 for the seeds 0 and 1). Width, batch and rate were chosen with the seeds 0 to 2,
// which the profile runs.
var rankOnly = map[string]string{
	profile.Smoke: `{"rank": 20}`,
	profile.Quick: `{"width": 0.25, "weights": {"learning_rate": 0.2}, "steps_per_epoch": 80, "measure": 336, "rank": 400}`,
	profile.GPU:   `{"epochs": 8, "measure": 1024, "rank": 1000}`,
	profile.Day:   `{"rank": 6561}`,
	profile.Paper: `{"image": 32, "holdout": 0.1, "rank": 6561}`,
}

// rankNotes are the notes of the profiles with these sizes.
var rankNotes = map[string]string{
	profile.Smoke: "seconds: a supernet of NAS-Bench-Macro, 8×8 pixels, 2 epochs of 3 steps, batch 8; 20 networks ranked on 32 images; rate 0.1, clipped; shows that everything works and nothing else",
	profile.Quick: "half a minute: a supernet of NAS-Bench-Macro with a quarter of the channels, 16×16 pixels, 10 epochs of 80 steps, batch 32; 400 networks ranked on 336 images; rate 0.2, clipped",
	profile.GPU:   "minutes on one GPU: a supernet of NAS-Bench-Macro on whole images, 8 epochs of batch 256; 1,000 networks ranked on 1,024 images; rate 0.1, clipped",
	profile.Day:   "a supernet of NAS-Bench-Macro on whole images, 30 epochs of batch 64; all 6,561 networks ranked on 1,000 images; rate 0.1, clipped; its time was not measured",
	profile.Paper: "the published protocol, as far as it is known, with the space NAS-Bench-Macro on images of 32×32 pixels, a tenth of them held out; all 6,561 networks ranked",
}

// MacroVariant is a variant of a method with the profiles of [Reduced] that trains a supernet of NAS-Bench-Macro with some
// settings, JSON of the configuration's fields, and ranks by it.
func MacroVariant(label, title, settings string) method.Variant {
	return method.Variant{Label: label, Title: title, At: maps.Clone(rankOnly), Notes: maps.Clone(rankNotes), Data: datasets.CIFAR10Name, Seconds: map[string]float64{profile.Quick: 35},
		Set: fmt.Sprintf(`{"space": %q, "evolution": null, %s}`, space.NASBenchMacroName, settings)}
}
