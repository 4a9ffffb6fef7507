import bpy
import pytest


@pytest.fixture
def panel(addon):
    from maquette.panels import shapes

    return shapes


@pytest.mark.parametrize("parts", [(), ("generator",), ("shapes",)])
def test_the_panel_is_there_with_the_shape_space_only(panel, monkeypatch, parts):
    monkeypatch.setattr(panel, "has_part", lambda name: name in parts)
    assert panel.MAQUETTE_PT_shapes.poll(bpy.context) == ("shapes" in parts)
