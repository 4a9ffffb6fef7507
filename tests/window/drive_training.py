"""Train from the panel of a Blender with a window, stop, resume and use the weights.

    blender --python drive_training.py

Reads the training set ``set`` and the checkpoint ``start/checkpoint.pt`` beside it; writes
``result.json`` and screenshots.
"""

import json
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

NAME = "bl_ext.user_default.maquette"
HERE = Path(__file__).parent
result: dict = {}


def screenshot(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(HERE / f"{name}.png")], check=True)


def click(idname: str, **fields) -> None:
    """As a button of the sidebar does."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == 'VIEW_3D')
    region = next(region for region in area.regions if region.type == 'UI')
    with bpy.context.temp_override(window=window, area=area, region=region):
        category, _, verb = idname.partition(".")
        getattr(getattr(bpy.ops, category), verb)('INVOKE_DEFAULT', **fields)


def until(condition, seconds: float) -> Iterator[float]:
    """Wait; note how long the window stood still."""
    end = last = time.monotonic()
    while not condition():
        assert time.monotonic() < end + seconds, f"waited {seconds} s in vain"
        yield 0.05
        now = time.monotonic()
        result["longest_freeze"] = max(result.get("longest_freeze", 0.0), now - last - 0.05)
        last = now


def story() -> Iterator[float]:
    from bl_ext.user_default.maquette.core.jobs.training_process import steps_of
    from bl_ext.user_default.maquette.operators import _task_operator, train

    area = next(
        a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == 'VIEW_3D'
    )
    sidebar = next(region for region in area.regions if region.type == 'UI')
    area.spaces.active.show_region_ui = True
    hidden = (
        bpy.types.MAQUETTE_PT_reconstruct
    )  # so that the panel of the training is in view, and open
    bpy.utils.unregister_class(hidden)
    panel = bpy.types.MAQUETTE_PT_train
    bpy.utils.unregister_class(panel)
    panel.bl_options = set()
    bpy.utils.register_class(panel)
    bpy.context.preferences.addons[NAME].preferences.show_training = True
    yield 1
    sidebar.active_panel_category = "Maquette"
    settings = bpy.context.scene.maquette.training
    settings.dataset, settings.start, settings.start_run = (
        str(HERE / "set"),
        'RUN',
        str(HERE / "start"),
    )
    settings.steps = 30
    run = HERE / "set_run"
    yield 2
    screenshot("training-1-idle")
    fields = {name: getattr(settings, name) for name in ("start", "start_run", "steps", "rate")}
    click("maquette.train", folder=settings.dataset, **fields)
    yield from until(lambda: steps_of(run)[0] >= 11, 400)
    yield 0.5
    screenshot("training-2-running")
    click("maquette.stop_training")
    yield from until(lambda: not train.is_training(), 200)
    result["stopped_at"] = steps_of(run)[0]
    yield 3
    screenshot("training-3-stopped")
    click("maquette.train", folder=settings.dataset, run=str(run), resume=True)
    yield from until(lambda: not train.is_training(), 300)
    result["failure"], result["done"] = train.current_process().failure_text(), steps_of(run)
    yield 3
    screenshot("training-4-done")
    click("maquette.use_trained_weights", run=str(run))
    yield from until(lambda: not _task_operator.running_task(), 300)
    result["weights"] = bpy.context.preferences.addons[NAME].preferences.weights
    yield 2
    screenshot("training-5-in-use")
    settings.run = str(HERE / "bad")
    (HERE / "bad").mkdir()
    (HERE / "bad/settings.json").write_text(
        '{"datasets": ["nowhere"], "run": ".", "training": {"steps": 1}}'
    )
    click("maquette.train", run=str(HERE / "bad"), resume=True)
    yield from until(lambda: not train.is_training(), 200)
    yield 2
    screenshot("training-6-refused")
    result["refused"] = train.current_process().failure_text()
    bpy.utils.register_class(hidden)


def step(tale: Iterator[float]) -> float | None:
    try:
        return next(tale)
    except StopIteration:
        pass
    except BaseException:
        result["error"] = traceback.format_exc()
        screenshot("training-error")
    (HERE / "result.json").write_text(json.dumps(result, default=str))
    bpy.ops.wm.quit_blender()
    return None


tale = story()
bpy.app.timers.register(lambda: step(tale), first_interval=2)
