package checks

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/autokws"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var autoKWS = map[string]check{
	"autokws_frames":   list(autoKWSFrames),
	"autokws_ratio":    value("ratio of the printed parameters", autoKWSRatio),
	"autokws_size":     list(autoKWSSize(space.ReadingChoice, "531441")),
	"autokws_size_16":  list(autoKWSSize(space.ReadingProduct, "16777216")),
	"autokws_split":    sure(autoKWSSplit),
	"autokws_tcresnet": list(autoKWSTCResNet),
}

// autoKWSSize counts the networks of the space that the published protocol searches, in a reading of it.
func autoKWSSize(reading, want string) func() ([]verdict.Check, error) {
	return func() ([]verdict.Check, error) {
		c := autokws.DefaultConfig()
		in, err := c.Input()
		if err != nil {
			return nil, err
		}
		p, err := space.TCResNet(c.Size, in[0])
		if err != nil {
			return nil, err
		}
		sizes := []*big.Int{space.TCResNetSize(reading, len(p.Layers))}
		if reading == space.ReadingChoice {
			sizes = append(sizes, p.Size())
		}
		var out []verdict.Check
		for i, size := range sizes {
			got, _ := new(big.Float).SetInt(size).Float64()
			out = append(out, verdict.Check{Name: [...]string{"networks of " + strconv.Itoa(len(p.Layers)) + " layers, " + reading, "paths of the space itself"}[i], Got: got, Want: want})
		}
		return out, nil
	}
}

func autoKWSRatio() (float64, error) {
	nas2, err := printed("akws-v1", "parameters of NAS2")
	if err != nil {
		return 0, err
	}
	own, err := printed("akws-params", "")
	return nas2 / own, err
}

func autoKWSTCResNet() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range []struct{ network, convention, want string }{
		{"tcresnet8", zoo.ConventionAll, "65168"}, {"tcresnet8-1.5", zoo.ConventionAll, "144264"},
		{"tcresnet14", zoo.ConventionAll, "135856"}, {"tcresnet14-1.5", zoo.ConventionAll, "303000"},
		{"tcresnet14", zoo.ConventionMACs, "3030528"}, {"tcresnet14-1.5", zoo.ConventionMACs, "6677136"},
	} {
		got, err := count(c.network+": "+c.convention, c.want)
		if err != nil {
			return nil, err
		}
		got[0].Got *= 1e6 // the count itself, not in millions
		out = append(out, got...)
	}
	return out, nil
}

// autoKWSFrames counts the frames of a second in the example's convention, windows of 30 ms, with both of the usual hops.
func autoKWSFrames() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range []struct {
		ms   int
		want string
	}{{10, "98"}, {20, "49"}} {
		convention := audio.TensorFlow()
		convention.Hop = c.ms * convention.SampleRate / 1000
		frames, _, err := convention.Shape(convention.SampleRate)
		if err != nil {
			return nil, err
		}
		out = append(out, verdict.Check{Name: fmt.Sprintf("frames of a second, one every %d ms", c.ms), Got: float64(frames), Want: c.want})
	}
	return out, nil
}

// officialParts are names of Speech Commands: of validation and testing from the official lists of v0.01 and v0.02, as
// github.com/vinsis/speech-commands-recognition and github.com/ubkarakaya/Human-Data-Analytic have them; of training from the
// training part of google/speech_commands on Hugging Face.
var officialParts = map[string][]string{
	datasets.PartValidation: {
		"bed/0e17f595_nohash_0.wav", "eight/439c84f4_nohash_2.wav", "happy/1bc45db9_nohash_0.wav", "no/105e72bb_nohash_1.wav",
		"right/a6d586b7_nohash_1.wav", "tree/c5e3817f_nohash_0.wav", "follow/30276d03_nohash_1.wav", "stop/8dc18a75_nohash_3.wav",
	},
	datasets.PartTesting: {
		"bed/1528225c_nohash_0.wav", "eight/563aa4e6_nohash_2.wav", "happy/3df9a3d4_nohash_0.wav", "no/1b4c9b89_nohash_1.wav",
		"right/dc75148d_nohash_0.wav", "tree/5c8af87a_nohash_0.wav", "wow/553f1a79_nohash_0.wav", "left/db24628d_nohash_1.wav",
	},
	datasets.PartTraining: {
		"bed/4a294341_nohash_0.wav", "bed/43f57297_nohash_0.wav", "bed/f9af823e_nohash_1.wav", "bed/9ff2d2f4_nohash_0.wav",
		"bed/651d108f_nohash_0.wav", "bed/810c99be_nohash_0.wav", "bed/47565088_nohash_2.wav", "no/7846fd85_nohash_0.wav",
	},
}

// autoKWSSplit compares the split by hash with the official one, and looks for speakers whom it puts into two parts.
func autoKWSSplit() []verdict.Check {
	var out []verdict.Check
	speakers, inTwo := 0, 0
	for _, part := range []string{datasets.PartTraining, datasets.PartValidation, datasets.PartTesting} {
		right := 0
		for _, name := range officialParts[part] {
			if datasets.WhichSet(name) == part {
				right++
			}
		}
		out = append(out, verdict.Check{Name: "official names of " + part + " that the hash puts there", Got: float64(right), Want: strconv.Itoa(len(officialParts[part]))})
	}
	// Speakers are numbers of 32 bits, here evenly spread ones.
	for speaker := uint32(0); speakers < 10000; speaker += 429497 {
		speakers++
		parts := map[string]bool{}
		for _, word := range datasets.SpeechClasses[2:] {
			for k := range 3 {
				parts[datasets.WhichSet(fmt.Sprintf("%s/%08x_nohash_%d.wav", word, speaker, k))] = true
			}
		}
		if len(parts) != 1 {
			inTwo++
		}
	}
	return append(out, verdict.Check{Name: fmt.Sprintf("of %d speakers, those in more than one part", speakers), Got: float64(inTwo), Want: "0"})
}
