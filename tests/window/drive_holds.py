"""How long the add-on, and not Blender's drawing, blocks the main thread of the window."""

import time

import bpy

holds: dict[str, dict[str, list[float]]] = {}


def measure() -> dict[str, dict[str, list[float]]]:
    """Time each call of operators and panels from now on; Blender looks them up by name each time.

    Returns:
        By operator or panel, and by start (the click), modal, finish (the last call, which uses the
        result) and draw: the longest, [seconds, seconds of wall time]. The former leaves out what
        other threads and processes used: it is at most the time of this thread.
    """
    from bl_ext.user_default.maquette.operators._task_operator import TaskOperator
    from bl_ext.user_default.maquette.panels.sidebar import SidebarPanel

    _read_preview_scene()
    invoke, modal, draw = TaskOperator.invoke, TaskOperator.modal, SidebarPanel.draw
    TaskOperator.invoke = lambda self, context, event: _timed(invoke, self, context, event)
    TaskOperator.modal = lambda self, context, event: _timed(modal, self, context, event)
    SidebarPanel.draw = lambda self, context: _timed(draw, self, context)
    return holds


def _read_preview_scene() -> None:
    """Let Blender read the scene that draws previews, as it does once, when one is first shown."""
    image = bpy.data.images.new("preview", 8, 8)
    with bpy.context.temp_override(id=image):
        bpy.ops.ed.lib_id_generate_preview()
    bpy.data.images.remove(image)


def _timed(function, self, *arguments):
    wall, own = time.perf_counter(), time.thread_time()
    outcome = function(self, *arguments)
    wall, own = time.perf_counter() - wall, time.thread_time() - own
    phase = {"invoke": "start", "draw": "draw"}.get(function.__name__)
    phase = phase or ("modal" if outcome <= {'RUNNING_MODAL', 'PASS_THROUGH'} else "finish")
    of = holds.setdefault(type(self).__name__, {})
    of[phase] = max(of.get(phase, [0.0, 0.0]), [min(wall, own), wall])
    return outcome
