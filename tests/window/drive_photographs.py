"""Solve photographs in a Blender with a window as users do, stop it, and see what is drawn.

    blender --python drive_photographs.py

Reads the folders ``photographs`` and ``packages`` (pycolmap) beside it; writes the same as
``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "packages"))

import time

import bpy
import numpy as np
from drive import (
    HERE,
    drive,
    find_button,
    objects,
    point_at,
    result,
    running,
    screenshot,
    undo_and_redo,
    view,
    watch,
    xdotool,
)
from mathutils import Vector

DETAIL = 64
PATIENCE = 300  # seconds, on a busy machine
MARK_PLACE = (0.11, -0.07, 0.23)
BLOCKS = ("objects", "meshes", "cameras", "collections", "images", "materials", "node_groups")


def in_view(operator, *how, **options) -> None:
    area, _ = view()
    region = next(region for region in area.regions if region.type == 'WINDOW')
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        operator(*how, **options)


def data() -> dict[str, list[str]]:
    """The names of all that a solve could add to the file."""
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in BLOCKS}


def show_only(*names: str) -> None:
    """Open these panels of the sidebar and close the others."""
    panels = [getattr(bpy.types, name) for name in dir(bpy.types) if name.startswith("MAQUETTE_PT")]
    for panel in panels:
        if panel.bl_space_type != 'VIEW_3D':
            continue
        bpy.utils.unregister_class(panel)
        panel.bl_options = set() if panel.__name__ in names else {'DEFAULT_CLOSED'}
        bpy.utils.register_class(panel)


def layers() -> int:
    from bl_ext.user_default.maquette.operators.photographs import _preview

    return len(_preview.shown_layers())


def stop(name: str) -> Iterator[float]:
    """Press Esc and note how long it takes, and what is left."""
    xdotool("key", "Escape")
    pressed = time.monotonic()
    yield from watch(10, lambda: not running())
    result[f"seconds_to_stop_{name}"] = time.monotonic() - pressed
    result[f"layers_after_{name}"] = layers()


def press_solve() -> Iterator[float]:
    yield from find_button("maquette.solve_photographs", 0.3)
    xdotool("click", 1)
    yield from watch(20, running)
    xdotool("mousemove", 500, 500)


def set_up() -> Iterator[float]:
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    show_only("MAQUETTE_PT_photographs")
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette_photographs
    settings.folder = str(HERE / "photographs")
    settings.size = 0.3
    settings.detail = DETAIL
    area.spaces.active.region_3d.view_distance = 1.6
    area.spaces.active.region_3d.view_location = (0, 0, 0.1)
    bpy.ops.ed.undo_push(message="Set up")
    yield 1
    screenshot("p1-panel")


def left_out() -> Iterator[float]:
    """Look at the list of photographs without a camera."""
    from bl_ext.user_default.maquette.panels import thumbnails

    view()[0].tag_redraw()
    yield 3
    settings = bpy.context.scene.maquette_photographs
    result["left_out"] = sorted(item.name for item in settings.left_out)
    previews = [thumbnails.thumbnail(Path(item.path)) for item in settings.left_out]
    result["icons"] = [preview.icon_id for preview in previews]
    result["thumbnail_sizes"] = sorted(list(preview.image_size) for preview in previews)
    screenshot("p5-left-out")


def made() -> Iterator[float]:
    """Look at what a whole solve has added."""
    area, _ = view()
    space = area.spaces.active
    result["color_type"] = space.shading.color_type
    space.overlay.show_relationship_lines = False
    yield 2
    screenshot("p4-mesh")
    bpy.data.objects["Cloud"].hide_set(False)
    bpy.data.objects["photographs"].hide_set(True)
    yield 2
    screenshot("p6-cloud")
    bpy.data.objects["photographs"].hide_set(False)
    space.region_3d.view_perspective = 'CAMERA'
    yield 2
    screenshot("p7-through-camera")
    space.region_3d.view_perspective = 'PERSP'
    yield 1


def marked_scene():
    """Three photographs of one magenta spot, of other shapes than each other, off their centers."""
    from bl_ext.user_default.maquette.core.cameras import Camera, look_at
    from bl_ext.user_default.maquette.core.photogrammetry import records

    photographs = []
    eyes = ((0.2, -2.4, 0.9), (2.0, -1.2, 0.7), (-1.8, -1.5, 1.1))
    for index, (width, height) in enumerate(((480, 360), (300, 480), (480, 200))):
        intrinsics = np.array(((520.0, 0, width / 2 + 31), (0, 520.0, height / 2 - 23), (0, 0, 1)))
        eye = np.array(eyes[index])
        camera = Camera(look_at(eye, np.array((0, 0, 0.2))), intrinsics, width, height)
        column, row = camera.project(np.array([MARK_PLACE]))[0][0]
        rows, columns = np.mgrid[0:height, 0:width] + 0.5
        pixels = np.full((height, width, 4), 0.35, np.float32)
        pixels[..., 3] = 1
        pixels[np.hypot(columns - column, rows - row) < 9] = (1, 0, 1, 1)
        path = HERE / f"marked_{index}.png"
        image = bpy.data.images.new("Marked", width, height)
        image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).ravel())
        image.filepath_raw = str(path)
        image.file_format = 'PNG'
        image.save()
        bpy.data.images.remove(image)
        photographs.append(records.SolvedPhotograph(path, camera))
    cloud = records.SparseCloud(
        points=np.array([(0, 0, -5)], np.float32),
        colors=np.zeros((1, 3), np.float32),
        track_length=np.full(1, 3, np.int32),
        error=np.zeros(1, np.float32),
    )
    return records.SolvedScene(tuple(photographs), cloud)


def drawn_mark(name: str) -> list[float]:
    """The middle of the magenta spot in the 3D viewport, in pixels of a screenshot."""
    screenshot(name)
    image = bpy.data.images.load(str(HERE / f"{name}.png"))
    width, height = image.size
    values = np.array(image.pixels, np.float32).reshape(height, width, -1)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    values[:, view()[1].x :] = 0
    red, green, blue = values.transpose(2, 0, 1)
    rows, columns = np.nonzero((red > 120) & (blue > 120) & (green < 0.5 * red))
    return [float(columns.mean()), float(rows.mean())] if len(rows) else []


def backgrounds() -> Iterator[float]:
    """Compare where Blender draws the spot of a photograph with where it shows that point."""
    from bl_ext.user_default.maquette.core.scene.solved_cameras import add_solved_scene
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    area, _ = view()
    region = next(region for region in area.regions if region.type == 'WINDOW')
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    collection = add_solved_scene(bpy.context, marked_scene(), 1.0)
    area.spaces.active.overlay.show_floor = False
    result["marks"] = []
    for index in range(3):
        bpy.context.scene.camera = collection.objects[f"marked_{index}"]
        area.spaces.active.region_3d.view_perspective = 'CAMERA'
        yield 1
        in_view(bpy.ops.view3d.view_center_camera)
        yield 1.5
        expected = location_3d_to_region_2d(
            region, area.spaces.active.region_3d, Vector(MARK_PLACE)
        )
        height = bpy.context.window_manager.windows[0].height
        place = [region.x + expected.x, height - (region.y + expected.y)]
        result["marks"].append([place, drawn_mark(f"p8-mark-{index}")])


def enlarge() -> Iterator[float]:
    """Click on the name of a photograph without a camera."""
    view()[0].spaces.active.region_3d.view_perspective = 'PERSP'
    yield from find_button("something_else", 0.3)
    windows = bpy.context.window_manager.windows
    xdotool("click", 1)
    yield from watch(10, lambda: len(windows) > 1)
    yield 1
    areas = windows[-1].screen.areas
    result["enlarged"] = [[area.type, area.spaces.active.image.name] for area in areas]
    screenshot("p9-enlarged")

    # The mask of a camera, to be painted there
    masks = HERE / "masks"
    masks.mkdir(exist_ok=True)
    (masks / "marked_0.png").write_bytes((HERE / "marked_0.png").read_bytes())
    camera = bpy.data.objects["marked_0"]
    bpy.context.view_layer.objects.active = camera
    in_view(bpy.ops.maquette.show_mask)
    yield 1
    space = areas[0].spaces.active
    result["mask"] = [space.mode, Path(space.image.filepath).parent.name]


def story() -> Iterator[float]:
    yield from set_up()
    before = objects()
    data_before = data()

    # Esc while the cameras are solved
    yield from press_solve()
    yield from watch(PATIENCE, lambda: running() and running().progress.fraction > 0.1)
    yield from stop("cameras")
    result["unchanged_after_cameras"] = data() == data_before

    # Esc while depth is measured: the cameras and the hull are drawn by then, and nothing else
    yield from press_solve()
    yield from watch(PATIENCE, lambda: layers() == 2)
    yield 1
    screenshot("p2-cameras")
    yield from watch(PATIENCE, lambda: layers() == 3)
    yield 1
    screenshot("p3-hull")
    result["unchanged_with_hull"] = data() == data_before
    yield from stop("hull")
    result["unchanged_after_hull"] = data() == data_before
    yield 1

    # To the end
    yield from press_solve()
    yield from watch(PATIENCE, lambda: not running())
    yield 1
    result["layers_at_the_end"] = layers()
    result["made"] = [name for name in objects() if name not in before]
    yield from made()
    yield from left_out()
    yield from undo_and_redo(before)
    yield from backgrounds()
    yield from enlarge()


if __name__ == "__main__":
    point_at(500, 500)
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)
