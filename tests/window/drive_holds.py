"""How long our own code holds the main thread of a Blender with a window, as distinct from Blender's drawing."""

import time

holds: dict[str, dict[str, list[float]]] = {}


def measure() -> dict[str, dict[str, list[float]]]:
    """From now on note how long each call of our operators and panels takes; Blender looks them up by name each time.

    Returns:
        By operator or panel, and by start (the click), modal, finish (the last call, which hands the result over or
        refuses to) and draw: the longest, [seconds, seconds of the clock on the wall]. The former leaves out what
        other threads and processes took of this machine: at most what this thread had of it.
    """
    from bl_ext.user_default.maquette.operators._task_operator import TaskOperator
    from bl_ext.user_default.maquette.panels.sidebar import SidebarPanel

    invoke, modal, draw = TaskOperator.invoke, TaskOperator.modal, SidebarPanel.draw
    TaskOperator.invoke = lambda self, context, event: _timed(invoke, self, context, event)
    TaskOperator.modal = lambda self, context, event: _timed(modal, self, context, event)
    SidebarPanel.draw = lambda self, context: _timed(draw, self, context)
    return holds


def _timed(function, self, *arguments):
    wall, own = time.perf_counter(), time.thread_time()
    outcome = function(self, *arguments)
    wall, own = time.perf_counter() - wall, time.thread_time() - own
    phase = {"invoke": "start", "draw": "draw"}.get(function.__name__)
    phase = phase or ("modal" if outcome <= {'RUNNING_MODAL', 'PASS_THROUGH'} else "finish")
    of = holds.setdefault(type(self).__name__, {})
    of[phase] = max(of.get(phase, [0.0, 0.0]), [min(wall, own), wall])
    return outcome
