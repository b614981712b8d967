package audio

import "math"

// TensorFlow returns the convention of TensorFlow's Speech Commands example at 16 kHz: 40 coefficients of frames of 30 ms
// (480 samples) every 10 ms, 98 frames of a clip of a second. They are those of the operations AudioSpectrogram and Mfcc of
// TensorFlow 2.21.0 (tensorflow/core/kernels/spectrogram.cc, mfcc.cc, mfcc_mel_filterbank.cc, mfcc_dct.cc) with the example's
// settings:
//
//   - frames are not centred and none is padded; Hann's window, periodic, then zeros up to 512 samples, the next power of two
//   - the filter bank adds up magnitudes, the roots of the spectrogram's squares: 40 triangles between 20 and 4,000 Hz, evenly
//     spaced and linear in mel; bin 1 is left out, as the operation rounds its first bin up
//   - natural logarithm of at least 1e-12
//   - DCT-II times sqrt(2/40), the coefficient 0 as well
func TensorFlow() Config {
	return Config{
		SampleRate: 16000, Window: 480, WindowShape: WindowHann, Hop: 160, FFT: 512,
		Power: 1, Mels: 40, Low: 20, High: 4000, MelScale: MelHTK, Triangles: TrianglesTensorFlow, MelNorm: NormNone,
		Log: LogNatural, Floor: 1e-12, FloorBy: FloorMax,
		Coefficients: 40, DCTNorm: NormScaled,
	}
}

// Librosa returns the defaults of librosa.feature.mfcc of librosa 0.11.0 at 16 kHz: 20 coefficients of frames of 2048 samples
// every 512, centred, with zeros around the sound; 128 filters on Slaney's scale with area 1; dB relative to 1, of at least
// 1e-10 and at most 80 below the loudest; orthonormal DCT-II. With Coefficients 0 it is power_to_db(feature.melspectrogram).
func Librosa() Config {
	return Config{
		SampleRate: 16000, Center: true, PadMode: PadConstant,
		Window: 2048, WindowShape: WindowHann, Hop: 512, FFT: 2048, PadWindow: true,
		Power: 2, Mels: 128, MelScale: MelSlaney, Triangles: TrianglesHertz, MelNorm: NormSlaney,
		Log: LogDB, Floor: 1e-10, FloorBy: FloorMax, TopDB: 80,
		Coefficients: 20, DCTNorm: NormOrtho,
	}
}

// Torchaudio returns the defaults of torchaudio.transforms.MFCC of torchaudio 2.11.0: 16 kHz, 40 coefficients of frames of
// 400 samples every 200, centred, the sound mirrored at its ends; 128 filters on HTK's scale, not scaled; AmplitudeToDB with
// top_db 80; orthonormal DCT-II. With Coefficients 0 it is AmplitudeToDB(MelSpectrogram). log_mels=True is Log [LogNatural],
// Floor 1e-6, FloorBy [FloorAdd] and TopDB 0.
func Torchaudio() Config {
	return Config{
		SampleRate: 16000, Center: true, PadMode: PadReflect,
		Window: 400, WindowShape: WindowHann, Hop: 200, FFT: 400, PadWindow: true,
		Power: 2, Mels: 128, MelScale: MelHTK, Triangles: TrianglesHertz, MelNorm: NormNone,
		Log: LogDB, Floor: 1e-10, FloorBy: FloorMax, TopDB: 80,
		Coefficients: 40, DCTNorm: NormOrtho,
	}
}

// LogMel returns log-mel features at 16 kHz: frames of windowMS milliseconds every hopMS, not centred, Hann's window, zeros up to
// the next power of two; power; triangles on HTK's scale from 0 to 8 kHz, not scaled; ln(x + 1e-6). Settings that make no
// sense are found by [Config.Validate].
func LogMel(mels int, windowMS, hopMS float64) Config {
	const rate = 16000
	window := int(math.Round(windowMS * rate / 1000))
	return Config{
		SampleRate: rate, Window: window, WindowShape: WindowHann, Hop: int(math.Round(hopMS * rate / 1000)), FFT: nextPowerOfTwo(window),
		Power: 2, Mels: mels, MelScale: MelHTK, Triangles: TrianglesHertz, MelNorm: NormNone,
		Log: LogNatural, Floor: 1e-6, FloorBy: FloorAdd,
	}
}

// nextPowerOfTwo is the smallest that is not below n; 1 where n is not above 1, and what n is where it is out of bounds.
func nextPowerOfTwo(n int) int {
	if n > maxFFT {
		return n
	}
	p := 1
	for p < n {
		p *= 2
	}
	return p
}
