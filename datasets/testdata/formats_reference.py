"""Makes testdata/formats: generated patterns in many formats and reference.json with what Pillow reads of them."""
import base64, io, json, pathlib, struct, zlib
import numpy as np
import PIL
from PIL import Image
from PIL.PngImagePlugin import PngInfo

out = pathlib.Path(__file__).parent / "formats"
rng = np.random.RandomState(7)
H, W = 9, 13
y, x = np.mgrid[0:H, 0:W]
smooth = np.stack([20 * x % 256, 25 * y % 256, (7 * x + 11 * y) % 256], -1).astype("uint8")
noise = rng.randint(0, 256, (H, W, 3)).astype("uint8")
im = Image.fromarray(smooth)
large = Image.fromarray(rng.randint(0, 256, (8, 12, 3)).astype("uint8")).resize((50, 37), Image.BICUBIC)
files = {}


def save(name, image, fmt, **how):
    b = io.BytesIO()
    image.save(b, fmt, **how)
    files[name] = b.getvalue()


def png(w, h, bits, colour, raw, extra=b""):
    def chunk(t, d):
        return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, 0)) + extra +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


save("lossless.webp", im, "WEBP", lossless=True)
save("alpha.webp", Image.fromarray(rng.randint(0, 256, (H, W, 4)).astype("uint8")), "WEBP", lossless=True, exact=True)
save("lossy.webp", large, "WEBP", quality=80)
save("lossy_alpha.webp", Image.merge("RGBA", [*large.split(), large.split()[0]]), "WEBP", quality=70)
save("pixel.webp", im.crop((0, 0, 1, 1)), "WEBP", quality=80)
save("odd.webp", im.crop((0, 0, 5, 3)), "WEBP", quality=90)
save("rgb.bmp", im, "BMP")
save("grey.bmp", im.convert("L"), "BMP")
save("palette.bmp", im.quantize(16), "BMP")
save("bits.bmp", im.convert("1"), "BMP")
save("alpha.bmp", im.convert("RGBA"), "BMP")
for how in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    save("rgb_%s.tiff" % (how or "plain"), im, "TIFF", compression=how)
save("grey.tiff", im.convert("L"), "TIFF")
save("palette.tiff", im.quantize(16), "TIFF")
save("bits.tiff", im.convert("1"), "TIFF")
save("jpeg.tiff", im, "TIFF", compression="jpeg")
save("fax.tiff", im.convert("1"), "TIFF", compression="group4")
save("cmyk.tiff", im.convert("CMYK"), "TIFF")
save("alpha.tiff", Image.fromarray(rng.randint(0, 256, (H, W, 4)).astype("uint8")), "TIFF")
deep = Image.fromarray(rng.randint(0, 600, (H, W)).astype("uint16"))
save("grey16.tiff", deep, "TIFF")
save("grey16.png", deep, "PNG")
save("palette.gif", im.quantize(32), "GIF")
save("transparent.gif", im.quantize(16), "GIF", transparency=3)
save("two.gif", im.quantize(16), "GIF", save_all=True, append_images=[Image.fromarray(noise).quantize(16)])
save("rgb.ppm", im, "PPM")
save("grey.pgm", im.convert("L"), "PPM")
save("bits.pbm", im.convert("1"), "PPM")
save("grey16.pgm", deep, "PPM")
v = rng.randint(0, 101, (H, W, 3))
files["hundred.ppm"] = b"P6\n# largest value 100\n%d %d\n100\n" % (W, H) + v.astype("uint8").tobytes()
files["text.ppm"] = b"P3 %d %d 100\n" % (W, H) + " ".join(map(str, v.ravel())).encode()
files["text.pgm"] = b"P2 %d %d 100 " % (W, H) + " ".join(map(str, v[..., 0].ravel())).encode()
files["text.pbm"] = b"P1 %d %d\n" % (W, H) + "".join(map(str, (v[..., 0] > 50).astype(int).ravel())).encode()
files["rgb16.ppm"] = b"P6 %d %d 65535\n" % (W, H) + rng.randint(0, 65536, (H, W, 3)).astype(">u2").tobytes()
files["rgb16.png"] = png(W, H, 16, 2, b"".join(b"\0" + r.tobytes() for r in rng.randint(0, 65536, (H, W, 3)).astype(">u2")))
files["grey_alpha16.png"] = png(W, H, 16, 4, b"".join(b"\0" + r.tobytes() for r in rng.randint(0, 65536, (H, W, 2)).astype(">u2")))
files["grey16_transparent.png"] = png(3, 1, 16, 0, b"\0" + np.array([0, 200, 40000], ">u2").tobytes(),
                                      struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", 200) + struct.pack(">I", zlib.crc32(b"tRNS" + struct.pack(">H", 200))))
info = PngInfo()
info.add_text("a", "b")
b = io.BytesIO()
im.quantize(16).save(b, "PNG", pnginfo=info)
whole = b.getvalue()
at = 8
while at < len(whole):
    n, = struct.unpack(">I", whole[at:at + 4])
    kind = whole[at + 4:at + 8].decode()
    files["checksum_%s.png" % kind] = whole[:at + 8 + n] + bytes(4) + whole[at + 12 + n:]
    if kind == "IEND":
        files["without_end.png"] = whole[:at]
    at += 12 + n
files["cut.png"] = whole[:len(whole) - 60]
b = io.BytesIO()
large.save(b, "JPEG", quality=80, restart_marker_blocks=2)
j = b.getvalue()
files["restarts.jpg"] = j
at = [i for i in range(len(j) - 1) if j[i] == 0xff and 0xd0 <= j[i + 1] <= 0xd7]
files["restart_missing.jpg"] = j[:at[3]] + j[at[3] + 2:]
files["restarts_missing.jpg"] = bytes(b for i, b in enumerate(j) if i not in at and i - 1 not in at)
# Chroma of more samples than luma: the factors of the second component become 2.
b = io.BytesIO()
large.save(b, "JPEG", quality=80, subsampling=0)
j = bytearray(b.getvalue())
sof = j.index(b"\xff\xc0")
j[sof + 14] = 0x21
files["odd_sampling.jpg"] = bytes(j)
for name in ("rgb.ppm", "text.ppm", "rgb.bmp", "rgb_plain.tiff", "palette.gif", "lossy.webp", "grey16.pgm"):
    files["cut_" + name] = files[name][:len(files[name]) * 3 // 5]
files["cut.jpg"] = files["restarts.jpg"][:-40]

reference = {"pillow": PIL.__version__, "images": []}
for name, data in sorted(files.items()):
    (out / name).write_bytes(data)
    entry = {"file": name}
    try:
        opened = Image.open(io.BytesIO(data))
        entry["mode"] = opened.mode
        a = np.array(opened.convert("RGB"))
        entry.update(size=list(a.shape[:2]), pixels=base64.b64encode(a.tobytes()).decode())
    except Exception as e:
        entry["error"] = type(e).__name__
    reference["images"].append(entry)
(out / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
