"""Makes librosa.json.gz. In an environment of its own:

pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1 soundfile==0.14.0
"""

import librosa
import numpy as np
import scipy

import golden

VERSIONS = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1"}
assert {m.__name__: m.__version__ for m in (librosa, np, scipy)} == VERSIONS

# Defaults of librosa.feature.mfcc at 16 kHz, in our words.
BASE = {
    "sample_rate": 16000, "center": True, "pad_mode": "constant", "window": 2048, "window_shape": "hann", "hop": 512,
    "fft": 2048, "pad_window": True, "power": 2, "mels": 128, "low": 0, "high": 0, "mel_scale": "slaney",
    "triangles": "hertz", "mel_norm": "slaney", "log": "db", "floor": 1e-10, "floor_by": "max", "top_db": 80,
    "coefficients": 20, "dct_norm": "ortho",
}
# A smaller one, so that variations do not fill the file.
SMALL = {**BASE, "window": 480, "hop": 160, "fft": 512, "mels": 40}
SMALL_ARGS = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 40}


def mfcc(config, **args):
    return config, lambda y: librosa.feature.mfcc(y=y, sr=16000, **args).T


def small_mfcc(config=None, **args):
    return mfcc({**SMALL, **(config or {})}, **{**SMALL_ARGS, **args})


def mel(config, after=librosa.power_to_db, **args):
    # No DCT, and what power_to_db does by itself unless after is another function.
    config = {**SMALL, "coefficients": 0, "dct_norm": "", **config}
    return config, lambda y: after(librosa.feature.melspectrogram(y=y, sr=16000, **{**SMALL_ARGS, **args})).T


plain = {"log": "none", "floor": 0, "floor_by": "", "top_db": 0}

cases = {
    "mfcc": mfcc(BASE),
    "mfcc of 30 ms": small_mfcc(),
    "mfcc htk": small_mfcc({"mel_scale": "htk"}, htk=True),
    "mfcc htk no norm": small_mfcc({"mel_scale": "htk", "mel_norm": "none"}),
    "mfcc dct not normalised": small_mfcc({"dct_norm": "none"}, norm=None),
    "mfcc lifter": small_mfcc({"lifter": 22}, lifter=22),
    "mfcc all coefficients": small_mfcc({"coefficients": 40}, n_mfcc=40),
    "mfcc not centred": small_mfcc({"center": False, "pad_mode": ""}, center=False),
    "mfcc 25 ms, 20 to 7600 Hz": small_mfcc({"window": 400, "low": 20, "high": 7600}, win_length=400, fmin=20, fmax=7600),
    "mfcc hamming": small_mfcc({"window_shape": "hamming"}, window="hamming"),
    "mel spectrogram": mel(plain, after=lambda s: s),
    "mel magnitudes": mel({**plain, "power": 1}, after=lambda s: s, power=1),
    "mel db": mel({}),
    "mel db no norm": mel({"mel_norm": "none"}, norm=None),
    "mel db htk no norm": mel({"mel_scale": "htk", "mel_norm": "none"}, htk=True, norm=None),
    "mel db reflect": mel({"pad_mode": "reflect"}, pad_mode="reflect"),
    "mel db edge": mel({"pad_mode": "edge"}, pad_mode="edge"),
    "mel db symmetric": mel({"pad_mode": "symmetric"}, pad_mode="symmetric"),
    "mel db relative to max": mel({"relative_to_max": True}, after=lambda s: librosa.power_to_db(s, ref=np.max)),
    "mel db no top": mel({"top_db": 0}, after=lambda s: librosa.power_to_db(s, top_db=None)),
    "mel db top 40": mel({"top_db": 40}, after=lambda s: librosa.power_to_db(s, top_db=40)),
    "mel db floor 1e-5": mel({"floor": 1e-5}, after=lambda s: librosa.power_to_db(s, amin=1e-5)),
    "mel db of magnitudes": mel({"power": 1, "log": "db_magnitude", "floor": 1e-5}, after=librosa.amplitude_to_db, power=1),
    "mel ln": mel({**plain, "log": "ln", "floor": 1e-6, "floor_by": "add"}, after=lambda s: np.log(s + 1e-6)),
    "mel log10": mel({**plain, "log": "log10", "floor": 1e-5, "floor_by": "max"}, after=lambda s: np.log10(np.maximum(s, 1e-5))),
    "mel odd fft": mel({"fft": 501, "window": 501}, n_fft=501, win_length=501),
}
# In librosa.feature.mfcc, norm is that of the DCT; that of the filters needs the two steps apart.
cases["mfcc htk no norm"] = (cases["mfcc htk no norm"][0], lambda y: librosa.feature.mfcc(
    S=librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=16000, htk=True, norm=None, **SMALL_ARGS))).T)

golden.write("librosa", VERSIONS, [(name, *case) for name, case in cases.items()])
