package datasets

import "io/fs"

// EmbeddedSpeech returns the part of Speech Commands that travels in the binary as recordings, which [Open] with
// [EmbeddedSpeechName] makes a set of: 144 clips that train and 48 that test, of [SpeechClasses]. See NOTICE for its source.
func EmbeddedSpeech() (train, test *Clips, err error) {
	files, err := fs.Sub(embeddedSound, "embedded")
	if err != nil {
		return nil, nil, err
	}
	s := speechSet
	s.name = EmbeddedSpeechName
	return s.load(files, "the binary")
}
