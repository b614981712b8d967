package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gonas/gonas/datasets"
	"github.com/gonas/gonas/datasets/audio"
	"github.com/gonas/gonas/nas/kws"
)

// Help is shown behind the flags.
func (kwsCmd) Help() string {
	return `A line a file: the file, the keyword (yes, no, up, down, left, right, on, off, stop, go; _unknown_ for another word,
_silence_ for none) and its probability, between tabs. Of a file of more than a second the loudest second is heard, and the
line says which. WAV and FLAC of any rate and number of channels are read.

A stream is raw samples of 16 bit, little-endian, one channel, 16,000 a second:

  arecord -q -t raw -f S16_LE -r 16000 -c 1 | gonas kws --stream
  ffmpeg -v error -i talk.mp3 -f s16le -ar 16000 -ac 1 - | gonas kws --stream
  sox talk.wav -t raw -e signed -b 16 -r 16000 -c 1 - | gonas kws --stream

A line a keyword: the second of the stream, the keyword and the probability, averaged over the windows.`
}

type kwsCmd struct {
	Files     []string `arg:"" optional:"" help:"Recordings: WAV or FLAC."`
	Stream    bool     `help:"Listen to raw samples from standard input."`
	Model     string   `help:"Run folder of a training on Speech Commands, or what --export wrote (default: the network in this binary)." placeholder:"DIR"`
	Threshold float64  `help:"Least probability of a keyword in a stream, above 0 and at most 1 (default: 0.5)." placeholder:"P"`
	Export    string   `help:"Write the files of the model, without the state of its training, to this folder instead." placeholder:"DIR"`
	JSON      bool     `help:"Print a line of JSON for each file or keyword."`
}

// Run listens to files, or to standard input.
func (c kwsCmd) Run(a *app) error {
	switch {
	case c.Export != "" && (c.Stream || len(c.Files) > 0 || c.Model == ""):
		return errors.New("kws: --export goes with --model and nothing else")
	case c.Export != "":
		m, err := kws.Export(c.Model, c.Export)
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%s: %s\n", c.Export, m.About())
		}
		return err
	case c.Stream && len(c.Files) > 0:
		return errors.New("kws: --stream listens to standard input: leave out the files")
	case !c.Stream && len(c.Files) == 0:
		return errors.New("kws: expected recordings, or --stream: `gonas kws --help` has examples")
	case !c.Stream && c.Threshold != 0:
		return errors.New("kws: --threshold goes with --stream")
	}
	s, err := openSpotter(c.Model)
	if err != nil {
		return fmt.Errorf("kws: %w", err)
	}
	if c.Stream {
		return c.stream(a, s, os.Stdin)
	}
	return c.hear(a, s)
}

// openSpotter is the spotter of a folder, or the binary's.
func openSpotter(dir string) (*kws.Spotter, error) {
	if dir == "" {
		return kws.Default()
	}
	return kws.Open(dir)
}

// heardFile is a line of kws --json.
type heardFile struct {
	File string `json:"file"`
	kws.Heard
	// Probabilities by class.
	Probabilities map[string]float64 `json:"probabilities"`
	// Milliseconds that features and network took.
	Milliseconds float64 `json:"ms"`
}

// hear prints a line a file. What cannot be read is told at once, the others are heard all the same.
func (c kwsCmd) hear(a *app, s *kws.Spotter) error {
	var took []time.Duration
	failed := 0
	for _, file := range c.Files {
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		heard, long, err := hearFile(s, file)
		if err != nil {
			failed++
			fmt.Fprintln(a.stderr, "gonas: error: "+oneLine(err))
			continue
		}
		took = append(took, heard.Took)
		if c.JSON {
			all := map[string]float64{}
			for i, name := range s.Classes() {
				all[name] = heard.Probabilities[i]
			}
			err = writeJSONLine(a.stdout, heardFile{file, heard, all, milliseconds(heard.Took)})
		} else {
			where := ""
			if long {
				where = fmt.Sprintf("\tfrom %.2f s to %.2f s", heard.From, heard.To)
			}
			_, err = fmt.Fprintf(a.stdout, "%s\t%s\t%.3f%s\n", file, heard.Keyword, heard.Probability, where)
		}
		if err != nil {
			return err
		}
	}
	if len(took) > 0 {
		fmt.Fprintln(a.stderr, timesOf(took, "clip"))
	}
	if failed > 0 {
		return fmt.Errorf("kws: %d of %d files could not be heard", failed, len(c.Files))
	}
	return nil
}

// hearFile also tells whether the file is longer than what was listened to.
func hearFile(s *kws.Spotter, file string) (heard kws.Heard, long bool, err error) {
	clip, err := audio.ReadFile(file)
	if err != nil {
		return heard, false, err
	}
	samples, err := clip.At(datasets.SpeechRate)
	if err != nil {
		return heard, false, fmt.Errorf("%s: %w", file, err)
	}
	if heard, err = s.Classify(samples); err != nil {
		return heard, false, fmt.Errorf("%s: %w", file, err)
	}
	return heard, len(samples) > datasets.SpeechRate, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timesOf says how long clips or windows took.
func timesOf(took []time.Duration, thing string) string {
	first, median := kws.Times(took)
	if len(took) == 1 {
		return fmt.Sprintf("1 %s: %.1f ms, with loading or compiling the program", thing, milliseconds(first))
	}
	return fmt.Sprintf("%d %ss: %.2f ms a %s (median; features and network), the first, with loading or compiling the program, %.1f ms",
		len(took), thing, milliseconds(median), thing, milliseconds(first))
}

// stream prints the keywords of a stream.
func (c kwsCmd) stream(a *app, s *kws.Spotter, r io.Reader) error {
	config := kws.DefaultStream()
	config.Threshold = cmp.Or(c.Threshold, config.Threshold)
	found := 0
	end, err := s.Stream(a.ctx, r, config, func(d kws.Detection) error {
		found++
		if c.JSON {
			return writeJSONLine(a.stdout, d)
		}
		_, err := fmt.Fprintf(a.stdout, "%.2f s\t%s\t%.3f\n", d.Second, d.Keyword, d.Probability)
		return err
	})
	if err != nil {
		return fmt.Errorf("kws: %w", err)
	}
	if end.OddByte {
		fmt.Fprintln(a.stderr, "the stream ended in the middle of a sample: its last byte was left out")
	}
	_, err = fmt.Fprintf(a.stderr, "keywords: %d in %.2f s; windows: %d, %.2f ms a window (median; features and network), the first, with loading or compiling the program, %.1f ms\n",
		found, end.Seconds, end.Windows, milliseconds(end.Median), milliseconds(end.First))
	return err
}
