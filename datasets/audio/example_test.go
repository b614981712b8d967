package audio_test

import (
	"fmt"
	"log"
	"path/filepath"

	"github.com/gonas/gonas/datasets/audio"
)

// A recording of any rate and number of channels becomes the 98 × 40 numbers that keyword spotting networks take.
func Example() {
	clip, err := audio.ReadFile(filepath.Join("testdata", "yes_26b28ea7_nohash_1.flac"))
	if err != nil {
		log.Fatal(err)
	}
	config := audio.TensorFlow()
	samples, err := clip.At(config.SampleRate)
	if err != nil {
		log.Fatal(err)
	}
	extractor, err := audio.New(config)
	if err != nil {
		log.Fatal(err)
	}
	features, err := extractor.Features(samples)
	if err != nil {
		log.Fatal(err)
	}
	frames, coefficients, err := config.Shape(len(samples))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d Hz, %d samples: %d frames of %d coefficients\n", clip.Rate, clip.Samples(), frames, coefficients)
	fmt.Printf("frame 50 starts with %.2f\n", features[50*coefficients:][:4])
	// Output:
	// 16000 Hz, 16000 samples: 98 frames of 40 coefficients
	// frame 50 starts with [0.62 -7.53 -5.83 -1.19]
}
