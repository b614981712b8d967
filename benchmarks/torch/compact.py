"""JSON for reference files: one line for each list of plain values, so that a difference between versions can be read."""

import json
import os


def dumps(value, digits=None, indent=0):
    """Like json.dumps(indent=1); digits rounds floats to that many significant digits (None: exact)."""
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(k)}: {dumps(v, digits, indent + 1)}" for k, v in value.items())
        return "{" + pad + ("," + pad).join(items) + pad[:-1] + "}"
    if isinstance(value, (list, tuple)):
        if not any(isinstance(v, (dict, list, tuple)) for v in value):
            return "[" + ", ".join(dumps(v, digits) for v in value) + "]"
        return "[" + pad + ("," + pad).join(dumps(v, digits, indent + 1) for v in value) + pad[:-1] + "]"
    if isinstance(value, float) and digits is not None:
        value = float(f"{value:.{digits}g}")
    return json.dumps(value, allow_nan=False)


def write(path, document, digits=None):
    """Writes document to path, whole or not at all."""
    temporary = f"{path}.tmp"
    with open(temporary, "w") as f:
        f.write(dumps(document, digits) + "\n")
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)
