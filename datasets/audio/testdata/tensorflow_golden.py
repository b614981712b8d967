"""Makes tensorflow.json.gz. In an environment of its own:

pip install tensorflow-cpu==2.21.0 numpy==2.4.6 soundfile==0.14.0
"""

import tensorflow as tf

import golden

VERSIONS = {"tensorflow": tf.__version__}
assert tf.__version__ == "2.21.0"

# The Speech Commands example's settings of the operations AudioSpectrogram and Mfcc, in our words.
BASE = {
    "sample_rate": 16000, "center": False, "window": 480, "window_shape": "hann", "hop": 160, "fft": 512,
    "pad_window": False, "power": 1, "mels": 40, "low": 20, "high": 4000, "mel_scale": "htk", "triangles": "tensorflow",
    "mel_norm": "none", "log": "ln", "floor": 1e-12, "floor_by": "max", "coefficients": 40, "dct_norm": "scaled",
}


def mfcc(config=None, window=480, stride=160, **args):
    args = {"dct_coefficient_count": 40, **args}

    def compute(y):
        spectrogram = tf.raw_ops.AudioSpectrogram(input=y[:, None], window_size=window, stride=stride, magnitude_squared=True)
        return tf.raw_ops.Mfcc(spectrogram=spectrogram, sample_rate=16000, **args)[0]

    return {**BASE, **(config or {})}, compute


# tf.signal's own filter bank has slopes linear in mel as well, of all bins; its defaults are 20 filters from 125 to 3,800 Hz.
SIGNAL = {**BASE, "power": 2, "mels": 20, "low": 125, "high": 3800, "triangles": "mel", "floor": 1e-6, "floor_by": "add"}


def signal(config=None, power=2, mels=20, low=125.0, high=3800.0, window=480, hop=160, cosines=True):
    def compute(y):
        spectrum = tf.abs(tf.signal.stft(y, window, hop)) ** power
        matrix = tf.signal.linear_to_mel_weight_matrix(mels, spectrum.shape[-1], 16000, low, high)
        log = tf.math.log(spectrum @ matrix + 1e-6)
        return tf.signal.mfccs_from_log_mel_spectrograms(log) if cosines else log

    return {**SIGNAL, "coefficients": mels if cosines else 0, **(config or {})}, compute


cases = {
    "mfcc": mfcc(),
    "mfcc 13": mfcc({"coefficients": 13}, dct_coefficient_count=13),
    "mfcc up to 8 kHz": mfcc({"high": 8000}, upper_frequency_limit=8000),
    "mfcc 300 to 3400 Hz": mfcc({"low": 300, "high": 3400}, lower_frequency_limit=300, upper_frequency_limit=3400),
    "mfcc of 20 filters": mfcc({"mels": 20, "coefficients": 20}, filterbank_channel_count=20, dct_coefficient_count=20),
    "mfcc 40 ms every 20": mfcc({"window": 640, "hop": 320, "fft": 1024}, 640, 320),
    "mfcc 32 ms every 32": mfcc({"window": 512, "hop": 512}, 512, 512),
    "mfcc every 700": mfcc({"hop": 700}, 480, 700),
    "signal mfcc": signal(),
    "signal log-mel": signal({"dct_norm": ""}, cosines=False),
    "signal magnitudes": signal({"power": 1, "mels": 40, "low": 20, "high": 7600}, 1, 40, 20.0, 7600.0),
    "signal 25 ms": signal({"window": 400, "hop": 200}, window=400, hop=200),
}

golden.write("tensorflow", VERSIONS, [(name, *case) for name, case in cases.items()])
