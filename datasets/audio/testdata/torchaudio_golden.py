"""Makes torchaudio.json.gz. In an environment of its own:

pip install torch==2.11.0 torchaudio==2.11.0 numpy==2.4.6 soundfile==0.14.0
"""

import torch
import torchaudio
from torchaudio import transforms

import golden

VERSIONS = {"torch": "2.11.0", "torchaudio": "2.11.0"}
assert {m.__name__: m.__version__.split("+")[0] for m in (torch, torchaudio)} == VERSIONS

# Defaults of torchaudio.transforms.MFCC, in our words.
BASE = {
    "sample_rate": 16000, "center": True, "pad_mode": "reflect", "window": 400, "window_shape": "hann", "hop": 200,
    "fft": 400, "pad_window": True, "power": 2, "mels": 128, "low": 0, "high": 0, "mel_scale": "htk",
    "triangles": "hertz", "mel_norm": "none", "log": "db", "floor": 1e-10, "floor_by": "max", "top_db": 80,
    "coefficients": 40, "dct_norm": "ortho",
}
SMALL = {**BASE, "window": 480, "hop": 160, "fft": 512, "mels": 40}
SMALL_ARGS = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 40}


def mfcc(config, **args):
    transform = transforms.MFCC(**args)
    return config, lambda y: transform(torch.from_numpy(y)).T


def small_mfcc(config=None, mel=None, **args):
    return mfcc({**SMALL, **(config or {})}, melkwargs={**SMALL_ARGS, **(mel or {})}, **args)


def mel(config, after=transforms.AmplitudeToDB("power", 80), **args):
    config = {**SMALL, "coefficients": 0, "dct_norm": "", **config}
    transform = transforms.MelSpectrogram(16000, **{**SMALL_ARGS, **args})
    return config, lambda y: after(transform(torch.from_numpy(y))).T


plain = {"log": "none", "floor": 0, "floor_by": "", "top_db": 0}
to_db = transforms.AmplitudeToDB

cases = {
    "mfcc": mfcc(BASE),
    "mfcc log": mfcc({**BASE, "log": "ln", "floor": 1e-6, "floor_by": "add", "top_db": 0}, log_mels=True),
    "mfcc of 30 ms": small_mfcc(),
    "mfcc dct not normalised": small_mfcc({"dct_norm": "none"}, norm=None),
    "mfcc slaney": small_mfcc({"mel_scale": "slaney", "mel_norm": "slaney"}, {"mel_scale": "slaney", "norm": "slaney"}),
    "mfcc 13 not centred": small_mfcc({"center": False, "pad_mode": "", "coefficients": 13}, {"center": False}, n_mfcc=13),
    "mel spectrogram": mel(plain, after=lambda s: s),
    "mel magnitudes": mel({**plain, "power": 1}, after=lambda s: s, power=1),
    "mel db": mel({}),
    "mel db htk norm": mel({"mel_norm": "slaney"}, norm="slaney"),
    "mel db slaney no norm": mel({"mel_scale": "slaney"}, mel_scale="slaney"),
    "mel db not centred": mel({"center": False, "pad_mode": ""}, center=False),
    "mel db zeros": mel({"pad_mode": "constant"}, pad_mode="constant"),
    "mel db replicate": mel({"pad_mode": "edge"}, pad_mode="replicate"),
    "mel db pad 100": mel({"pad": 100}, pad=100),
    "mel db pad 300 not centred": mel({"pad": 300, "center": False, "pad_mode": ""}, pad=300, center=False),
    "mel db normalised": mel({"normalize_window": True}, normalized=True),
    "mel db no top": mel({"top_db": 0}, after=to_db("power")),
    "mel db top 40": mel({"top_db": 40}, after=to_db("power", 40)),
    "mel db of magnitudes": mel({"power": 1, "log": "db_magnitude"}, after=to_db("magnitude", 80), power=1),
    "mel db hamming": mel({"window_shape": "hamming"}, window_fn=torch.hamming_window),
    "mel db 25 ms, 20 to 4000 Hz": mel({"window": 400, "low": 20, "high": 4000}, win_length=400, f_min=20, f_max=4000),
    "mel db 64 ms": mel({"window": 1024, "fft": 1024, "hop": 320, "mels": 64}, n_fft=1024, win_length=1024, hop_length=320, n_mels=64),
}

golden.write("torchaudio", VERSIONS, [(name, *case) for name, case in cases.items()])
