"""What the scripts beside this one share: the clips, and how the arrays of a library are stored.

A golden file is gzipped JSON: the versions, and for each case and clip the configuration in our own words
(audio.Config), the shape [frames, coefficients], the standard deviation of the whole array, and some of its frames as
base64 of little-endian float32. `--all DIR` writes every frame to DIR instead; GONAS_AUDIO_GOLDEN=DIR has the test
read those.
"""

import argparse
import base64
import gzip
import json
import pathlib
import platform

import numpy as np
import soundfile

HERE = pathlib.Path(__file__).parent
KEPT = 11  # frames of an array


def clips():
    for path in sorted(HERE.glob("*.flac")):
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == 16000 and samples.ndim == 1, path
        yield path.name, samples


def frames_kept(total, everything):
    """The first and the last three frames, where padding shows, and some between."""
    if everything or total <= KEPT:
        return list(range(total))
    return sorted({0, 1, 2, total - 3, total - 2, total - 1, *np.linspace(3, total - 4, KEPT - 6).astype(int).tolist()})


def write(library, versions, cases):
    """cases: (name, configuration, function of the samples that gives [frames, coefficients])."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", metavar="DIR", help="write every frame there")
    args = parser.parse_args()
    arrays = []
    for clip, samples in clips():
        for name, config, compute in cases:
            values = np.asarray(compute(samples))
            assert values.ndim == 2 and np.isfinite(values).all(), (clip, name, values.shape)
            kept = frames_kept(len(values), args.all)
            arrays.append({
                "case": name, "clip": clip, "config": config, "shape": list(values.shape),
                "std": float(values.astype(np.float64).std()), "frames": kept,
                "values": base64.b64encode(values[kept].astype("<f4").tobytes()).decode(),
            })
    document = {"library": library, "versions": {"python": platform.python_version(), **versions}, "arrays": arrays}
    path = pathlib.Path(args.all or HERE) / f"{library}.json.gz"
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(json.dumps(document).encode())
    print(path, len(arrays), "arrays,", path.stat().st_size, "bytes")
