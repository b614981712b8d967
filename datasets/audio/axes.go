package audio

// MelFrequencies are the middles of the mel filters in Hz, which rise.
func (c Config) MelFrequencies() []float64 {
	low, high := c.toMel(c.Low), c.toMel(c.high())
	out := make([]float64, c.Mels)
	for i := range out {
		out[i] = c.toHertz(low + (high-low)*float64(i+1)/float64(c.Mels+1))
	}
	return out
}

// FrameTimes are the middle of the first frame and the way from one frame to the next, in seconds of the clip.
func (c Config) FrameTimes() (first, step float64) {
	rate := float64(c.SampleRate)
	return (float64(c.span())/2 - float64(c.margin()+c.Pad)) / rate, float64(c.Hop) / rate
}
