"""From an image to a textured mesh in a window: example, thumbnail, cut-out, drop, Image Editor.

    blender --python drive_images.py

Reads ``front.png`` and ``hull.safetensors`` beside it; writes the same as ``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
from drive import (
    HERE,
    NAME,
    drive,
    find_button,
    objects,
    result,
    running,
    screenshot,
    view,
    watch,
    xdotool,
)

PATIENCE = 300  # seconds, on a busy machine


def press(command: str) -> Iterator[float]:
    """Click the button of an operator in the sidebar, and wait until all work is done."""
    yield from find_button(command)
    xdotool("click", 1)
    yield from watch(20, running)
    yield from watch(PATIENCE, lambda: not running())
    yield 1


def drop(path: Path) -> Iterator[float]:
    """Drop a file into the 3D view, as Blender does it."""
    area, _ = view()
    region = next(region for region in area.regions if region.type == 'WINDOW')
    window = bpy.context.window_manager.windows[0]
    files = [{"name": path.name}]
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.wm.drop_import_file('INVOKE_DEFAULT', directory=str(path.parent), files=files)
    yield 1
    screenshot("images-5-menu")
    xdotool("key", "m")  # Mesh from Image, not Add Empty Image
    yield from watch(20, running)
    yield from watch(PATIENCE, lambda: not running())
    yield 1


def texture_of(obj: bpy.types.Object) -> list[str]:
    nodes = [node for slot in obj.data.materials for node in slot.node_tree.nodes]
    return [node.image.name for node in nodes if node.type == 'TEX_IMAGE' and node.image]


def story() -> Iterator[float]:
    bpy.context.preferences.addons[NAME].preferences.weights = str(HERE / "hull.safetensors")
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    bpy.context.scene.maquette.resolution = 64
    yield 1
    sidebar.active_panel_category = "Maquette"
    yield 1
    screenshot("images-1-no-image")

    # The example: one click to a textured mesh.
    before = objects()
    yield from press("maquette.try_example")
    result["example"] = [name for name in objects() if name not in before]
    result["example_texture"] = texture_of(bpy.context.object)
    result["shading"] = area.spaces.active.shading.color_type
    screenshot("images-2-example")

    # The result becomes an asset, whose preview Blender renders beside the window.
    yield from find_button("maquette.mark_as_asset")
    xdotool("click", 1)
    made = bpy.context.object
    yield from watch(20, lambda: made.asset_data is not None)
    result["asset"] = [made.asset_data["source"], made.asset_data["faces"]]
    yield from watch(60, lambda: made.preview and made.preview.image_size[0] > 0)
    screenshot("images-2-asset")

    # The cut-out of another image is shown in its thumbnail, and chosen.
    bpy.context.scene.maquette.image = bpy.data.images.load(str(HERE / "front.png"))
    area.tag_redraw()
    yield 1
    screenshot("images-3-thumbnail")
    yield from press("maquette.cut_out")
    result["chosen"] = bpy.context.scene.maquette.image.name
    screenshot("images-4-cut-out")

    # A dropped file stands beside the first object.
    before = objects()
    yield from drop(HERE / "right.png")
    result["dropped"] = [name for name in objects() if name not in before]
    screenshot("images-5-dropped")

    # The Image Editor.
    area.type = 'IMAGE_EDITOR'
    area.spaces.active.image = bpy.data.images["front.png"]
    area.spaces.active.show_region_ui = True
    yield 1
    editor_sidebar = next(region for region in area.regions if region.type == 'UI')
    editor_sidebar.active_panel_category = "Maquette"
    yield 1
    screenshot("images-6-editor")
    result["panel_polls"] = True
    area.type = 'VIEW_3D'


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
