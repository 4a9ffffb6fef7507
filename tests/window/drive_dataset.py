"""Render a training set in a Blender with a window, undo during it, and render it again.

    blender --python drive_dataset.py

Writes ``result.json`` and screenshots beside it.
"""

import json
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

HERE = Path(__file__).parent
SET = HERE / "undone_set"
result: dict = {}


def view() -> dict:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == 'VIEW_3D')
    return {
        "window": window,
        "area": area,
        "region": next(each for each in area.regions if each.type == 'UI'),
    }


def click(operator, **fields) -> None:
    """As a button of the sidebar does."""
    with bpy.context.temp_override(**view()):
        operator('INVOKE_DEFAULT', **fields)


def until(condition, seconds: float) -> Iterator[float]:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        yield 0.05


def there() -> list[list[str]]:
    kinds = (
        bpy.data.scenes,
        bpy.data.objects,
        bpy.data.collections,
        bpy.data.worlds,
        bpy.data.images,
    )
    return [
        sorted(block.name for block in blocks if block.name != "Render Result") for blocks in kinds
    ]


def story() -> Iterator[float]:
    from bl_ext.user_default.maquette.operators import _task_operator

    fields = {
        "folder": str(SET),
        "source": 'SCENE',
        "cameras": "sides free:6",
        "size": 96,
        "samples": 4,
    }
    with bpy.context.temp_override(**view()):
        bpy.ops.mesh.primitive_monkey_add(location=(4, 0, 0))
        bpy.ops.ed.undo_push(message="Monkey")
        bpy.ops.object.shade_smooth()
        bpy.ops.ed.undo_push(message="Smooth")
    before = there()
    click(bpy.ops.maquette.render_dataset, **fields)
    yield from until(
        lambda: (
            _task_operator.running_task() and _task_operator.running_task().progress.fraction > 0.1
        ),
        200,
    )
    subprocess.run(["import", "-window", "root", str(HERE / "dataset-1-running.png")], check=True)
    with bpy.context.temp_override(**view()):
        bpy.ops.ed.undo()
    yield from until(lambda: not _task_operator.running_task(), 60)
    yield 1
    subprocess.run(["import", "-window", "root", str(HERE / "dataset-2-undone.png")], check=True)
    result["undone"] = there() == before
    for index in range(200):  # Blender would look into what it has freed
        bpy.data.materials.new(f"Other {index}")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.delete()
    bpy.data.objects["Suzanne"].select_set(True)
    yield 1
    click(bpy.ops.maquette.preview_cameras, cameras="sides")
    yield from until(lambda: not _task_operator.running_task(), 60)
    result["previewed"] = there() == before
    click(bpy.ops.maquette.render_dataset, **fields)
    yield from until(lambda: _task_operator.running_task(), 10)
    yield from until(lambda: not _task_operator.running_task(), 300)
    result["again"] = there() == before
    result["objects"] = sorted(path.stem for path in (SET / "objects").glob("*.tar"))


def step(tale: Iterator[float]) -> float | None:
    try:
        return next(tale)
    except StopIteration:
        pass
    except BaseException:
        result["error"] = traceback.format_exc()
    (HERE / "result.json").write_text(json.dumps(result, default=str))
    bpy.ops.wm.quit_blender()
    return None


tale = story()
bpy.app.timers.register(lambda: step(tale), first_interval=2)
