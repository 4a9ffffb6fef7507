"""Measure how often a library's search finds the right object, and how often its rivals do.

    python tests/benchmarks/library_recall.py SET... --hdri FOLDER --cache FOLDER
        [--projection FILE] [--heads FILE...] [--splits validation test] [--limit N] [--most N]

Objects of the splits are searched for: in libraries of 300 of them, and in one of all of them and
the training objects of the sets, which only distract. Of the twelve views of each object, eleven
are its index, and the last free one is searched by: as it was rendered, under another light than
the others; as a line drawing; and as a photograph before a background, with the true mask and with
the mask that the background removal finds. Prints recall@1 and @5 of each.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest  # noqa: F401  makes the package maquette
from library_features import KINDS, VIEWS, Summaries, object_summaries, rivals
from maquette.core.dataset.index import ObjectLocation
from maquette.core.dataset.splits import group_duplicates
from maquette.core.library.search import MEAN_WEIGHT
from maquette.core.model.evaluation.evaluate import sample_objects
from maquette.core.model.photo_compositing import held_out_panorama
from maquette.core.scene.rendering.hdri import hdri_files, read_panoramas

LIBRARY = 300  # objects of a small library


@dataclass(frozen=True)
class Objects:
    """The objects that are searched for, and those that only distract.

    Attributes:
        queries: Locations of the first.
        distractors: Locations of the others.
    """

    queries: list[ObjectLocation]
    distractors: list[ObjectLocation]


def choose_objects(sets, splits, limit):
    """Return the objects; of those with one name, or of one shape, none distracts."""
    queries = _by_name(sets, splits, limit)
    distractors = _by_name(sets, ["train"], None)
    records = {}
    for name, location in {**distractors, **queries}.items():
        records[name] = location.read_record().fingerprint
    dropped = set(queries)
    for group in group_duplicates(records):
        if not set(group).isdisjoint(queries):
            dropped.update(group)
    kept = [location for name, location in distractors.items() if name not in dropped]
    return Objects(list(queries.values()), kept)


def _by_name(sets, splits, limit):
    """Return the objects of splits by their names; the first set with a name has it."""
    locations = {}
    for split in splits:
        for location in sample_objects(sets, split, limit):
            locations.setdefault(location.name, location)
    return locations


def read_vectors(locations, panoramas, cache, features):
    """Return the vectors (N, B, D) of objects by the names of what makes them.

    Args:
        locations: Of the objects.
        panoramas: Backgrounds; empty for objects that only distract.
        cache: Folder of summaries.
        features: Functions by name.
    """
    rows = {name: [] for name in features}
    for number, location in enumerate(locations):
        summaries: Summaries | None = object_summaries(location, panoramas, cache)
        if number % 100 == 0:
            print(f"{number} of {len(locations)}", file=sys.stderr, flush=True)
        if summaries is None:
            continue
        for name, feature in features.items():
            vectors = feature(summaries) * summaries.is_shown[:, None]
            rows[name].append(vectors.astype(np.float32))
    return {name: np.array(vectors) for name, vectors in rows.items()}


def asset_scores(gallery, queries, weight):
    """Return the scores (Q, N) of assets (N, V, D), as ``core.library.search`` has them."""
    count, views, dimensions = gallery.shape
    cosines = (queries @ gallery.reshape(-1, dimensions).T).reshape(-1, count, views)
    return (cosines.max(axis=2) + weight * cosines.mean(axis=2)) / (1 + weight)


def ranks_of_right(scores, right):
    """Return how many assets come before or with the right one (Q,) in scores (Q, N)."""
    own = scores[np.arange(len(scores)), right][:, None]
    return (scores >= own).sum(axis=1) - 1


def small_library_ranks(gallery, queries, weight):
    """Return the ranks of all queries (Q, D), each in a library of about 300 of the objects."""
    count = max(1, round(len(queries) / LIBRARY))
    order = np.random.default_rng(0).permutation(len(queries))
    ranks = np.zeros(len(queries), int)
    for part in np.array_split(order, count):
        scores = asset_scores(gallery[part], queries[part], weight)
        ranks[part] = ranks_of_right(scores, np.arange(len(part)))
    return ranks


def recall(ranks):
    """Return recall@1 and recall@5 as text."""
    return f"{(ranks < 1).mean():.3f} / {(ranks < 5).mean():.3f}"


def print_table(searched, distracting):
    """Print a line for each rival and weight: recall in small libraries, and among all.

    Args:
        searched: Vectors (N, 16, D) of the objects that are searched for, by rival.
        distracting: Vectors (M, 12, D) of the others.
    """
    for name, vectors in searched.items():
        gallery = vectors[:, : VIEWS - 1]
        whole = np.concatenate((gallery, distracting[name][:, : VIEWS - 1]))
        for weight in (MEAN_WEIGHT, 0.0):
            small = []
            large = []
            for kind in range(len(KINDS)):
                queries = vectors[:, VIEWS - 1 + kind]
                small.append(recall(small_library_ranks(gallery, queries, weight)))
                scores = asset_scores(whole, queries, weight)
                large.append(recall(ranks_of_right(scores, np.arange(len(queries)))))
            cells = " | ".join((*small, *large))
            print(f"| {name}, mean x {weight} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--splits", nargs="+", default=["validation", "test"])
    parser.add_argument("--limit", type=int, help="objects of each split")
    parser.add_argument("--most", type=int, help="training objects that distract (all)")
    parser.add_argument("--hdri", type=Path, help="folder of backgrounds (Blender's)")
    parser.add_argument("--cache", type=Path, required=True, help="folder of what is kept")
    parser.add_argument("--projection", type=Path, help="weights of meaning with a projection")
    parser.add_argument("--heads", type=Path, nargs="+", default=[], help="weights with heads")
    arguments = parser.parse_args()

    objects = choose_objects(arguments.sets, arguments.splits, arguments.limit)
    panoramas = held_out_panorama(read_panoramas(hdri_files(arguments.hdri)))
    features = rivals(arguments.heads, arguments.projection)
    searched = read_vectors(objects.queries, panoramas, arguments.cache, features)
    distractors = objects.distractors[: arguments.most]
    distracting = read_vectors(distractors, [], arguments.cache, features)

    count = len(searched["pixels"])
    total = count + len(distracting["pixels"])
    print(f"{count} objects are searched for, in libraries of about {LIBRARY} and of {total}")
    print(f"| recall@1 / @5 | {' | '.join(2 * KINDS)} |")
    print_table(searched, distracting)


if __name__ == "__main__":
    main()
