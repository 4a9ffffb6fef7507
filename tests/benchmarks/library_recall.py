"""Measure how often a library's search finds the right object, by other renders and by drawings.

    python tests/benchmarks/library_recall.py SET... [--splits validation test] [--limit 300]

The library is the objects of the sets' splits. Of the twelve views of each, eleven are its index,
and the last free one is searched by: as it was rendered, under another light than the others, and
as a line drawing of it. Rivals have the same views and the same score: pixels (32 x 32 gray and
mask), a histogram of colors, and the features of the trunk without a head. Prints recall@1 and @5
of each, also with the best view alone in place of the best view and a share of the mean.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
from maquette.core.library import search
from maquette.core.library.search import Query, score_assets
from maquette.core.model.evaluation.evaluate import sample_objects
from maquette.core.model.inference.meaning.embedding import embed_renders, load_embedder
from maquette.core.model.jobs.meaning import has_part
from maquette.core.model.training.semantics.retrieval_projection import line_drawing

GRAY_SIDE = 32  # pixels of the rival that compares pixels
LEVELS = 6  # of each channel of the rival that compares colors


def normalize(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def pixel_features(images):
    """Return unit vectors of small gray images and masks."""
    floats = torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2) / 255)
    gray = floats[:, :3].mean(1, keepdim=True) * floats[:, 3:]
    joined = torch.cat((gray, floats[:, 3:]), 1)
    small = torch.nn.functional.adaptive_avg_pool2d(joined, GRAY_SIDE).flatten(1)
    return normalize((small - small.mean(1, keepdim=True)).numpy())


def color_features(images):
    """Return unit vectors of the square roots of histograms of the object's colors."""
    levels = (images[..., :3].astype(int) * LEVELS // 256).clip(0, LEVELS - 1)
    cells = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    rows = []
    for cell, image in zip(cells, images, strict=True):
        weights = image[..., 3].ravel() / 255
        rows.append(np.bincount(cell.ravel(), weights, LEVELS**3))
    return normalize(np.sqrt(np.array(rows, np.float32)))


def recalls(gallery, queries):
    """Return recall@1 and recall@5 in (N, V, D) of queries (N, D), the right object in order."""
    ranks = []
    for row, query in enumerate(queries):
        scores, _ = score_assets(gallery, Query(query[None].astype(np.float32), ""))
        ranks.append((np.delete(scores, row) >= scores[row]).sum())
    ranks = np.array(ranks)
    return (ranks < 1).mean(), (ranks < 5).mean()


def read_views(sets, splits, limit):
    """Return the views (N, 12, S, S, 4) of the objects of splits."""
    objects = []
    for split in splits:
        for location in sample_objects(sets, split, limit):
            file = location.open_object()
            objects.append([file.read_color(view) for view in range(len(file.record.views))])
    return np.array([views for views in objects if len(views) == 12])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--splits", nargs="+", default=["validation", "test"])
    parser.add_argument("--limit", type=int, help="objects of each split")
    arguments = parser.parse_args()

    views = read_views(arguments.sets, arguments.splits, arguments.limit)
    rng = np.random.default_rng(0)
    drawings = np.array([line_drawing(image, rng) for image in views[:, -1]])
    print(f"{len(views)} objects")

    features = {"pixels": pixel_features, "colors": color_features}
    trunk = load_embedder("")
    features["trunk"] = lambda images: embed_renders(trunk, images)
    for part in ("retrieval", "heads"):
        if has_part(part):
            embedder = load_embedder(part)
            features[part] = partial(embed_renders, embedder)
    for name, feature in features.items():
        begun = time.process_time()
        vectors = np.stack([feature(asset) for asset in views])
        seconds = (time.process_time() - begun) / views[:, :, 0, 0, 0].size
        for weight in (search.MEAN_WEIGHT, 0.0):
            search.MEAN_WEIGHT = weight
            render = recalls(vectors[:, :-1], vectors[:, -1])
            drawing = recalls(vectors[:, :-1], feature(drawings))
            print(
                f"{name:8} mean x {weight}: renders {render[0]:.3f} {render[1]:.3f}, "
                f"drawings {drawing[0]:.3f} {drawing[1]:.3f}, {1000 * seconds:.1f} ms an image",
                flush=True,
            )
        search.MEAN_WEIGHT = 0.3


if __name__ == "__main__":
    main()
