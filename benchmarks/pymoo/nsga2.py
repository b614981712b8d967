"""NSGA-II of pymoo on reference problems, timed: the yardstick of benchmarks/run -suite nsga2.

    python benchmarks/pymoo/nsga2.py --seed 1 --json

The operators are those of `gonas bench nsga2`: simulated binary crossover with probability 0.9 and index 15, polynomial
mutation of every variable with probability 1/variables and index 20, no duplicates.
"""

import argparse
import json
import resource
import time

import numpy as np
import pymoo
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.functions import is_compiled
from pymoo.indicators.hv import HV
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize
from pymoo.problems import get_problem

PROBLEMS = {
    "zdt1": lambda: get_problem("zdt1", n_var=30),
    "zdt2": lambda: get_problem("zdt2", n_var=30),
    "zdt3": lambda: get_problem("zdt3", n_var=30),
    "dtlz2": lambda: get_problem("dtlz2", n_var=12, n_obj=3),
}


def search(problem, population, generations, seed):
    algorithm = NSGA2(pop_size=population, crossover=SBX(prob=0.9, eta=15), mutation=PM(prob=1.0, eta=20), eliminate_duplicates=True)
    return minimize(problem, algorithm, ("n_gen", generations), seed=seed, verbose=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--generations", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs = []
    for name in args.problems.split(","):
        problem = PROBLEMS[name]()
        search(problem, args.population, 5, args.seed)  # what is imported and set up on first use
        start, cpu = time.perf_counter(), time.process_time()
        result = search(problem, args.population, args.generations, args.seed)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        hypervolume = HV(ref_point=np.full(problem.n_obj, 1.1))(result.F)
        runs.append({"problem": name, "evaluations": result.algorithm.evaluator.n_eval, "seconds": seconds, "cpu_s": cpu,
                     "hypervolume": float(hypervolume), "front": result.F.tolist()})
    version = f"pymoo {pymoo.__version__}, numpy {np.__version__}, {'compiled' if is_compiled() else 'interpreted'} modules"
    out = {"framework": "pymoo", "version": version, "seed": args.seed, "population": args.population, "generations": args.generations,
           "runs": runs, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if args.json:
        print(json.dumps(out))
        return
    for run in runs:
        print(f"{run['problem']}: {run['evaluations']} evaluations in {run['seconds']:.3f} s, hypervolume {run['hypervolume']:.5f}")


if __name__ == "__main__":
    main()
