"""Makes the reference numbers of the ImageNet loader's tests with Pillow and torchvision.

    python resize_reference.py                        # imagenet/reference.json, the JPEG files and their PNGs
    python resize_reference.py --samples FOLDER       # imagenet/samples.json

FOLDER has the unpacked one-image-a-class sample (WNID.jpg). Of those images only a few pixels and
means go into the JSON file. Everything else is made of the patterns below, which the tests make
again in Go from the same integer arithmetic. Needs pillow, numpy, torch, torchvision and simplejpeg
(for a subsampled YCCK file, which Pillow does not write); the versions used are in the JSON files.
Pillow 12.3.0 and earlier versions scale columns before rows; 13.0.0 does the rows of some tall images
first, which can change a pixel by 1.
"""

import argparse
import hashlib
import io
import json
import pathlib

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

HERE = pathlib.Path(__file__).parent / "imagenet"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VERSIONS = {"pillow": PIL.__version__, "torch": torch.__version__.split("+")[0],
            "torchvision": torchvision.__version__.split("+")[0]}


def hash8(x, y, c):
    """A byte of noise for every place; x, y and c are arrays of uint32."""
    h = (x * np.uint32(374761393)) ^ (y * np.uint32(668265263)) ^ (c * np.uint32(2246822519))
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(2654435761)
    return (h >> np.uint32(24)).astype(np.int64)


def smooth(x, y, c, s):
    """Noise of hash8 at a lattice of s pixels, bilinear in between."""
    fx, fy = (x % np.uint32(s)).astype(np.int64), (y % np.uint32(s)).astype(np.int64)
    lx, ly = x // np.uint32(s), y // np.uint32(s)
    one = np.uint32(1)
    top = hash8(lx, ly, c) * (s - fx) + hash8(lx + one, ly, c) * fx
    bottom = hash8(lx, ly + one, c) * (s - fx) + hash8(lx + one, ly + one, c) * fx
    return (top * (s - fy) + bottom * fy) // (s * s)


def pattern(kind, height, width):
    """An array [height, width, 3] of bytes."""
    y, x, c = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (height, width, 3)), indexing="ij")
    if kind == "noise":
        v = hash8(x, y, c)
    elif kind == "gradient":
        x, y = x.astype(np.int64), y.astype(np.int64)
        v = np.where(c == 0, x * 255 // max(width - 1, 1),
                     np.where(c == 1, y * 255 // max(height - 1, 1), (x + y) * 255 // max(width + height - 2, 1)))
    elif kind == "edges":  # black and white, the extremes of every filter
        v = ((x // np.uint32(7) + y // np.uint32(5) + c) % np.uint32(2)).astype(np.int64) * 255
    else:  # "photo": coarse shapes, fine texture, a little noise
        v = (smooth(x, y, c, 64) * 8 + smooth(x, y, c, 16) * 4 + smooth(x, y, c, 4) * 3 + hash8(x, y, c)) // 16
    return v.astype(np.uint8)


def image(kind, height, width):
    return Image.fromarray(pattern(kind, height, width))


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resize_cases():
    sizes = [  # height, width of the image and of the result
        (64, 48, 32, 24), (64, 48, 31, 23), (37, 53, 101, 80), (375, 500, 256, 341), (500, 375, 341, 256),
        (160, 213, 256, 340), (97, 61, 224, 224), (1, 1, 5, 7), (5, 7, 1, 1), (2, 300, 3, 10), (33, 33, 33, 70),
        (33, 70, 61, 70), (40, 40, 40, 40), (300, 400, 7, 9), (1000, 90, 64, 64), (3, 3, 200, 200),
    ]
    cases = []
    for kind in ("noise", "gradient", "edges", "photo"):
        for h, w, oh, ow in sizes:
            out = np.asarray(image(kind, h, w).resize((ow, oh), Image.Resampling.BILINEAR))
            cases.append({"kind": kind, "from": [h, w], "to": [oh, ow], "sha256": sha(out),
                          "corner": out[-1, -1].tolist()})
    return cases


def eval_cases():
    cases = []
    for kind, h, w, resize, size in [
        ("photo", 375, 500, 256, 224), ("photo", 500, 333, 256, 224), ("noise", 213, 160, 256, 224),
        ("photo", 256, 256, 256, 224), ("photo", 224, 301, 224, 224), ("edges", 64, 64, 256, 224),
        ("gradient", 600, 131, 256, 224), ("photo", 64, 99, 40, 33), ("noise", 99, 64, 41, 32), ("photo", 91, 64, 37, 30),
    ]:
        im = image(kind, h, w)
        pixels = T.Compose([T.Resize(resize), T.CenterCrop(size)])(im)
        x = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])(pixels).permute(1, 2, 0).contiguous().numpy()
        cases.append({"kind": kind, "from": [h, w], "resize": resize, "size": size, "resized": list(
            reversed(T.Resize(resize)(im).size)), "sha256": sha(np.asarray(pixels)), "float_sha256": sha(x.astype("<f4")),
            "mean": [float(x[..., c].astype(np.float64).mean()) for c in range(3)]})
    return cases


def crop_cases():
    """Runs of RandomResizedCrop.get_params with what it drew."""
    drawn = []
    uniform, randint = torch.Tensor.uniform_, torch.randint

    def record_uniform(self, a, b):
        out = uniform(self, a, b)
        drawn.append(("uniform", out.item()))
        return out

    def record_randint(*args, **kwargs):
        out = randint(*args, **kwargs)
        drawn.append(("randint", out.item()))
        return out

    cases = []
    torch.manual_seed(3)
    torch.Tensor.uniform_, torch.randint = record_uniform, record_randint
    try:
        for height, width in [(375, 500), (500, 333), (64, 64), (30, 200), (200, 30), (1, 1), (7, 500), (500, 7), (40, 61)]:
            for _ in range(6):
                drawn.clear()
                i, j, h, w = T.RandomResizedCrop.get_params(Image.new("L", (width, height)), [0.08, 1.0], [3 / 4, 4 / 3])
                values = [v for name, v in drawn if name == "uniform"]
                aspects = [torch.exp(torch.tensor([v])).item() for v in values[1::2]]
                cases.append({"height": height, "width": width, "scales": values[0::2], "aspects": aspects,
                              "place": [v for name, v in drawn if name == "randint"], "crop": [i, j, h, w]})
    finally:
        torch.Tensor.uniform_, torch.randint = uniform, randint
    return cases


def jitter_cases():
    cases = []
    ops = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast,
           "saturation": F.adjust_saturation, "hue": F.adjust_hue}
    for kind, h, w in [("noise", 61, 83), ("photo", 50, 70), ("gradient", 40, 40)]:
        im = image(kind, h, w)
        for name, op in ops.items():
            factors = [-0.5, -0.2, -0.0313, 0.0, 0.1, 0.5] if name == "hue" else [0.0, 0.6, 0.8371, 1.0, 1.4, 2.5]
            for factor in factors:
                cases.append({"kind": kind, "from": [h, w], "op": name, "factor": factor,
                              "sha256": sha(np.asarray(op(im, factor)))})
    return cases


def flip_and_crop_cases():
    """A crop, resized, mirrored and jittered in a given order."""
    im = image("photo", 120, 171)
    out = F.resized_crop(im, 13, 21, 77, 103, [64, 64], T.InterpolationMode.BILINEAR)
    out = F.hflip(out)
    out = F.adjust_hue(F.adjust_contrast(F.adjust_saturation(F.adjust_brightness(out, 1.3), 0.7), 1.2), -0.1)
    return {"from": [120, 171], "crop": [13, 21, 77, 103], "size": 64, "order": [0, 2, 1, 3],
            "factors": [1.3, 1.2, 0.7, -0.1], "sha256": sha(np.asarray(out))}


def jpeg_files():
    import simplejpeg

    def save(name, im, **options):
        buffer = io.BytesIO()
        im.save(buffer, "JPEG", **options)
        return name, buffer.getvalue()

    photo = pattern("photo", 45, 61)
    rgb = Image.fromarray(photo)
    files = [
        save("420.jpg", rgb, quality=90, subsampling="4:2:0"),
        save("420_even.jpg", image("photo", 48, 64), quality=75, subsampling="4:2:0"),
        save("422.jpg", rgb, quality=90, subsampling="4:2:2"),
        save("444.jpg", rgb, quality=90, subsampling="4:4:4"),
        save("progressive.jpg", rgb, quality=80, progressive=True),
        save("noise.jpg", image("noise", 35, 33), quality=95, subsampling="4:2:0"),
        save("narrow.jpg", image("photo", 19, 4), quality=90, subsampling="4:2:0"),
        save("pixel.jpg", image("photo", 1, 1), quality=90, subsampling="4:2:0"),
        save("grey.jpg", rgb.convert("L"), quality=90),
        save("rgb.jpg", rgb, quality=90, keep_rgb=True),
        ("440.jpg", simplejpeg.encode_jpeg(photo, 90, "RGB", "440")),
        ("411.jpg", simplejpeg.encode_jpeg(photo, 90, "RGB", "411")),
    ]
    cmyk = np.concatenate([photo, pattern("photo", 61, 45).transpose(1, 0, 2)[..., :1]], axis=2)
    name, data = save("cmyk.jpg", Image.fromarray(cmyk, mode="CMYK"), quality=90)
    files.append((name, data))
    at = data.index(b"Adobe")
    assert data[at - 4:at - 2] == b"\xff\xee" and data[at + 11] == 0
    files.append(("cmyk_no_adobe.jpg", data[:at - 4] + data[at + 12:]))
    files.append(("ycck.jpg", data[:at + 11] + b"\x02" + data[at + 12:]))
    files.append(("ycck_420.jpg", simplejpeg.encode_jpeg(np.ascontiguousarray(cmyk), 90, "CMYK", "420")))
    palette = rgb.quantize(16)
    for png, im in [("palette.png", palette), ("alpha.png", Image.fromarray(cmyk, mode="RGBA")), ("grey1.png", rgb.convert("1"))]:
        buffer = io.BytesIO()
        im.save(buffer, "PNG", optimize=True)
        files.append((png, buffer.getvalue()))
    (HERE / "decode").mkdir(parents=True, exist_ok=True)
    out = []
    for name, data in files:
        (HERE / "decode" / name).write_bytes(data)
        im = Image.open(io.BytesIO(data))
        mode, pixels = im.mode, np.asarray(im.convert("RGB"))
        case = {"file": name, "mode": mode, "size": list(pixels.shape[:2]), "sha256": sha(pixels)}
        if name.endswith(".jpg"):
            Image.fromarray(pixels).save(HERE / "decode" / (name[:-4] + ".pil.png"), optimize=True)
        out.append(case)
    return out


def samples(folder):
    """A few pixels of some real images, decoded and after the transform for evaluation."""
    names = sorted(p.name for p in pathlib.Path(folder).glob("*.jpg"))
    out = []
    for name in names[::40]:
        im = Image.open(pathlib.Path(folder) / name).convert("RGB")
        decoded = np.asarray(im)
        crop = np.asarray(T.Compose([T.Resize(256), T.CenterCrop(224)])(im))
        x = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])(Image.fromarray(crop)).permute(1, 2, 0).numpy().astype(np.float64)
        rng = np.random.default_rng(len(out))
        places = [[int(rng.integers(decoded.shape[0])), int(rng.integers(decoded.shape[1]))] for _ in range(8)]
        crop_places = [[int(rng.integers(224)), int(rng.integers(224))] for _ in range(8)]
        out.append({"file": name, "size": list(decoded.shape[:2]),
                    "decoded_mean": [round(float(m), 6) for m in decoded.reshape(-1, 3).mean(0)],
                    "decoded": [p + decoded[tuple(p)].tolist() for p in places],
                    "crop_mean": [round(float(m), 6) for m in crop.reshape(-1, 3).mean(0)],
                    "crop": [p + crop[tuple(p)].tolist() for p in crop_places],
                    "normalised_mean": [round(float(m), 7) for m in x.reshape(-1, 3).mean(0)]})
    return out


def write(name, content):
    """JSON with one case a line."""
    lines = ["{"]
    for i, (key, value) in enumerate(content.items()):
        comma = "," if i + 1 < len(content) else ""
        if isinstance(value, list):
            lines.append(f" {json.dumps(key)}: [")
            lines += ["  " + json.dumps(v) + ("," if k + 1 < len(value) else "") for k, v in enumerate(value)]
            lines.append(" ]" + comma)
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}{comma}")
    (HERE / name).write_text("\n".join(lines + ["}"]) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples")
    args = parser.parse_args()
    if args.samples:
        write("samples.json", {"versions": VERSIONS, "samples": samples(args.samples)})
    else:
        write("reference.json", {
            "versions": VERSIONS,
            "patterns": [{"kind": k, "from": [70, 90], "sha256": sha(pattern(k, 70, 90))} for k in ("noise", "gradient", "edges", "photo")],
            "resize": resize_cases(), "eval": eval_cases(), "crops": crop_cases(), "jitter": jitter_cases(),
            "train": flip_and_crop_cases(), "decode": jpeg_files()})
