"""Runs the long work of an operator: to its end, or beside the living window with progress and Esc."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.types import Context, Event, Timer

from ..core.errors import Cancelled, MaquetteError
from ..core.work import Clock, Progress, SteppedWork, ThreadedWork, Work, run_to_end

_POLL_SECONDS = 0.1


class Job:
    """A work that runs while the window stays usable. At most one at a time: :func:`running`."""

    def __init__(self, label: str, driver: SteppedWork[Any], timer: Timer) -> None:
        self.label = label
        self.driver = driver
        self._timer = timer
        self._clock = Clock()

    @property
    def progress(self) -> Progress:
        return self.driver.progress

    def told(self) -> str:
        """Its progress and the time left, for the panel and the status bar."""
        return self._clock.told(self.progress)

    def cancel(self) -> None:
        self.driver.cancel()

    def leave(self) -> None:
        """Take the timer and the texts of the window away."""
        global _running
        _running = None
        bpy.context.window_manager.event_timer_remove(self._timer)
        show_progress(None)


_running: Job | None = None


def running() -> Job | None:
    """The job whose progress the panel shows, if any."""
    return _running


def show_progress(text: str | None) -> None:
    """Put ``text`` into the status bar, None for Blender's own, and let the sidebars draw again."""
    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(text)
        for area in window.screen.areas:
            if area.type == 'VIEW_3D':
                for region in area.regions:
                    if region.type == 'UI':
                        region.tag_redraw()


class WorkOperator:
    """Mix-in: a subclass says what the work is and what becomes of its result.

    Called as ``bpy.ops.x.y()``, or in background mode, it blocks until the work is
    done. Invoked from the interface it goes modal, shows progress and stops on Esc.
    """

    driver: ClassVar[type[SteppedWork[Any]]] = ThreadedWork  # SteppedWork where the work uses bpy
    interactive = False  # whether this run goes on beside the window
    _job: Job

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _running:
            cls.poll_message_set(f"{_running.label} is running: wait, or stop it with Esc")
        return _running is None

    def start(self, context: Context) -> Work[Any]:
        """Check what the user gave, read it out of Blender, return the work."""
        raise NotImplementedError

    def finish(self, context: Context, result: Any) -> None:
        """Put ``result`` into Blender."""
        raise NotImplementedError

    def execute(self, context: Context) -> set[str]:
        self.interactive = False
        try:
            self.finish(context, run_to_end(self.start(context)))
        except MaquetteError as error:
            return self._refuse(error)
        return {'FINISHED'}

    def invoke(self, context: Context, event: Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        self.interactive = True
        try:
            return self._go_modal(context, self.start(context))
        except MaquetteError as error:
            return self._refuse(error)

    def modal(self, context: Context, event: Event) -> set[str]:
        job = self._job
        if event.type == 'ESC' and event.value == 'PRESS':
            job.cancel()
        elif event.type != 'TIMER':
            return {'PASS_THROUGH'}
        if not job.driver.poll():
            show_progress(f"{job.label}: {job.told()}   (Esc: stop)")
            return {'RUNNING_MODAL'}
        job.leave()
        try:
            self.finish(context, job.driver.result())
        except MaquetteError as error:
            return self._refuse(error)
        return {'FINISHED'}

    def cancel(self, context: Context) -> None:
        """Blender quits or loads a file while the work is running."""
        self._job.cancel()
        self._job.leave()

    def _go_modal(self, context: Context, work: Work[Any]) -> set[str]:
        global _running
        timer = context.window_manager.event_timer_add(_POLL_SECONDS, window=context.window)
        self._job = _running = Job(self.bl_label, self.driver(work), timer)
        context.window_manager.modal_handler_add(self)
        return {'RUNNING_MODAL'}

    def _refuse(self, error: MaquetteError) -> set[str]:
        self.report({'INFO'} if isinstance(error, Cancelled) else {'ERROR'}, f"{self.bl_label}: {error}")
        return {'CANCELLED'}


class MAQUETTE_OT_stop_work(bpy.types.Operator):
    """Stop what Maquette is doing; the scene stays as it was"""

    bl_idname = "maquette.stop_work"
    bl_label = "Stop"
    bl_options = {'INTERNAL'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _running is None:
            cls.poll_message_set("Nothing is running")
        return _running is not None

    def execute(self, context: Context) -> set[str]:
        if _running:
            _running.cancel()
        return {'FINISHED'}


register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_stop_work,))


def unregister() -> None:
    """Blender drops the modal operators of a disabled add-on without a word: stop their work here."""
    if _running:
        _running.cancel()
        _running.leave()
    _unregister()
