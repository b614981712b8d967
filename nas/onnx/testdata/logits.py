"""Reads an ONNX file and a file of float32 as its input, checks the former and writes the logits that onnxruntime gives."""
import sys

import numpy
import onnx
import onnxruntime

model, values, out = sys.argv[1:]
onnx.checker.check_model(onnx.load(model), full_check=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
first = session.get_inputs()[0]
inputs = numpy.fromfile(values, dtype="<f4").reshape(first.shape)
session.run(None, {first.name: inputs})[0].astype("<f4").tofile(out)
