package audio

import "math"

// filter is a triangle of the mel filter bank: weights of the bins from first on.
type filter struct {
	first   int
	weights []float64
}

// melFilters returns the filter bank. A filter between two bins is empty, as it is in the libraries.
func (c Config) melFilters() []filter {
	dense := make([][]float64, c.Mels)
	for m := range dense {
		dense[m] = make([]float64, c.FFT/2+1)
	}
	low, high := c.toMel(c.Low), c.toMel(c.high())
	edges := make([]float64, c.Mels+2)
	for i := range edges {
		edges[i] = low + (high-low)*float64(i)/float64(c.Mels+1)
	}
	width := float64(c.SampleRate) / float64(c.FFT)
	first, last := 0, c.FFT/2
	at := func(bin int) float64 { return float64(bin) * width }
	if c.Triangles == TrianglesTensorFlow {
		first, last = int(1.5+c.Low/width), min(last, int(c.high()/width))
	}
	if c.Triangles != TrianglesHertz {
		at = func(bin int) float64 { return c.toMel(float64(bin) * width) }
	} else {
		for i := range edges {
			edges[i] = c.toHertz(edges[i])
		}
	}
	for m := range dense {
		left, middle, right := edges[m], edges[m+1], edges[m+2]
		for bin := first; bin <= last; bin++ {
			dense[m][bin] = math.Max(0, math.Min((at(bin)-left)/(middle-left), (right-at(bin))/(right-middle)))
		}
		if c.MelNorm == NormSlaney {
			if c.Triangles != TrianglesHertz {
				left, right = c.toHertz(left), c.toHertz(right)
			}
			for bin := range dense[m] {
				dense[m][bin] *= 2 / (right - left)
			}
		}
	}
	filters := make([]filter, c.Mels)
	for m, weights := range dense {
		from, to := 0, len(weights)
		for from < to && weights[from] == 0 {
			from++
		}
		for to > from && weights[to-1] == 0 {
			to--
		}
		filters[m] = filter{first: from, weights: weights[from:to]}
	}
	return filters
}

// Slaney's scale: 3 mel for 200 Hz up to 1 kHz, then a factor of 6.4 for 27 mel.
const (
	slaneyHertz = 200.0 / 3 // of a mel, below the break
	slaneyBreak = 1000.0    // Hz
)

var slaneyStep = math.Log(6.4) / 27

func (c Config) toMel(hertz float64) float64 {
	if c.MelScale == MelHTK {
		return 2595 * math.Log10(1+hertz/700)
	}
	if hertz < slaneyBreak {
		return hertz / slaneyHertz
	}
	return slaneyBreak/slaneyHertz + math.Log(hertz/slaneyBreak)/slaneyStep
}

func (c Config) toHertz(mel float64) float64 {
	if c.MelScale == MelHTK {
		return 700 * (math.Pow(10, mel/2595) - 1)
	}
	if mel < slaneyBreak/slaneyHertz {
		return mel * slaneyHertz
	}
	return slaneyBreak * math.Exp(slaneyStep*(mel-slaneyBreak/slaneyHertz))
}

// dct returns the cosine transform as [coefficient][mel], lifter included; nil for none.
func (c Config) dct() [][]float64 {
	if c.Coefficients == 0 {
		return nil
	}
	n := float64(c.Mels)
	rows := make([][]float64, c.Coefficients)
	for k := range rows {
		scale := 2.0
		switch {
		case c.DCTNorm == NormOrtho && k == 0:
			scale = math.Sqrt(1 / n)
		case c.DCTNorm != NormNone:
			scale = math.Sqrt(2 / n)
		}
		if c.Lifter > 0 {
			scale *= 1 + c.Lifter/2*math.Sin(math.Pi*float64(k+1)/c.Lifter)
		}
		rows[k] = make([]float64, c.Mels)
		for m := range rows[k] {
			rows[k][m] = scale * math.Cos(math.Pi*float64(k)*(float64(m)+0.5)/n)
		}
	}
	return rows
}

// window returns the window's Window samples, with NormalizeWindow's factor.
func (c Config) window() []float64 {
	w := make([]float64, c.Window)
	mean := 0.5
	if c.WindowShape == WindowHamming {
		mean = 0.54
	}
	energy := 0.0
	for i := range w {
		w[i] = mean - (1-mean)*math.Cos(2*math.Pi*float64(i)/float64(c.Window))
		energy += w[i] * w[i]
	}
	if c.NormalizeWindow {
		for i := range w {
			w[i] /= math.Sqrt(energy)
		}
	}
	return w
}
