"""Writes the numbers that nas/engine's optimizers and schedules are tested against, as torch computes them.

    python benchmarks/torch/optimizers_reference.py nas/engine/testdata/optimizers.json

Two tensors of 8 and 4 numbers are updated 6 times with given gradients in float64; the file holds the parameters
after each update. Some gradients exceed the clipping norm and some do not; one has zeros.
"""

import argparse

import torch

import compact
import fill

SIZES = [8, 4]
STEPS = 6
# Scales of the six gradients: their joint norms lie on both sides of the clipping norm 5.
SCALES = [1.0, 4.0, 0.05, 10.0, 2.0, 0.5]

OPTIMIZERS = [
    ("sgd plain", "sgd", dict(lr=0.1)),
    ("sgd weight decay", "sgd", dict(lr=0.1, weight_decay=3e-2)),
    ("sgd momentum", "sgd", dict(lr=0.025, momentum=0.9, weight_decay=3e-4)),
    ("sgd nesterov", "sgd", dict(lr=0.025, momentum=0.9, weight_decay=3e-4, nesterov=True)),
    ("sgd momentum clipped", "sgd", dict(lr=0.025, momentum=0.9, weight_decay=3e-4, clip_norm=5.0)),
    ("sgd momentum clipped cosine", "sgd", dict(lr=0.025, momentum=0.9, weight_decay=3e-4, clip_norm=5.0, cosine_to=0.001)),
    ("adam of DARTS", "adam", dict(lr=3e-4, betas=(0.5, 0.999), eps=1e-8, weight_decay=1e-3)),
    ("adam of FairDARTS", "adam", dict(lr=3e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-3)),
    ("adam without decay, large rate", "adam", dict(lr=0.1, betas=(0.9, 0.999), eps=1e-8)),
    ("adamw", "adamw", dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)),
    ("rmsprop eps 1", "rmsprop", dict(lr=0.05, alpha=0.9, eps=1.0, momentum=0.9, weight_decay=1e-5)),
    ("rmsprop eps 0.001", "rmsprop", dict(lr=0.05, alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=1e-5)),
    ("rmsprop without momentum", "rmsprop", dict(lr=0.05, alpha=0.99, eps=1e-8)),
]
CLASSES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
SCHEDULES = [("cosine of the search", 0.025, 0.001, 50), ("cosine to zero", 0.025, 0.0, 30)]


def flat(tensors):
    return torch.cat([t.detach().reshape(-1) for t in tensors]).tolist()


def gradients():
    rows = torch.stack([SCALES[i] * fill.symmetric(f"gradient.{i}", (sum(SIZES),)) for i in range(STEPS)])
    rows[2, ::3] = 0
    return rows


def run(kind, settings, initial, grads):
    settings = dict(settings)
    clip, cosine_to = settings.pop("clip_norm", None), settings.pop("cosine_to", None)
    params = [torch.nn.Parameter(t.clone()) for t in initial.split(SIZES)]
    optimizer = CLASSES[kind](params, **settings)
    schedule = None
    if cosine_to is not None:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, eta_min=cosine_to)
    after, rates, norms = [], [], []
    for row in grads:
        for p, g in zip(params, row.split(SIZES)):
            p.grad = g.clone()
        if clip is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(params, clip).item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
        after.append(flat(params))
    result = {"rates": rates, "params": after}
    if norms:
        result["norms_before_clipping"] = norms
    return result


def cosine(base, low, epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=low)
    rates = [base]
    for _ in range(epochs):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="JSON file to write")
    args = parser.parse_args()
    initial, grads = fill.symmetric("initial", (sum(SIZES),)), gradients()
    document = {
        "generator": "benchmarks/torch/optimizers_reference.py",
        "torch": torch.__version__,
        "notes": "float64; 12 numbers in two tensors; params[i] are the parameters after step i; rates[i] is the "
        "learning rate of step i; Adam's and RMSProp's decay is added to the gradient, AdamW's is decoupled; "
        "clip_norm scales all gradients by min(1, clip_norm/(norm+1e-6)); cosine_to anneals the rate over the 6 steps",
        "tensors": SIZES,
        "initial": initial.tolist(),
        "gradients": grads.tolist(),
        "optimizers": [
            {"name": name, "kind": kind, "settings": settings, **run(kind, settings, initial, grads)}
            for name, kind, settings in OPTIMIZERS
        ],
        "schedules": [
            {"name": name, "base": base, "low": low, "epochs": epochs, "rates": cosine(base, low, epochs)}
            for name, base, low, epochs in SCHEDULES
        ],
    }
    compact.write(args.output, document)


if __name__ == "__main__":
    main()
