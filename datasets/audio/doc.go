// Package audio turns recordings into the arrays that networks take: sound in, features out.
//
// [Decode] reads WAV and FLAC and refuses what is broken, naming the file and the byte. [Resample] brings any rate to the
// rate that is wanted. An [Extractor] does what its [Config] says: padding, frames, window, power spectrum, mel filter bank,
// logarithm, cosine transform. [TensorFlow], [Librosa] and [Torchaudio] are the conventions of these libraries, and give
// equal numbers; [LogMel] leaves the cosine transform out.
//
// Equal means: on real clips no value is further from the library's than 1e-4 of their standard deviation. testdata has the
// numbers of librosa 0.11.0, torchaudio 2.11.0 and TensorFlow 2.21.0 that the tests compare with.
//
// Features are computed on the host ([Extractor.Features], [Extractor.Batch]) or as a part of a GoMLX graph
// ([Extractor.Graph]), with the same result. Both compute in float64. On the host the time goes into C code where there is cgo, which
// takes four frames at a time; without it, and for lengths that it does not know, everything is Go.
package audio
