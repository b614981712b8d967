package datasets

import "io/fs"

// EmbeddedSpeech returns the part of Speech Commands that travels in the binary as recordings, which [Open] with
// [EmbeddedSpeechName] makes a set of: 144 clips that train and 48 that test, of [SpeechClasses]. See NOTICE for its source.
func EmbeddedSpeech() (train, test *Clips, err error) {
	return speechSet.inBinary(EmbeddedSpeechName)
}

// EmbeddedScenes is the same for ESC-10, which [Open] with [EmbeddedScenesName] makes a set of: 40 clips that train and 10
// that test.
func EmbeddedScenes() (train, test *Clips, err error) {
	return sceneSet(folds[ScenesName].plain).inBinary(EmbeddedScenesName)
}

// inBinary reads the part of the set that travels in the binary, under another name.
func (s clipSet) inBinary(name string) (train, test *Clips, err error) {
	files, err := fs.Sub(embeddedSound, "embedded")
	if err != nil {
		return nil, nil, err
	}
	s.name = name
	return s.load(files, "the binary")
}
