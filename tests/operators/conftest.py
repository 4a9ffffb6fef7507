import bpy
import pytest

KINDS = ("objects", "meshes", "materials", "images", "scenes", "collections", "worlds", "cameras", "node_groups")


@pytest.fixture
def scene_state():
    """Says what the open file holds, for a comparison."""

    def state():
        blocks = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in KINDS}
        active = bpy.context.view_layer.objects.active
        return blocks, [obj.name for obj in bpy.context.selected_objects], active and active.name

    return state
