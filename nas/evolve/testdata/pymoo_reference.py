"""Writes pymoo.json: hypervolumes, fronts, crowding distances and values of the reference problems by pymoo.

    python pymoo_reference.py > pymoo.json
"""

import json

import numpy as np
import pymoo
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
from pymoo.problems import get_problem
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

rng = np.random.default_rng(5)
hypervolumes, sorts, crowding, problems = [], [], [], []
for objectives in (2, 3):
    for n in (1, 2, 7, 30, 120):
        points = rng.random((n, objectives)).round(3) * 1.2
        hypervolumes.append({"points": points.tolist(), "hypervolume": float(HV(ref_point=np.ones(objectives))(points))})
    points = rng.integers(0, 6, (40, objectives)).astype(float)
    sorts.append({"points": points.tolist(), "fronts": [sorted(f.tolist()) for f in NonDominatedSorting().do(points)]})
    sphere = np.abs(rng.normal(size=(20, objectives)))
    sphere = (sphere / np.linalg.norm(sphere, axis=1, keepdims=True)).round(6)
    # pymoo's is the mean over the objectives, the paper's the sum; -1 stands for infinity.
    distance = calc_crowding_distance(sphere) * objectives
    crowding.append({"points": sphere.tolist(), "distances": np.where(np.isinf(distance), -1, distance).tolist()})
for name, problem in {"zdt1": get_problem("zdt1", n_var=30), "zdt2": get_problem("zdt2", n_var=30), "zdt3": get_problem("zdt3", n_var=30),
                      "dtlz2": get_problem("dtlz2", n_var=12, n_obj=3)}.items():
    x = rng.random((5, problem.n_var)).round(4)
    problems.append({"name": name, "x": x.tolist(), "values": problem.evaluate(x, return_values_of=["F"]).tolist()})


def lines(rows):
    return "[\n" + ",\n".join("  " + json.dumps(r) for r in rows) + "\n ]"


print(f'{{"pymoo": "{pymoo.__version__}", "numpy": "{np.__version__}",\n "hypervolumes": {lines(hypervolumes)},\n "sorts": {lines(sorts)},\n'
      f' "crowding": {lines(crowding)},\n "problems": {lines(problems)}}}')
