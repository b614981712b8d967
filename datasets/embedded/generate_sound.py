"""Makes the parts of Speech Commands and ESC-10 that travel in the binary: python generate_sound.py DATA OUT.

DATA has speech_commands/ and esc10/ as the project's data folder does. Of speech the first 12 clips that train and the first
4 that test of each class in the order of their names are taken, of scenes the first clip of each class and fold.
"""
import csv, io, pathlib, sys, tarfile

data, out = map(pathlib.Path, sys.argv[1:])


def part(folder, name_of, key_of, most):
    source = data / folder
    rows = list(csv.DictReader(open(source / "index.csv", newline="")))
    taken, counts = [], {}
    for row in sorted(rows, key=name_of):
        key = key_of(row)
        if counts.get(key, 0) < most(row):
            counts[key] = counts.get(key, 0) + 1
            taken.append(row)
    (out / folder).mkdir(parents=True, exist_ok=True)
    with open(out / folder / "index.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(taken)
    with tarfile.open(source / "clips.tar") as clips, tarfile.open(out / folder / "clips.tar", "w", format=tarfile.USTAR_FORMAT) as made:
        for row in taken:
            member = clips.extractfile(name_of(row)).read()
            info = tarfile.TarInfo(name_of(row))
            info.size = len(member)
            made.addfile(info, io.BytesIO(member))


trains = lambda row: row["split"] != "test"
part("speech_commands", lambda r: r["path"], lambda r: (r["label"], trains(r)), lambda r: 12 if trains(r) else 4)
part("esc10", lambda r: r["file"], lambda r: (r["category"], r["fold"]), lambda r: 1)
