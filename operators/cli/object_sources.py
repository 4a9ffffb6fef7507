"""The objects that ``maquette dataset`` renders, from its arguments."""

from __future__ import annotations

import argparse

import bpy

from ...core.console import print_line
from ...core.scene.datagen.dataset_folder import DatasetSettings
from ...core.scene.datagen.sources import (
    ObjectSource,
    file_sources,
    left_out_text,
    procedural_sources,
    scene_sources,
)
from ..render_dataset import parse_families


def object_sources(chosen: argparse.Namespace, settings: DatasetSettings) -> list[ObjectSource]:
    """Return the objects of mesh files and generators, or those of the open scene.

    Args:
        chosen: meshes, procedural, count and seed.
        settings: Of the set.
    """
    if not (chosen.meshes or chosen.procedural):
        objects = bpy.context.scene.objects
        return scene_sources(objects, settings.classes_from, settings.class_property)

    sources = file_sources(chosen.meshes) if chosen.meshes else []
    if chosen.procedural:
        text = "" if chosen.procedural == "all" else chosen.procedural
        families = parse_families(text)
        sources += procedural_sources(families, chosen.count, chosen.seed)

    return sources


def report_left_out(chosen: argparse.Namespace) -> None:
    """Print which mesh files are of kinds that are not supported."""
    text = left_out_text(chosen.meshes) if chosen.meshes else ""
    if text:
        print_line(f"{chosen.meshes}: {text}")
