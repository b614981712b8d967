package ascnas

import (
	"fmt"

	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/profile"
	"github.com/gonas/gonas/nas/space"
)

// small is what the profiles of the small space have in common: log-mel of longer windows, and a quarter of the clips held out,
// for the parts of ESC-10 at hand have few.
func small(windowSamples, fft int, rest string) string {
	return fmt.Sprintf(`{"space": %q, "holdout": 0.25, "weights": {"learning_rate": 0.1, "clip": 5}, "sound": {"features": {"window": %d, "hop": %d, "fft": %d}}, %s}`,
		space.SmallScenesName, windowSamples, windowSamples/2, fft, rest)
}

func profiles() map[string]method.Profile {
	return map[string]method.Profile{
		profile.Smoke: {
			Set:     small(6400, 8192, `"epochs": 2, "steps_per_epoch": 3, "batch": 8, "recalibrate": 8, "measure": 10, "evolution": {"population": 4, "generations": 2}`),
			Note:    "seconds: asc_small on 24 frames of a clip of 5 s, 2 epochs of 3 steps, batch 8, 2 generations of 4 paths measured on 10 clips; rate 0.1, clipped; shows that everything works and nothing else",
			Seconds: 3,
		},
		profile.Quick: {
			Set:     small(1280, 2048, `"epochs": 30, "steps_per_epoch": 10, "batch": 16, "recalibrate": 30, "measure": 0, "evolution": {"population": 24, "generations": 6}`),
			Note:    "minutes: asc_small on 124 frames of a clip of 5 s, 30 epochs of 10 steps, batch 16, 6 generations of 24 paths measured on a quarter of the training clips (30 of ESC-10's 120); rate 0.1, clipped",
			Seconds: 65,
		},
		profile.Day: {
			Set:  small(1280, 2048, `"epochs": 300, "steps_per_epoch": 10, "batch": 16, "recalibrate": 30, "measure": 0, "evolution": {"population": 50, "generations": 40}`),
			Note: "asc_small on 124 frames of a clip of 5 s, 300 epochs of 10 steps, batch 16, 40 generations of 50 paths measured on a quarter of the training clips; rate 0.1, clipped; its time was not measured",
		},
		profile.GPU: {
			Set:  `{"holdout": 0.25, "weights": {"clip": 5}, "epochs": 60, "steps_per_epoch": 10, "batch": 64, "recalibrate": 64, "evolution": {"population": 50, "generations": 20}}`,
			Note: "asc, 60 epochs of 10 steps, batch 64, 20 generations of 50 paths measured on a quarter of the training clips; clipped; its time was not measured",
		},
		profile.Paper: {Note: "the published method as far as it is known: the sources at hand have the abstract alone, so that channels, choices, front end and the settings of the training are ours"},
	}
}

// baselineNotes are the notes of the profiles where nothing is searched.
func baselineNotes() map[string]string {
	notes := map[string]string{}
	for name, epochs := range map[string]string{profile.Smoke: "2", profile.Quick: "30", profile.Day: "300", profile.GPU: "60"} {
		notes[name] = "nothing is searched: the hand-made baseline, and none of the " + epochs + " epochs that a search takes"
	}
	notes[profile.Paper] = "nothing is searched: the hand-made baseline, which is ours, for the paper's is in no source at hand"
	return notes
}
