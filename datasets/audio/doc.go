// Package audio turns recordings into the arrays that networks take: sound in, features out.
//
// [Decode] reads WAV and FLAC and refuses what is broken, naming the file and the byte. [Resample] brings any rate to the
// rate that is wanted. An [Extractor] does what its [Config] says: padding, frames, window, power spectrum, mel filter bank,
// logarithm, cosine transform. [TensorFlow], [Librosa] and [Torchaudio] are the conventions of these libraries, and give
// their numbers; [LogMel] leaves the cosine transform out.
//
// Features are computed on the host ([Extractor.Features], [Extractor.Batch]) or as a part of a GoMLX graph
// ([Extractor.Graph]), with the same result.
package audio
