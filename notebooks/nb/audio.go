package nb

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Audio shows a player of a mono clip: samples from -1 to 1, what lies beyond is cut off, rate of them a second. As
// text, its length, rate and greatest value.
func Audio(samples []float32, rate int) { Check(audio(samples, rate)) }

func audio(samples []float32, rate int) error {
	clip, peak, err := wav(samples, rate)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("audio: %.2f s at %d Hz, peak %.3g", float64(len(samples))/float64(rate), rate, peak)
	return show(output{text: text, html: fmt.Sprintf(`<audio controls title="%s" src="data:audio/wav;base64,%s"></audio>`, text, base64.StdEncoding.EncodeToString(clip))})
}

// wav is a RIFF file of one channel of 16-bit numbers.
func wav(samples []float32, rate int) (file []byte, peak float64, err error) {
	const width = 2 // bytes a sample
	size := len(samples) * width
	switch {
	case len(samples) == 0:
		return nil, 0, errors.New("audio: expected at least one sample")
	case rate < 1 || rate > math.MaxInt32/width:
		return nil, 0, fmt.Errorf("audio: expected a rate of samples a second, got %d", rate)
	case size > 64<<20:
		return nil, 0, fmt.Errorf("audio: %d samples are too many for a page: show a part", len(samples))
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	header := struct {
		FileSize   uint32
		Format     [8]byte
		FormatSize uint32
		Kind       uint16 // 1: whole numbers
		Channels   uint16
		Rate       uint32
		ByteRate   uint32
		Align      uint16
		Bits       uint16
		Data       [4]byte
		DataSize   uint32
	}{uint32(36 + size), [8]byte([]byte("WAVEfmt ")), 16, 1, 1, uint32(rate), uint32(rate * width), width, 8 * width, [4]byte([]byte("data")), uint32(size)}
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		return nil, 0, fmt.Errorf("audio: %w", err)
	}
	for i, s := range samples {
		v := float64(s)
		if math.IsNaN(v) {
			return nil, 0, fmt.Errorf("audio: sample %d is not a number", i)
		}
		peak = max(peak, math.Abs(v))
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(int16(math.Round(math.MaxInt16*min(1, max(-1, v)))))))
	}
	return b.Bytes(), peak, nil
}
