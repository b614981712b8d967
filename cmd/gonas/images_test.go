package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// imagesCommand makes a folder of ten small images of each of three classes: images DIR.
func imagesCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: images DIR")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, class := range []string{"a", "b", "c"} {
		dir := filepath.Join(ts.MkAbs(args[0]), class)
		ts.Check(os.MkdirAll(dir, 0o755))
		for i := range 10 {
			picture := image.NewRGBA(image.Rect(0, 0, 12, 14))
			for k := range 12 * 14 {
				picture.Set(k%12, k/12, color.Gray{uint8(random.IntN(256))})
			}
			var b bytes.Buffer
			ts.Check(png.Encode(&b, picture))
			ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), b.Bytes(), 0o600))
		}
	}
}
