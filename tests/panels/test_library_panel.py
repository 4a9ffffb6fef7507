"""What the panel Library draws, into a layout that records."""

from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.library.records import OBJECT, AssetEntry, AssetName
from maquette.core.library.search import Match


class Layout:
    """Records what is drawn, and whether it is enabled; folds are open."""

    def __init__(self, drawn):
        self.drawn = drawn
        self.enabled = True

    def _part(self, *_, **__):
        return Layout(self.drawn)

    row = column = box = grid_flow = _part

    def panel(self, identifier, default_closed=False):
        return Layout(self.drawn), Layout(self.drawn)

    def label(self, text="", **_):
        self.drawn.append(("label", text, True))

    def prop(self, data, name, **_):
        assert name in data.bl_rna.properties
        self.drawn.append(("prop", name, True))

    def prop_search(self, data, name, source, collection, **_):
        assert name in data.bl_rna.properties and collection in source.bl_rna.properties
        self.drawn.append(("prop", name, True))

    def template_ID(self, data, name, **_):  # noqa: N802 Blender's name
        self.drawn.append(("image", name, True))

    def template_icon(self, icon_value, **_):
        self.drawn.append(("icon", icon_value > 0, True))

    def operator(self, identifier, text="", **_):
        properties = SimpleNamespace()
        self.drawn.append((identifier, text, self, properties))
        return properties


@pytest.fixture
def draw(addon, monkeypatch):
    """Returns a function that draws the panel, and returns all and the buttons by operator."""
    from maquette.panels import library

    monkeypatch.setattr(library, "draw_missing", lambda layout, panel: False)

    def run():
        drawn = []
        panel = SimpleNamespace(draw_progress=lambda layout: None)
        library.MAQUETTE_PT_library.draw_content(panel, Layout(drawn), bpy.context)
        buttons = {}
        for entry in drawn:
            if entry[0].startswith("maquette."):
                buttons.setdefault(entry[0], []).append(entry)
        return drawn, buttons

    return run


def test_the_buttons_have_all_properties_of_their_operators(draw):
    _, buttons = draw()
    for name in ("maquette.index_library", "maquette.find_similar"):
        rna = getattr(bpy.ops.maquette, name.removeprefix("maquette.")).get_rna_type()
        _, _, _, properties = buttons[name][0]
        assert {"source", "library", "folder", "collection", "index_file"} <= vars(
            properties
        ).keys()
        assert vars(properties).keys() <= set(rna.properties.keys())


def test_it_can_be_pressed_once_there_is_a_library_and_a_query(draw):
    settings = bpy.context.scene.maquette.library
    settings.source = 'FOLDER'
    _, buttons = draw()
    assert not buttons["maquette.index_library"][0][2].enabled
    settings.folder = "/models"
    _, buttons = draw()
    assert buttons["maquette.index_library"][0][2].enabled
    assert not buttons["maquette.find_similar"][0][2].enabled
    bpy.context.scene.maquette.image = bpy.data.images.new("shown", 8, 8)
    _, buttons = draw()
    assert buttons["maquette.find_similar"][0][2].enabled


def test_a_mesh_is_searched_by_once_one_is_active(draw):
    settings = bpy.context.scene.maquette.library
    settings.source = 'FOLDER'
    settings.folder = "/models"
    settings.query = 'MESH'
    drawn, buttons = draw()
    assert ("label", "Select an object", True) in drawn
    assert not buttons["maquette.find_similar"][0][2].enabled
    bpy.ops.mesh.primitive_cube_add()
    _, buttons = draw()
    assert buttons["maquette.find_similar"][0][2].enabled


def test_what_was_found_is_drawn_with_its_score_and_a_button(draw):
    from maquette.operators.library import find_similar

    index = Path("/index.npz")
    matches = []
    for row, name in enumerate(("chair", "stool")):
        entry = AssetEntry("id", "a.blend", AssetName(OBJECT, name))
        match = Match(index, row, entry, Path("/a.blend"), 0.9 - row / 10, 1, 0.5)
        matches.append(match)
        find_similar._thumbnails[str(index), row] = np.full((8, 8, 4), 255, np.uint8)
    bpy.context.window_manager.maquette_library.set_matches("photo", "", matches)
    bpy.context.scene.maquette.library.link = True

    drawn, buttons = draw()
    assert ("label", "0.90", True) in drawn and ("label", "0.80", True) in drawn
    assert [entry[1] for entry in buttons["maquette.append_asset"]] == ["chair", "stool"]
    assert [vars(entry[3]) for entry in buttons["maquette.append_asset"]] == [
        {"index": 0, "link": True},
        {"index": 1, "link": True},
    ]
    assert sum(entry[0] == "icon" for entry in drawn) == 2


def test_rarer_settings_are_in_the_fold(draw):
    drawn, buttons = draw()
    names = [entry[1] for entry in drawn if entry[0] == "prop"]
    assert {"count", "index_file", "use_region", "left", "top", "right", "bottom"} <= set(names)
    assert [vars(entry[3]).get("rebuild") for entry in buttons["maquette.index_library"]] == [
        None,
        True,
    ]
