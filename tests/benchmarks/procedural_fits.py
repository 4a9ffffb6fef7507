"""Make Procedural on unseen seeds and on artists' meshes of known kinds, beside the model's mesh.

    python tests/benchmarks/procedural_fits.py FOLDER --sets SET... --each 4 --seeds 24 --run plain

FOLDER keeps what the model reconstructs from one picture of each object, so that runs of other
code or with other heads have the same input, and the answers of each run, so that a run goes on
where it ended. Of each kind the objects of the split test come first, then validation and train.
"""

import argparse
import pickle
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
from maquette.core.dataset.index import split_locations
from maquette.core.errors import DatasetError, ImageError, MeshError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.procedural import (
    ACCEPTED,
    PICTURE,
    SHAPE,
    answer_question,
    format_scores,
    picture_question,
    shape_question,
)
from maquette.core.model.inference import weights
from maquette.core.model.training.semantics.classes import family_of_name
from maquette.core.model.training.semantics.labels import family_of
from maquette.core.procedural.fitting.seed_index import ABSTRACT

KINDS = ("chair", "table", "bottle", "mug", "book", "house", "lamp", "car")
SEEDS = "seeds"
SPLITS = ("test", "validation", "train")


def chosen_objects(sets, each, seeds):
    """Objects as (group, location): some unseen seeds, and some meshes of each kind."""
    chosen = []
    by_kind = {kind: [] for kind in KINDS}
    for split in SPLITS:
        locations = []
        for folder in sets:
            try:
                locations += split_locations([folder], split)
            except DatasetError:  # it has none of this split
                continue
        locations.sort(key=lambda location: zlib.crc32(location.name.encode()))
        for location in locations:
            if location.name.startswith("procedural__"):
                family = location.name.removeprefix("procedural__").rpartition("_")[0]
                if split == "test" and family not in ABSTRACT:
                    chosen.append((SEEDS, location))
                continue
            kind = family_of_name(location.name)
            if kind in by_kind:
                by_kind[kind].append((kind, location))
    chosen = chosen[:seeds]
    for objects in by_kind.values():
        chosen += objects[:each]
    return chosen


def stored(path, make):
    """What a file holds; it is made first if it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        content = make()
        partial = path.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(content))
        partial.replace(path)
    return pickle.loads(path.read_bytes())


def questions_of(location, network, resolution):
    """The question from the exact shape and the question from a picture."""
    file = location.open_object()
    questions = []
    question = shape_question(file.record, file.read_shape())
    if question is not None:
        questions.append(question)
    try:
        questions.append(run_to_end(picture_question(file, network, resolution)))
    except (ImageError, MeshError) as error:
        print(f"{location.name}: {error}", flush=True)
    family = family_of(file.record)  # of a mesh by its name
    return [replace(question, family=family) for question in questions]


def answers_of(questions, heads):
    """The scores and fits of all questions."""
    answers = []
    for question in questions:
        try:
            answers.append(run_to_end(answer_question(question, heads)))
        except MeshError as error:
            print(f"{question.name}: {error}", flush=True)
    return answers


def print_groups(rows, families):
    """A table for each group, and how often a fit is accepted and of the right family."""
    for group in (SEEDS, "meshes"):
        members = [row for key, row in rows if (key == SEEDS) == (group == SEEDS)]
        if not members:
            continue
        print(f"\n{group}\n{format_scores(members)}")
        for question in (SHAPE, PICTURE):
            asked = [row for row in members if row.question == question]
            fitted = [row for row in asked if row.method == "fitted"]
            accepted = [row for row in asked if row.method == ACCEPTED]
            wrong = [
                f"{families[row.name]} as {row.family}"
                for row in accepted
                if row.family != families[row.name]
            ]
            share = len(accepted) / max(len(fitted), 1)
            print(
                f"{question}: {len(accepted)} of {len(fitted)} accepted ({share:.0%}), of another "
                f"family than the name says: {wrong}"
            )


def print_kinds(rows):
    """A line for each fit: what it agrees with, and how good it is."""
    fields = {(row.question, row.name): row for _, row in rows if row.method == "field"}
    for key, row in rows:
        if row.method != "fitted":
            continue
        field = fields.get((row.question, row.name))
        beside = f"field {field.iou:.3f} {field.f2:.3f}" if field else ""
        print(
            f"{row.question:8}{key:8}{row.name[-34:]:35}{row.family:16}sil {row.silhouette:.3f} "
            f"vol {row.volume:.3f} IoU {row.iou:.3f} F {row.f2:.3f} {row.seconds:5.1f} s {beside}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", type=Path, required=True)
    parser.add_argument("--each", type=int, default=4, help="meshes of each kind")
    parser.add_argument("--seeds", type=int, default=24, help="procedural objects")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--run", default="plain", help="name of the answers in FOLDER")
    parser.add_argument("--only", choices=(SHAPE, PICTURE), help="one of the two questions")
    parser.add_argument("--minutes", type=float, default=8.0)
    arguments = parser.parse_args()

    ends = time.monotonic() + 60 * arguments.minutes
    network, _ = weights.load_weights(None)
    rows = []
    families = {}
    for group, location in chosen_objects(arguments.sets, arguments.each, arguments.seeds):
        name = location.name
        answer_path = arguments.folder / arguments.run / f"{name}.pkl"
        if time.monotonic() > ends and not answer_path.exists():
            print("Out of time: run it again to go on")
            break
        questions = stored(
            arguments.folder / "questions" / f"{name}.pkl",
            lambda place=location: questions_of(place, network, arguments.resolution),
        )
        wanted = [each for each in questions if arguments.only in (None, each.kind)]
        answers = stored(answer_path, lambda some=wanted: answers_of(some, arguments.heads))
        for scores, _ in answers:
            rows += [(group, row) for row in scores]
        for question in questions:
            families[name] = question.family

    print_kinds(rows)
    print_groups(rows, families)
    seconds = [row.seconds for _, row in rows if np.isfinite(row.seconds)]
    print(f"longest search {max(seconds):.1f} s")


if __name__ == "__main__":
    main()
