"""How photographs are solved: as the panel keeps it, and what the last run left out."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
from bpy.props import BoolProperty, CollectionProperty, PointerProperty, StringProperty

from ...core.console import printable
from ...core.photogrammetry.records import LeftOut
from ...core.scene.compat import PATH_OPTIONS

FOLDER = {
    "name": "Folder",
    "description": "Folder of photographs of one still object from many sides, 12 to 24 "
    "in the order in which you walked around it, or a movie of the walk. "
    "Twice as many take about four times the time to match",
    "subtype": 'FILE_PATH',  # its browser accepts a folder as well
}
FILES = {
    "name": "Files",
    "description": "Names of the photographs in the folder, in the order of the walk: "
    "[{\"name\": \"1.jpg\"}]. Empty: all, in natural order",
    "options": {'SKIP_SAVE'},
}
CAMERAS = {
    "name": "Cameras",
    "description": "Cameras of the photographs that another program solved, used instead of "
    "solving: the folder of a COLMAP model, transforms.json, Meshroom's cameras.sfm, or a _par.txt "
    "of Middlebury. Photographs are matched by name",
    "subtype": 'FILE_PATH',
}
CHECK_OUTLINES = {
    "name": "Check Outlines",
    "description": "Refuse cameras that do not agree with the object's outlines, where the "
    "photographs have transparency or a plain background: sides that look alike give wrong "
    "cameras otherwise. Takes a second",
    "default": True,
}
MAKE_MESH = {
    "name": "Make Mesh",
    "description": "Measure depth in the photographs, and make a closed mesh of the object with "
    "the photographs' colors. Needs PyTorch. Takes about as long as the cameras",
    "default": True,
}
DETAIL = {
    "name": "Detail",
    "description": "Grid cells along the object's longest side, of which the mesh is made. "
    "Time and memory grow with its square to cube",
    "default": 176,
    "min": 32,
    "max": 400,
}
FRAMES = {
    "name": "Frames",
    "description": "Into how many parts a movie is divided, of each of which the sharpest frame "
    "is used. Twice as many take about four times the time to match",
    "default": 40,
    "min": 3,
    "max": 200,
}
REAL_SIZE = {
    "name": "Size",
    "description": "Length of the object's longest side in meters, as you measure it. "
    "Photographs do not show how large an object is. Costs nothing",
    "default": 1.0,
    "min": 0.001,
    "max": 10000.0,
    "soft_min": 0.01,
    "soft_max": 100.0,
    "unit": 'LENGTH',
}
LENGTH = {
    "name": "Length",
    "description": "Distance of two points of the object as you measured it, by which all that was "
    "solved is scaled",
    "default": 1.0,
    "min": 0.0001,
    "max": 100000.0,
    "soft_min": 0.01,
    "soft_max": 100.0,
    "unit": 'LENGTH',
}


class MaquetteLeftOut(bpy.types.PropertyGroup):
    """A photograph without a camera: its name is that of the file."""

    path: StringProperty(name="File", description="The photograph's file", options={'HIDDEN'})
    reason: StringProperty(name="Reason", description="Why this photograph has no camera")


class MaquettePhotographs(bpy.types.PropertyGroup):
    """``scene.maquette_photographs``."""

    folder: StringProperty(**FOLDER, options=set(PATH_OPTIONS))
    cameras: StringProperty(**CAMERAS, options=set(PATH_OPTIONS))
    size: bpy.props.FloatProperty(**REAL_SIZE)
    check_outlines: BoolProperty(**CHECK_OUTLINES)
    make_mesh: BoolProperty(**MAKE_MESH)
    detail: bpy.props.IntProperty(**DETAIL)
    length: bpy.props.FloatProperty(**LENGTH)
    frames: bpy.props.IntProperty(**FRAMES)
    summary: StringProperty(name="Summary", description="What the last run found")
    left_out: CollectionProperty(
        name="Left Out",
        description="Photographs of the last run without a camera",
        type=MaquetteLeftOut,
    )


def add_left_out(settings: MaquettePhotographs, entries: Iterable[LeftOut]) -> None:
    """List the photographs without a camera instead of those of the run before."""
    settings.left_out.clear()
    for entry in entries:
        item = settings.left_out.add()
        item.name = printable(entry.path.name)
        item.path = printable(str(entry.path))
        item.reason = printable(entry.reason)


_register, _unregister = bpy.utils.register_classes_factory((MaquetteLeftOut, MaquettePhotographs))


def register() -> None:
    """Register the classes, and the settings of scenes."""
    _register()
    bpy.types.Scene.maquette_photographs = PointerProperty(type=MaquettePhotographs)


def unregister() -> None:
    """Undo :func:`register`."""
    del bpy.types.Scene.maquette_photographs
    _unregister()
