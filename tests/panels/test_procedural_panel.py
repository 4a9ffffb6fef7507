"""What the panel of procedural objects draws, into a layout that records."""

from types import SimpleNamespace

import bpy
import pytest


class Layout:
    """Records what is drawn; folds are open."""

    def __init__(self, drawn):
        self.drawn = drawn
        self.enabled = True

    def row(self, **_):
        return self

    def column(self, **_):
        return Layout(self.drawn)

    def panel(self, identifier, default_closed=False):
        self.drawn.append(("panel", identifier))
        return Layout(self.drawn), Layout(self.drawn)

    def label(self, text="", **_):
        self.drawn.append(("label", text))

    def prop(self, data, name, text="", **_):
        assert name in data.bl_rna.properties
        self.drawn.append(("prop", text or name, getattr(data, name)))

    def operator(self, identifier, **_):
        self.drawn.append(("operator", identifier))
        return SimpleNamespace()


@pytest.fixture
def draw(addon):
    """Return a function that draws the panel of the active object."""
    from maquette.panels.procedural import MAQUETTE_PT_procedural as Panel

    def run():
        drawn = []
        assert Panel.poll(bpy.context)
        Panel.draw_content(None, Layout(drawn), bpy.context)
        return drawn

    return run


def test_all_parameters_have_sliders(draw):
    from maquette.core.scene.procedural import storage

    bpy.ops.maquette.add_procedural(family="chair", seed=3)
    drawn = draw()
    labels = [entry[1] for entry in drawn if entry[0] == "prop"]
    parameters = storage.parameters_of(bpy.context.object)
    assert sorted(labels) == sorted(["seed", *(each.label for each in parameters)])
    assert ("label", "Chair") in drawn and ("label", "Legs") in drawn
    assert not any(entry[0] == "operator" for entry in drawn)


def test_changed_values_and_edits_have_buttons(draw):
    bpy.ops.maquette.add_procedural(family="chair", seed=3)
    bpy.ops.maquette.edit_procedural(address="width", value=0.6)
    drawn = draw()
    assert ("prop", "Width", 100.0) in drawn
    assert drawn.count(("operator", "maquette.reset_procedural")) == 2  # this one, and all
    bpy.context.object.data.vertices[0].co.x += 1
    assert ("operator", "maquette.rebuild_procedural") in draw()


def test_a_damaged_recipe_is_reported(draw):
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object["maquette_recipe"] = "{"
    assert draw() == [("label", "The recipe is damaged")]


def test_it_is_hidden_for_other_objects(addon):
    from maquette.panels.procedural import MAQUETTE_PT_procedural as Panel

    assert not Panel.poll(bpy.context)
    bpy.ops.mesh.primitive_cube_add()
    assert not Panel.poll(bpy.context)


def test_any_other_mesh_can_be_made_procedural(addon):
    from maquette.panels.procedural import MAQUETTE_PT_make_procedural as Panel

    assert not Panel.poll(bpy.context)
    bpy.ops.mesh.primitive_cube_add()
    assert Panel.poll(bpy.context)
    bpy.ops.maquette.add_procedural(family="table")
    assert not Panel.poll(bpy.context)
    bpy.ops.object.camera_add()
    assert not Panel.poll(bpy.context)


def test_what_does_not_agree_can_be_made_all_the_same(addon):
    from maquette.panels.procedural import make_procedural_buttons

    class Row:
        def __init__(self):
            self.drawn = []

        def operator(self, name, **options):
            button = SimpleNamespace(name=name, use_nearest=False)
            self.drawn.append((button, options.get("text")))
            return button

    row = Row()
    agreeing, nearest = make_procedural_buttons(row)
    assert [text for _, text in row.drawn] == [None, "Use Nearest"]
    assert agreeing.name == nearest.name == "maquette.make_procedural"
    assert not agreeing.use_nearest and nearest.use_nearest
