"""Writes scipy.json: rank correlations by scipy for lists with and without ties.

    python scipy_reference.py > scipy.json
"""

import json

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(7)
cases = {
    "no ties": ([1, 2, 3, 4, 5], [3, 1, 2, 5, 4]),
    "reversed": ([5, 4, 3, 2, 1], [1, 2, 3, 4, 5]),
    "ties on both sides": ([1, 1, 2, 2, 3, 3, 4], [2, 1, 1, 3, 3, 4, 4]),
    "pairs tied on both sides": ([1, 2, 2, 3], [1, 2, 2, 3]),
    "fractions": ([0.3, 0.1, 0.1, 0.9, 0.5, 0.5, 0.5, 0.2], [0.2, 0.1, 0.4, 0.8, 0.8, 0.3, 0.8, 0]),
    "ties in x alone": ([0, 0, 0, 1, 1, 1], [0.5, 0.1, 0.9, 0.7, 0.2, 0.3]),
    "two pairs": ([1, 2], [2, 1]),
    "negative": ([-1.5, -3, 2, 0, -3], [4, 4, -1, 2, 3]),
}
x = rng.normal(size=40)
cases["noise"] = (x.round(6).tolist(), (x + rng.normal(size=40)).round(6).tolist())
x = rng.integers(0, 6, 60)
cases["heavy ties"] = (x.tolist(), (x + rng.integers(0, 4, 60)).tolist())

rows = []
for name, (x, y) in cases.items():
    case = {"name": name, "x": x, "y": y, "tau_b": stats.kendalltau(x, y).statistic, "spearman": stats.spearmanr(x, y).statistic,
            "mid_ranks": stats.rankdata(x).tolist()}
    if len(x) >= 10:
        interval = stats.bootstrap((x, y), lambda a, b: stats.kendalltau(a, b).statistic, paired=True, vectorized=False,
                                   n_resamples=20000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
        case["interval"] = {"low": interval.low, "high": interval.high}
    rows.append(" " + json.dumps(case))
print(f'{{"scipy": "{scipy.__version__}", "numpy": "{np.__version__}", "cases": [\n' + ",\n".join(rows) + "\n]}")
