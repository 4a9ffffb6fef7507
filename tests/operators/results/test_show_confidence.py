from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SourceView
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.imaging.image_files import encode_png
from maquette.core.scene import source_views

TETRAHEDRON = MeshArrays(
    np.array(((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)), np.float32),
    np.array(((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)), np.int32),
    np.full((4, 3), 0.5, np.float32),
    np.array((0, 0.5, 1, 0.25), np.float32),
)


@pytest.fixture
def made(addon):
    from maquette.core.scene import meshes

    obj = meshes.new_object("Made", TETRAHEDRON)
    bpy.context.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    return obj


def test_is_an_attribute_of_the_points(made):
    found = np.empty(4, np.float32)
    made.data.attributes["Confidence"].data.foreach_get("value", found)
    np.testing.assert_array_equal(found, TETRAHEDRON.confidence)


def test_shown_as_heat_and_taken_away_again(made):
    assert bpy.ops.maquette.show_confidence() == {'FINISHED'}
    colors = made.data.color_attributes
    red, white, blue, _ = (tuple(point.color_srgb)[:3] for point in colors.active_color.data)
    assert red[0] > 2 * red[2] and min(white) > 0.9 and blue[2] > 2 * blue[0]
    assert colors.render_color_index == colors.find("Color")  # what is rendered and exported stays
    assert bpy.ops.maquette.show_confidence() == {'FINISHED'}
    assert [colors.active_color.name, len(colors)] == ["Color", 1]


def test_of_one_image_the_scale_is_the_one_on_which_its_confidence_differs(made):
    camera = perspective_camera(look_at(np.array((0, -3, 0)), np.zeros(3)), 0.8, 4)
    view = SourceView(encode_png(np.ones((4, 4, 4), np.float32)), camera)
    source_views.store_views(made, (view,))
    values = np.array((0.25, 0.36, 0.6, 0.305), np.float32)
    made.data.attributes["Confidence"].data.foreach_set("value", values)

    def shown():
        assert bpy.ops.maquette.show_confidence() == {'FINISHED'}
        colors = made.data.color_attributes.active_color.data
        return np.array([tuple(point.color_srgb)[:3] for point in colors])

    red, white, blue, light_red = shown()
    assert red[0] > 2 * red[2] and white.min() > 0.9 and blue[2] > 2 * blue[0]
    np.testing.assert_allclose(light_red, (0.96, 0.65, 0.51), atol=0.03)

    # With a second image the same values are all around the middle.
    assert bpy.ops.maquette.show_confidence() == {'FINISHED'}
    source_views.store_views(made, (view, view))
    assert np.ptp(shown(), axis=0).max() < 0.5


def test_the_sidebar_asks_for_it_in_edit_mode_too(made):
    from maquette.operators.results.show_confidence import has_confidence

    bpy.ops.object.mode_set(mode='EDIT')
    try:
        assert has_confidence(bpy.context) and not bpy.ops.maquette.show_confidence.poll()
    finally:
        bpy.ops.object.mode_set(mode='OBJECT')


def test_refused_where_there_is_none(made):
    from maquette.core.scene import meshes

    other = meshes.new_object("Other", replace(TETRAHEDRON, confidence=None))
    bpy.context.collection.objects.link(other)
    bpy.context.view_layer.objects.active = other
    assert not bpy.ops.maquette.show_confidence.poll()
