from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.model.jobs.shapes import MadeShape, NearestShape


@pytest.fixture
def panel(addon):
    from maquette.panels import shapes

    return shapes


@pytest.mark.parametrize("parts", [(), ("generator",), ("shapes",)])
def test_the_panel_is_there_with_the_shape_space_only(panel, monkeypatch, parts):
    monkeypatch.setattr(panel, "has_part", lambda name: name in parts)
    assert panel.MAQUETTE_PT_shapes.poll(bpy.context) == ("shapes" in parts)


class Layout:
    """Records the labels, icons and buttons that are drawn."""

    def __init__(self, drawn):
        self.drawn = drawn

    def _part(self, *_, **__):
        return Layout(self.drawn)

    row = column = box = grid_flow = _part

    def panel(self, identifier, default_closed=False):
        return Layout(self.drawn), Layout(self.drawn)

    def label(self, text="", **_):
        self.drawn.append(("label", text))

    def template_icon(self, icon_value, **_):
        self.drawn.append(("icon", icon_value))

    def operator_menu_enum(self, identifier, name, **_):
        self.drawn.append((identifier, name))

    def operator(self, identifier, text="", depress=False, **_):
        properties = SimpleNamespace()
        self.drawn.append((identifier, text, depress, properties))
        return properties


def made_shape(nearest):
    mesh = MeshArrays(np.eye(3, dtype=np.float32), np.array(((0, 1, 2),), np.int32))
    pixels = np.full((8, 8, 4), 255, np.uint8)
    found = NearestShape("furniture__old__chair_7", 0.84, pixels) if nearest else None
    return MadeShape(mesh, pixels, found)


def drawn_candidates(panel, monkeypatch):
    monkeypatch.setattr(panel, "has_part", lambda name: True)
    drawn = []
    owner = SimpleNamespace(draw_progress=lambda layout: None)
    panel.MAQUETTE_PT_shapes.draw_content(owner, Layout(drawn), bpy.context)
    return drawn


@pytest.mark.parametrize("nearest", [True, False])
def test_candidates_are_drawn_beside_their_nearest_training_shapes(panel, monkeypatch, nearest):
    from maquette.operators.shapes._candidates import mark_candidate

    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.mesh.primitive_cube_add()
    first, second = bpy.data.objects
    for index, obj in enumerate((first, second)):
        mark_candidate(obj, index + 1, made_shape(nearest))
    first.select_set(False)
    second.select_set(True)
    drawn = drawn_candidates(panel, monkeypatch)
    icons = [entry for entry in drawn if entry[0] == "icon"]
    assert len(icons) == (4 if nearest else 2)
    assert drawn.count(("label", "0.84 chair 7")) == (2 if nearest else 0)
    assert ("label", "Copies are below 0.5") in drawn or not nearest
    buttons = [entry for entry in drawn if entry[0] == "maquette.choose_shape"]
    assert [(text, depress) for _, text, depress, _ in buttons] == [
        (first.name, False),
        (second.name, True),
    ]
    assert [properties.name for *_, properties in buttons] == [first.name, second.name]


def test_without_candidates_there_is_nothing_to_keep(panel, monkeypatch):
    bpy.ops.mesh.primitive_cube_add()
    names = [entry[0] for entry in drawn_candidates(panel, monkeypatch)]
    assert "maquette.generate_shape" in names
    assert "maquette.keep_shapes" not in names and "maquette.choose_shape" not in names
