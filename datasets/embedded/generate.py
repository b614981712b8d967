#!/usr/bin/env python3
"""Makes the embedded CIFAR-10 subset: train_*.webp, test_0.webp, index.csv, BIN_SHA256SUMS.

    pip install pillow==13.0.0
    python3 generate.py DIR

DIR holds CIFAR-10 either in the official binary layout (data_batch_1.bin, ...) or as
lossless WebP sheets (data_batch_1.webp with data_batch_1.labels, ...).

Train: the first 400 images of each class in the official order of data_batch_1..5.
Test: the first 100 images of each class in the order of test_batch.
A sheet holds up to 1,000 images of 32x32 pixels, 40 a row, in the order of index.csv.
BIN_SHA256SUMS has the SHA-256 of each split in CIFAR-10's binary layout, so the pixels
can be checked whatever encoder wrote the sheets.
"""
import hashlib
import os
import sys

from PIL import Image

SIZE, COLUMNS, SHEET = 32, 40, 1000
Image.MAX_IMAGE_PIXELS = None


def batch(folder, name):
    """Yields (label, 32x32 RGB image) in the official order."""
    path = os.path.join(folder, name)
    if os.path.exists(path + ".bin"):
        data = open(path + ".bin", "rb").read()
        area = SIZE * SIZE
        for at in range(0, len(data), 1 + 3 * area):
            planes = [data[at + 1 + c * area : at + 1 + (c + 1) * area] for c in range(3)]
            yield data[at], Image.merge("RGB", [Image.frombytes("L", (SIZE, SIZE), p) for p in planes])
        return
    sheet = Image.open(path + ".webp").convert("RGB")
    across = sheet.width // SIZE
    for k, label in enumerate(open(path + ".labels", "rb").read()):
        x, y = k % across * SIZE, k // across * SIZE
        yield label, sheet.crop((x, y, x + SIZE, y + SIZE))


def first_per_class(folder, names, want):
    """Returns [(file, index, label, image)]: the first `want` images of each class."""
    left, out = [want] * 10, []
    for name in names:
        if not any(left):
            break
        for index, (label, image) in enumerate(batch(folder, name)):
            if left[label]:
                left[label] -= 1
                out.append((name, index, label, image))
    if any(left):
        sys.exit(f"{folder}: too few images of some class, short by {left}")
    return out


def main(folder):
    here = os.path.dirname(os.path.abspath(__file__))
    index, sums = ["split,file,index,label"], []
    splits = {
        "train": first_per_class(folder, [f"data_batch_{i}" for i in range(1, 6)], 400),
        "test": first_per_class(folder, ["test_batch"], 100),
    }
    for split, chosen in splits.items():
        digest = hashlib.sha256()
        for file, at, label, image in chosen:
            index.append(f"{split},{file},{at},{label}")
            digest.update(bytes([label]) + b"".join(c.tobytes() for c in image.split()))
        sums.append(f"{digest.hexdigest()}  {split}.bin")
        for start in range(0, len(chosen), SHEET):
            part = chosen[start : start + SHEET]
            rows = -(-len(part) // COLUMNS)
            sheet = Image.new("RGB", (COLUMNS * SIZE, rows * SIZE))
            for k, (_, _, _, image) in enumerate(part):
                sheet.paste(image, (k % COLUMNS * SIZE, k // COLUMNS * SIZE))
            sheet.save(os.path.join(here, f"{split}_{start // SHEET}.webp"),
                       lossless=True, quality=100, method=6, exact=True)
    for name, lines in (("index.csv", index), ("BIN_SHA256SUMS", sums)):
        with open(os.path.join(here, name), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
