"""Measure the worth of each part of the network, each image and each source of objects.

    python tests/benchmarks/ablations.py RUN --train MESHES PROCEDURAL \\
        --test MESHES PROCEDURAL --six MESHES PROCEDURAL

Small networks are trained alike. Each pair of training sets is of meshes and of procedural objects.
All networks see the same batches of the same number of objects of the split "train" for the same
number of steps, at half the sets' resolution. They are calibrated on the same objects of
"validation", and evaluated on the same objects of ``--test`` (split "test"), and those of several
images on ``--six``, which shows all six sides. Prints markdown: the IoU of each run, and the
differences on the same objects. A run whose scores ``RUN`` holds is not run again.
"""

import argparse
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
import variants
from maquette.core.model import metrics
from maquette.core.model.evaluation import evaluate
from maquette.core.model.inference.occupancy_field import expected_iou_threshold
from maquette.core.model.networks.reconstruction import NetworkConfig, ReconstructionNetwork
from maquette.core.model.training.calibration import calibrate_level
from maquette.core.model.training.config_file import TrainingConfig
from maquette.core.model.training.objects import load_object
from maquette.core.model.training.sampling.batches import (
    SamplingConfig,
    collate_samples,
    sample_object,
)
from maquette.core.model.training.sampling.placement import ViewQuery
from maquette.core.model.training.trainer import Trainer
from maquette.core.model.training.validation import object_logits

SIZES = NetworkConfig(
    picture=64,
    volume=12,
    pyramid=(48, 32),
    pixel_channels=24,
    fine_channels=12,
    depth_bins=8,
    bin_channels=8,
    volume_channels=(16, 32, 64),
    hidden=48,
    tube_channels=(128, 96, 64, 32),
    tube_depths=24,
)
SOURCES = ("meshes", "procedural")
MIXED = (0.5, 0.5)  # shares of the sources
# Name, network, shares of the sources, and the number of pictures, None for one, two and four.
RUNS = (
    ("ours", ReconstructionNetwork, MIXED, None),
    ("both from one picture, too", variants.Both, MIXED, None),
    ("pixel-aligned only", variants.PixelAligned, MIXED, None),
    ("volume only", variants.VolumeOnly, MIXED, None),
    ("global latent", variants.GlobalLatent, MIXED, None),
    ("voxels", variants.Voxels, MIXED, None),
    ("ours without procedural objects", ReconstructionNetwork, (1, 0), None),
    ("ours without meshes", ReconstructionNetwork, (0, 1), None),
    ("ours, one picture only", ReconstructionNetwork, MIXED, 1),
    ("ours, two pictures only", ReconstructionNetwork, MIXED, 2),
    ("ours, four pictures only", ReconstructionNetwork, MIXED, 4),
)
BATCHES = {
    1: (8, 0.45),
    2: (6, 0.25),
    4: (4, 0.3),
}  # objects of a batch and share of batches, by number of pictures
QUESTIONS = {
    "front": (1, False),
    "front+right": (2, False),
    "four sides": (4, False),
    "free": (1, True),
}
SIDES = {f"{count} of six sides": (count, False) for count in (1, 2, 3, 4, 6)}
_POINTS = 16384  # of each object judged
_VALIDATED = 32  # objects of each source


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder for objects, logs and scores")
    for name in ("--train", "--test", "--six"):
        parser.add_argument(
            name, nargs=2, type=Path, required=True, metavar=("MESHES", "PROCEDURAL")
        )
    parser.add_argument("--objects", type=int, default=600, help="to train on, in each run")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[name for name, *_ in RUNS],
        default=[name for name, *_ in RUNS],
    )
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    things = objects_of(arguments)
    for seed in arguments.seeds:
        for name, kind, shares, views in RUNS:
            path = arguments.run / f"{name} {seed}.json"
            if name in arguments.only and not path.exists():
                train = [
                    t
                    for source, share in zip(SOURCES, shares, strict=True)
                    for t in things["train"][source][: round(share * arguments.objects)]
                ]
                model = trained(kind, train, seed, arguments.steps, views, path)
                calibrate_level(
                    model, [t for source in SOURCES for t in things["validation"][source]]
                )
                scores = judged(model, things, kind is ReconstructionNetwork)
                path.write_text(json.dumps(scores))
                print(path.stem, *means(scores), flush=True)
    print(
        tables(
            {
                path.stem: json.loads(path.read_text())
                for path in sorted(arguments.run.glob("*.json"))
            }
        )
    )


def objects_of(arguments):
    """Return objects by part ("train", "validation", ...) and source, images at half the size."""
    kept = arguments.run / "objects.pkl"
    if not kept.exists():
        wanted = {
            "train": (arguments.train, "train", arguments.objects),
            "test": (arguments.test, "test", None),
            "validation": (arguments.train, "validation", _VALIDATED),
            "six": (arguments.six, "test", None),
        }
        loaded = {
            part: {
                source: [
                    small
                    for place in evaluate.sample_objects([folder], split, limit)
                    if (thing := load_object(place)) and shown(small := halved(thing))
                ]
                for source, folder in zip(SOURCES, folders, strict=True)
            }
            for part, (folders, split, limit) in wanted.items()
        }
        kept.write_bytes(pickle.dumps(loaded))
    return pickle.loads(kept.read_bytes())


def halved(thing):
    """``thing`` with pictures of half the size and at most ``_POINTS`` uniform points."""
    whole = np.stack(list(thing.color))
    views, height, width, _ = whole.shape
    cells = whole.reshape(views, height // 2, 2, width // 2, 2, 4).astype(np.float32)
    alpha = cells[..., 3:].mean((2, 4))
    color = (cells[..., :3] * cells[..., 3:]).mean((2, 4)) / np.maximum(alpha, 1)
    small = np.concatenate((color, alpha), axis=-1).round().clip(0, 255).astype(np.uint8)
    uniform, inside = thing.uniform[:_POINTS], thing.uniform_inside[:_POINTS]
    return replace(thing, color=small, uniform=uniform, uniform_inside=inside)


def shown(thing):
    """Return whether every view shows ``thing``: at half the size a thin one may have vanished."""
    return (np.asarray(thing.color)[..., 3] > 127).any((1, 2)).all()


def trained(kind, objects, seed, steps, views, path):
    """Return the moving average of a network of ``kind``; ``path`` keeps it and its losses."""
    config = TrainingConfig(steps=steps, warmup=50, seed=seed, ema_decay=0.99)
    trainer, kept = Trainer(config, SIZES, kind=kind), path.with_suffix(".pt")
    if kept.exists():
        trainer.load_checkpoint(kept)
    else:
        trainer.initialize_weights(None)
    lines = ["all,occupancy,colour,depth,up"]
    while trainer.step < steps:
        losses = trainer.train_step(batch(objects, seed, trainer.step, views))
        lines.append(",".join(f"{loss:.4f}" for loss in losses))
        if trainer.step % 50 == 0 or trainer.step == steps:
            path.with_suffix(".csv").write_text("\n".join(lines))
    if not kept.exists():
        trainer.save_checkpoint(kept)
    return trainer.averaged_model()


def batch(objects, seed, step, views):
    """Return the batch of ``step``, the same for all networks; of ``views``, or 1, 2 or 4."""
    rng = np.random.default_rng((seed, step))
    drawn = int(rng.choice(list(BATCHES), p=[share for _, share in BATCHES.values()]))
    views = views or drawn
    free = views == 1 and rng.random() < 0.6
    picked = rng.integers(0, len(objects), BATCHES[views][0])
    query = ViewQuery(views, bool(free))
    sampling = SamplingConfig(points=1024, color_points=64)
    samples = [sample_object(objects[index], query, rng, sampling) for index in picked]
    return collate_samples(samples)


@torch.inference_mode()
def judged(model, things, sides):
    """Return scores by measure, input and source; of one to six sides too if ``sides``.

    IoU at the levels of reconstruction, that of the visual hull, and "order": how likely a point
    inside has a larger logit than one outside, of those behind all masks (the area under the ROC
    curve), which needs no level.
    """
    asked = [("test", question, *how) for question, how in QUESTIONS.items()]
    asked += [("six", question, *how) for question, how in SIDES.items() if sides]
    scores = {}
    for part, question, views, free in asked:
        for source in SOURCES:
            for thing in things[part][source]:
                logits = object_logits(model, thing, ViewQuery(views, free))
                behind, inside = logits > -50, thing.uniform_inside
                level = expected_iou_threshold(logits[behind]) + (
                    float(model.threshold_shift) if views == 1 else 0
                )
                found = {
                    "iou": metrics.iou(logits > level, inside),
                    "hull": metrics.iou(behind, inside),
                    "order": order(logits[behind], inside[behind]),
                }
                for measure, value in found.items():
                    scores.setdefault(f"{measure}, {question}", {}).setdefault(source, []).append(
                        value
                    )
    return scores


def order(logits, inside):
    """The area under the ROC curve; NaN if there are not both points inside and points outside."""
    ranks = np.empty(len(logits))
    ranks[logits.argsort(kind="stable")] = np.arange(len(logits))
    ones, zeros = inside.sum(), (~inside).sum()
    return (
        float((ranks[inside].sum() - ones * (ones - 1) / 2) / (ones * zeros))
        if ones and zeros
        else float("nan")
    )


def values(scores, question, sources=SOURCES):
    return np.array([value for source in sources for value in scores[question][source]])


def means(scores):
    return [f"{question} {np.nanmean(values(scores, question)):.3f}" for question in scores]


def said(numbers, sign=""):
    """Mean and its standard error."""
    known = numbers[~np.isnan(numbers)]
    return f"{known.mean():{sign}.3f} ± {known.std(ddof=1) / np.sqrt(len(known)):.3f}"


def tables(runs):
    """Return scores by "name seed" as markdown: the runs, their differences, the sides."""
    seeds = {}
    for name, *_ in RUNS:
        found = {
            run.rpartition(" ")[2]: scores
            for run, scores in runs.items()
            if run.rpartition(" ")[0] == name
        }
        seeds |= {name: found} if found else {}
    first, *others = seeds

    def mean_of(name, column, like=None, sources=SOURCES):
        return np.mean(
            [values(seeds[name][seed], column, sources) for seed in seeds[like or name]], axis=0
        )

    def each(name, column):
        return "/".join(
            f"{np.nanmean(values(scores, column)):.3f}" for scores in seeds[name].values()
        )

    def table(title, measure, questions, names, cell):
        rows = [
            [name, *(cell(name, f"{measure}, {question}") for question in questions)]
            for name in names
        ]
        if measure == "iou" and first in names:
            rows.insert(
                0,
                [
                    "visual hull",
                    *(said(mean_of(first, f"hull, {question}")) for question in questions),
                ],
            )
        head = [
            "",
            title,
            "",
            "| | " + " | ".join(questions) + " |",
            "|---" * (len(questions) + 1) + "|",
        ]
        return head + ["| " + " | ".join(row) + " |" for row in rows]

    def of_all(name, column):
        return f"{said(mean_of(name, column))} ({each(name, column)})"

    lines = []
    for measure in ("iou", "order"):
        lines += table(
            f"{measure}: mean over objects, its standard error (each seed's)",
            measure,
            QUESTIONS,
            seeds,
            of_all,
        )
        for sources in (SOURCES, *((source,) for source in SOURCES)):

            def less(name, column, own=sources):
                return said(
                    mean_of(name, column, None, own) - mean_of(first, column, name, own), "+"
                )

            title = f"{measure} less that of {first}, same seeds and objects ({', '.join(sources)})"
            lines += table(title, measure, QUESTIONS, others, less)
        asked = [
            name
            for name in seeds
            if f"{measure}, {next(iter(SIDES))}" in next(iter(seeds[name].values()))
        ]
        lines += (
            table(f"{measure} by the number of pictures", measure, SIDES, asked, of_all)
            if asked
            else []
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
