"""Time the exact search in a library of a thousand to a million vectors, on one core.

taskset -c 1 python tests/benchmarks/library_search.py
"""

import argparse
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from maquette.core.library.search import Query, best_rows, score_assets

VIEWS = 12
RESULTS = 12


def unit_vectors(count, dimensions, rng):
    """Return random unit vectors (count, dimensions) float32."""
    vectors = rng.standard_normal((count, dimensions), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def time_search(vectors, query, rounds):
    """Return the least processor time of a search, seconds."""
    least = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        scores, _ = score_assets(vectors, query)
        best_rows(scores, RESULTS)
        least = min(least, time.process_time() - begun)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--dimensions", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    dimensions = arguments.dimensions
    image = Query(unit_vectors(1, dimensions, rng), "")
    mesh = Query(unit_vectors(VIEWS, dimensions, rng), "", is_mesh=True)
    print("vectors\tassets\tmemory MB\timage ms\tmesh ms")
    for count in arguments.counts:
        assets = max(1, count // VIEWS)
        stored = np.empty((assets, VIEWS, dimensions), np.float16)
        for row in range(assets):
            stored[row] = unit_vectors(VIEWS, dimensions, rng)
        times = [1000 * time_search(stored, query, arguments.rounds) for query in (image, mesh)]
        print(f"{count}\t{assets}\t{stored.nbytes / 1e6:.1f}\t{times[0]:.1f}\t{times[1]:.1f}")


if __name__ == "__main__":
    main()
