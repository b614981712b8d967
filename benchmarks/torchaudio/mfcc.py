"""MFCC of torchaudio, timed: the yardstick of benchmarks/run -suite audio.

    python benchmarks/torchaudio/mfcc.py --clips-dir datasets/audio/testdata --json

40 coefficients of 30 ms every 10 ms of clips of a second, each clip with its own top_db, in batches of several sizes.
"""

import argparse
import json
import os
import pathlib
import time

# Threads that wait give their processor away: on two cores that is the faster setting.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import soundfile
import torch
import torchaudio


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips-dir", required=True)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--batches", default="1,10,20,50,100,1000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    files = sorted(pathlib.Path(args.clips_dir).glob("*_nohash_*.flac"))
    real = np.stack([soundfile.read(f, dtype="float32")[0] for f in files])
    # A channel of its own: top_db counts from the loudest value of all channels of a clip.
    sound = torch.from_numpy(real[np.arange(args.clips) % len(real)])[:, None]
    transform = torchaudio.transforms.MFCC(melkwargs={"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 40})
    runs = []
    with torch.inference_mode():
        for batch in map(int, args.batches.split(",")):
            transform(sound[:batch])  # what is set up on first use
            seconds, cpu = [], []
            for _ in range(args.steps):
                start, used = time.perf_counter(), time.process_time()
                for i in range(0, args.clips, batch):
                    transform(sound[i : i + batch])
                seconds.append(time.perf_counter() - start)
                cpu.append(time.process_time() - used)
            runs.append({"name": f"batches of {batch}", "seconds": seconds, "cpu_s": cpu})
        features = transform(sound[: len(real)])[:, 0].transpose(1, 2).flatten().tolist()
    out = {"framework": "torchaudio", "version": f"torchaudio {torchaudio.__version__}, torch {torch.__version__}", "clips": args.clips,
           "runs": runs, "features": features}
    if args.json:
        print(json.dumps(out))
        return
    for run in runs:
        print(run["name"], run["seconds"])


if __name__ == "__main__":
    main()
