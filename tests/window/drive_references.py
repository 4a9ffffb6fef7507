"""Add references in a Blender with a window as users do, reconstruct, and see where all is drawn.

    blender --python drive_references.py

Reads ``front.png``, ``right.png``, ``top.png`` and ``hull.safetensors`` beside it; writes the same
as ``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import numpy as np
from drive import (
    HERE,
    NAME,
    drive,
    escape,
    find_button,
    objects,
    open_panels,
    result,
    running,
    screenshot,
    undo_and_redo,
    view,
    watch,
    xdotool,
)

RED, GREEN = (200, 40, 30), (0, 255, 0)
VIEWS = {"front": 'FRONT', "right": 'RIGHT', "top": 'TOP'}  # Blender's words for them


def in_view(operator, *how, **options) -> None:
    area, _ = view()
    region = next(region for region in area.regions if region.type == 'WINDOW')
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0], area=area, region=region
    ):
        operator(*how, **options)


def drawn(color: tuple[int, int, int], name: str) -> list[int]:
    """Left, top, right and bottom of that color in the 3D viewport, in pixels of a screenshot."""
    screenshot(name)
    image = bpy.data.images.load(str(HERE / f"{name}.png"))
    width, height = image.size
    values = np.array(image.pixels, np.float32).reshape(height, width, -1)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    values[:, view()[1].x :] = 0  # whose icons may be of any colour
    rows, columns = np.nonzero((np.abs(values - color) < 40).all(-1))
    return (
        [int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max())]
        if len(rows)
        else []
    )


def add_reference(path: Path) -> Iterator[float]:
    """Add > Image > Reference, and the file in the browser that it opens."""
    xdotool("mousemove", 500, 500)
    yield 0.5
    xdotool("key", "shift+a")
    yield 3
    xdotool("type", "--delay", 150, "reference")
    yield 3
    screenshot(f"r1-menu-{path.stem}")
    xdotool("key", "Return")
    yield from watch(20, browsers)
    yield 1
    (browser,) = browsers()
    params = browser.spaces.active.params
    params.directory, params.filename = str(path.parent).encode(), path.name
    region = next(region for region in browser.regions if region.type == 'WINDOW')
    window, before = bpy.context.window_manager.windows[0], len(bpy.data.objects)
    with bpy.context.temp_override(window=window, area=browser, region=region):
        bpy.ops.file.execute()
    yield from watch(20, lambda: len(bpy.data.objects) > before and not browsers())
    yield 1


def browsers() -> list[bpy.types.Area]:
    """The file browser, if it is open in place of the window's areas."""
    return [
        area
        for area in bpy.context.window_manager.windows[0].screen.areas
        if area.type == 'FILE_BROWSER'
    ]


def sheet() -> bpy.types.Image:
    """The bottle from front and right, side by side on white, the right one 4 % larger."""
    values = np.ones((120, 220, 4), np.float32)
    for x, scale in ((60, 1.0), (160, 1.04)):
        for low, high, half in ((0, 48, 20), (48, 80, 8)):  # above the ground
            rows = slice(int(10 + low * scale), int(10 + high * scale))
            values[rows, round(x - half * scale) : round(x + half * scale), :3] = (
                np.array(RED) / 255
            )
    image = bpy.data.images.new("sheet", 220, 120)
    image.pixels.foreach_set(values.ravel())
    return image


def turnaround() -> Iterator[float]:
    """From a sheet to references to a mesh, by two buttons."""
    bpy.ops.object.select_all(action='SELECT')
    bpy.ops.object.delete()
    view()[0].spaces.active.shading.light = 'STUDIO'
    bpy.context.scene.maquette.sheet = sheet()
    in_view(bpy.ops.view3d.view_axis, type='FRONT')
    in_view(bpy.ops.view3d.view_orbit, angle=0.6, type='ORBITRIGHT')
    in_view(bpy.ops.view3d.view_orbit, angle=0.3, type='ORBITUP')
    yield 1
    yield from find_button("maquette.lay_out_turnaround")
    xdotool("click", 1)
    yield 2
    result["laid_out"] = sorted(obj.name for obj in bpy.context.selected_objects)
    in_view(bpy.ops.view3d.view_all)
    yield from find_button("maquette.reconstruct_references")
    xdotool("click", 1)
    yield from watch(10, running)
    yield from watch(120, lambda: not running())
    xdotool("mousemove", 500, 600)
    yield 2
    screenshot("r4-turnaround")
    result["disagreements"] = bpy.context.scene.maquette.disagreements


def stopped(references: list[bpy.types.Object]) -> Iterator[float]:
    """Esc in the middle of a run from large pictures."""
    for one in references:
        one.hide_set(False)
        one.data.scale(2048, 2048)
    bpy.context.scene.maquette.resolution = 250
    in_view(bpy.ops.view3d.view_all)
    yield 3
    yield from find_button("maquette.reconstruct_references")
    yield from escape()
    bpy.context.scene.maquette.resolution = 64


def ended() -> Iterator[float]:
    """Another file, and then the end, in the middle of a run."""
    from bl_ext.user_default.maquette.operators import _compute

    for load in (True, False):
        in_view(bpy.ops.maquette.reconstruct_references, 'INVOKE_DEFAULT', resolution=250)
        yield from watch(100, lambda: running().progress.fraction > 0.1)
        if load:
            bpy.ops.wm.read_homefile(app_template="")
            yield 2
            result["idle_after_loading"] = running() is None and objects() == [
                "Camera",
                "Cube",
                "Light",
            ]
            bpy.ops.maquette.lay_out_turnaround(image=sheet().name)
    result["pids"] = [worker.pid for worker in _compute._workers.alive_workers()]


def compared(
    made: bpy.types.Object, references: list[bpy.types.Object], name: str
) -> Iterator[float]:
    """Where the references are drawn, and where the object is, each alone."""
    for obj, hidden in ((made, True), *((one, False) for one in references)):
        obj.hide_set(hidden)
    yield 1.5
    result[name] = [drawn(RED, f"{name}-references")]
    for obj, hidden in ((made, False), *((one, True) for one in references)):
        obj.hide_set(hidden)
    yield 1.5
    result[name].append(drawn(GREEN, f"{name}-object"))
    for obj in (made, *references):
        obj.hide_set(False)


def story() -> Iterator[float]:
    bpy.context.preferences.addons[NAME].preferences.weights = str(HERE / "hull.safetensors")
    bpy.context.preferences.view.filebrowser_display_type = 'SCREEN'
    bpy.context.preferences.edit.object_align = 'VIEW'
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    area, sidebar = view()
    space = area.spaces.active
    space.show_region_ui = True
    open_panels("MAQUETTE_PT_turnaround")
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette
    settings.source, settings.resolution = 'REFERENCES', 64
    settings.texture = False  # it is a step of its own
    yield 1
    screenshot("r1-none")
    bpy.context.scene.cursor.location = (1, 2, 3)
    references = []
    for name, axis in VIEWS.items():
        in_view(bpy.ops.view3d.view_axis, type=axis)
        yield from add_reference(HERE / f"{name}.png")
        references.append(bpy.context.view_layer.objects.active)
    front, right, top = references
    placed = [one.name for one in references]
    front.location.y, right.location.x, top.location.z = 6, -3, -1
    bpy.context.scene.cursor.location = (0, 0, 0)
    bpy.ops.object.select_all(action='DESELECT')
    in_view(bpy.ops.view3d.view_axis, type='FRONT')
    in_view(bpy.ops.view3d.view_all)
    bpy.ops.ed.undo_push(message="Set up")
    yield 2
    screenshot("r2-three")
    before = objects()
    yield from find_button("maquette.reconstruct_references")
    xdotool("click", 1)
    yield from watch(10, running)
    yield from watch(120, lambda: not running())
    made = bpy.context.view_layer.objects.active
    bpy.context.view_layer.update()
    result["made"] = [obj.name for obj in bpy.data.objects if obj.name not in before]
    points = np.array([made.matrix_world @ vertex.co for vertex in made.data.vertices])
    result["bounds"] = [points.min(0).tolist(), points.max(0).tolist()]
    yield from undo_and_redo(before)
    made, references = bpy.data.objects["Maquette"], [bpy.data.objects[name] for name in placed]
    screenshot("r3-made")
    space.show_gizmo = space.overlay.show_axis_x = space.overlay.show_cursor = (
        False  # which are red, too
    )
    space.shading.light, space.shading.color_type, space.shading.single_color = (
        'FLAT',
        'SINGLE',
        (0, 1, 0),
    )
    bpy.ops.object.select_all(action='DESELECT')
    yield from compared(made, references[:1], "front")

    # a background image, in every way that one can be laid into a camera's frame
    from bl_ext.user_default.maquette.core.scene import references as scene_references

    made.hide_set(True)
    for one in references:
        one.hide_set(True)
    camera = bpy.data.objects["Camera"]
    camera.data.shift_x, camera.data.show_background_images = 0.1, True
    shown = camera.data.background_images.new()
    shown.image = bpy.data.images["front.png"]
    shown.alpha, shown.frame_method, shown.use_flip_x = 1.0, 'FIT', True
    shown.scale, shown.rotation, shown.offset = 0.8, 0.5, (0.06, -0.04)
    stand = scene_references.reference_pose(bpy.context, camera)
    own = stand.to_reference(stand.read_image()).view
    rows, columns = np.nonzero(own.image[..., 3] > 0.5)
    corners = np.stack((columns, rows), 1)[:, None] + ((0, 0), (1, 0), (1, 1), (0, 1))
    flat = own.camera.unproject(
        corners.reshape(-1, 2).astype(float), np.full(corners.shape[0] * 4, 4.0)
    )
    mesh = bpy.data.meshes.new("Pixels")
    mesh.from_pydata(flat.tolist(), [], np.arange(len(flat)).reshape(-1, 4).tolist())
    pixels = bpy.data.objects.new("Pixels", mesh)
    bpy.context.scene.collection.objects.link(pixels)
    in_view(bpy.ops.view3d.view_camera)
    yield 1
    pixels.hide_set(True)
    yield 1.5
    result["camera"] = [drawn(RED, "camera-background")]
    shown.show_background_image = False
    pixels.hide_set(False)
    yield 1.5
    result["camera"].append(drawn(GREEN, "camera-object"))
    yield from stopped(references)
    yield from turnaround()
    yield from ended()


steps = story()
bpy.app.timers.register(lambda: drive(steps), first_interval=3, persistent=True)
