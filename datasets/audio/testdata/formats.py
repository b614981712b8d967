"""Makes formats: small files of every format as libsndfile writes them, and in formats.json what it reads back.

pip install numpy==2.4.6 soundfile==0.14.0
"""

import json
import pathlib

import numpy as np
import soundfile

folder = pathlib.Path(__file__).parent / "formats"
folder.mkdir(exist_ok=True)
random = np.random.default_rng(1)
# Loud noise on a tone, so that FLAC takes several of its methods, then silence.
sound = np.sin(np.arange(160)[:, None] * [0.05, 0.11, 0.2]) * 0.4 + random.normal(0, 0.1, (160, 3))
sound[120:] = 0
sound[0, 0], sound[1, 0] = -1, 1

read = {}
for name, channels, rate, kind in [
    ("u8.wav", 1, 8000, "PCM_U8"), ("s16.wav", 2, 16000, "PCM_16"), ("s24.wav", 3, 22050, "PCM_24"), ("s32.wav", 2, 44100, "PCM_32"),
    ("float.wav", 2, 48000, "FLOAT"), ("double.wav", 1, 96000, "DOUBLE"), ("extensible.wav", 3, 16000, "PCM_24"),
    ("s8.flac", 1, 11025, "PCM_S8"), ("s16.flac", 2, 44100, "PCM_16"), ("s24.flac", 3, 16000, "PCM_24"),
]:
    form = "WAVEX" if name.startswith("extensible") else name.split(".")[1].upper()
    soundfile.write(folder / name, sound[:, :channels], rate, subtype=kind, format=form)
    values, found = soundfile.read(folder / name, dtype="float32", always_2d=True)
    assert found == rate
    read[name] = {"rate": rate, "channels": values.T.tolist()}
(folder / "formats.json").write_text(json.dumps(read))
