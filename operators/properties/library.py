"""The library that is searched, and what was found: ``scene.maquette.library`` and more.

The settings are of the scene. What was found is of the window manager
(``window_manager.maquette_library``), so that it is neither saved nor undone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...core.library.records import AssetName
from ...core.library.search import Match
from .paths import file_property, folder_property

# Shared with the operators.
SOURCE = {
    "name": "Library",
    "description": "Where to search",
    "items": (
        (
            'ASSETS',
            "Asset Libraries",
            "Objects and collections that are marked as assets, in the asset libraries of "
            "Blender's preferences",
        ),
        (
            'FOLDER',
            "Folder",
            "Mesh files of a folder and those below it (.blend, .glb, .gltf, .obj, .ply, .stl). Of "
            ".blend files the marked assets, or all if there are none",
        ),
        ('COLLECTION', "Collection", "Objects of a collection of this file, with their children"),
    ),
}
ASSET_LIBRARY = {
    "name": "Asset Library",
    "description": "Name of an asset library of Blender's preferences. Leave empty for all",
}
FOLDER = ("Library Folder", "Folder of mesh files")
INDEX_FILE = (
    "Index File",
    "File that holds what is known of the library. Leave empty for one in Maquette's user folder",
)
QUERY = {
    "name": "Search by",
    "description": "What to search by",
    "items": (
        ('IMAGE', "Image", "An image of an object. The background is removed automatically"),
        (
            'DRAWING',
            "Drawing",
            "A drawing of an object: everything within its outline is the object",
        ),
        ('MESH', "Selected Mesh", "The active object with its children"),
    ),
}
USE_REGION = {
    "name": "Part of the Image",
    "description": "Search by a part of the image",
    "default": False,
}
COUNT = {
    "name": "Results",
    "description": "Number of assets that are shown, best first",
    "default": 12,
    "min": 1,
    "max": 100,
}
LINK = {
    "name": "Link",
    "description": "Keep the asset in its file, so that it follows changes there. Only for marked "
    "assets of .blend files",
    "default": False,
}
_SHARE = {"min": 0.0, "max": 1.0, "subtype": 'FACTOR'}
LEFT = {"name": "Left", "description": "Left edge, as a share of the width", "default": 0.0}
TOP = {"name": "Top", "description": "Upper edge, as a share of the height", "default": 0.0}
RIGHT = {"name": "Right", "description": "Right edge, as a share of the width", "default": 1.0}
BOTTOM = {"name": "Bottom", "description": "Lower edge, as a share of the height", "default": 1.0}
REGION = {"left": LEFT, "top": TOP, "right": RIGHT, "bottom": BOTTOM}
for _edge in REGION.values():
    _edge.update(_SHARE)


class MaquetteLibrary(bpy.types.PropertyGroup):
    """The library and the query of the panel."""

    source: EnumProperty(**SOURCE)
    library: StringProperty(**ASSET_LIBRARY)
    folder: folder_property(*FOLDER)
    collection: PointerProperty(
        name="Collection",
        description="Collection whose objects are searched",
        type=bpy.types.Collection,
    )
    index_file: file_property(*INDEX_FILE)
    query: EnumProperty(**QUERY)
    use_region: BoolProperty(**USE_REGION)
    left: FloatProperty(**LEFT)
    top: FloatProperty(**TOP)
    right: FloatProperty(**RIGHT)
    bottom: FloatProperty(**BOTTOM)
    count: IntProperty(**COUNT)
    link: BoolProperty(**LINK)

    def apply_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set which library the operator behind ``button`` uses."""
        for name in ("source", "library", "folder", "index_file"):
            setattr(button, name, getattr(self, name))
        button.collection = self.collection.name if self.collection else ""

    def apply_query_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set what the operator behind ``button`` searches by."""
        for name in ("query", "use_region", "left", "top", "right", "bottom", "count"):
            setattr(button, name, getattr(self, name))


class MaquetteMatch(bpy.types.PropertyGroup):
    """A found asset: ``name`` is its own; the rest is where it is, and how well it fits."""

    index_file: StringProperty()
    row: IntProperty()
    file: StringProperty()
    kind: StringProperty()
    members: StringProperty()  # JSON
    score: FloatProperty()
    turn: FloatProperty()

    def set_match(self, match: Match) -> None:
        """Take over a match of a search."""
        self.name = match.entry.asset.name
        self.index_file = str(match.index)
        self.row = match.row
        self.file = str(match.file) if match.file else ""
        self.kind = match.entry.asset.kind
        self.members = json.dumps(match.entry.asset.members)
        self.score = match.score
        self.turn = match.turn

    def asset(self) -> AssetName:
        """Return where the asset is in its file."""
        return AssetName(self.kind, self.name, tuple(json.loads(self.members)))

    def path(self) -> Path | None:
        """Return the file of the asset; None for a scene that was not saved."""
        return Path(self.file) if self.file else None


class MaquetteMatches(bpy.types.PropertyGroup):
    """What was found, best first; ``name`` is that of the query."""

    matches: CollectionProperty(type=MaquetteMatch)
    image: StringProperty()

    def set_matches(self, name: str, image: str, matches: Sequence[Match]) -> None:
        """Replace what was found.

        Args:
            name: Of the query.
            image: Name of the image that was searched by; empty for none.
            matches: Best first.
        """
        self.name = name
        self.image = image
        self.matches.clear()
        for match in matches:
            self.matches.add().set_match(match)


_register, _unregister = bpy.utils.register_classes_factory(
    (MaquetteLibrary, MaquetteMatch, MaquetteMatches)
)


def register() -> None:
    """Register the settings, and what was found as ``WindowManager.maquette_library``."""
    _register()
    bpy.types.WindowManager.maquette_library = PointerProperty(type=MaquetteMatches)


def unregister() -> None:
    """Remove them."""
    del bpy.types.WindowManager.maquette_library
    _unregister()
