"""Runs the long work of an operator: to its end, or beside the living window with progress and Esc."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import IntProperty
from bpy.types import Context, Event, Timer

from ..core.errors import Cancelled, MaquetteError
from ..core.jobs.task import Progress, ProgressClock, SteppedTask, Task, ThreadedTask, run_to_end

_POLL_SECONDS = 0.1


class QueuedTask:
    """A work that runs while the window stays usable, or waits in line until those before it are done."""

    def __init__(
        self, label: str, driver: type[SteppedTask[Any]], work: Task[Any], timer: Timer
    ) -> None:
        self.label = label
        self._begin = lambda: driver(work)
        self._driver: SteppedTask[Any] | None = None
        self._cancelled = False
        self._timer = timer
        self._clock = ProgressClock()
        _line.append(self)
        self._begin_in_turn()

    @property
    def progress(self) -> Progress:
        return self._driver.progress if self._driver else Progress(0.0, "Waiting")

    def status_text(self) -> str:
        """Its progress and the time left, for the panel and the status bar."""
        return self._clock.progress_text(self.progress)

    def poll(self) -> bool:
        """Begin when its turn has come; True once there is nothing left to do."""
        self._begin_in_turn()
        return self._driver.poll() if self._driver else self._cancelled

    def _begin_in_turn(self) -> None:
        if self._driver is None and _line[0] is self and not self._cancelled:
            self._driver = self._begin()

    def result(self) -> Any:
        """What the work returned; raises what it raised, or Cancelled."""
        if self._driver is None:
            raise Cancelled("Stopped")
        return self._driver.result()

    def cancel(self) -> None:
        self._cancelled = True
        if self._driver:
            self._driver.cancel()

    def dequeue(self) -> None:
        """Leave the line, and take the timer and the texts of the window away."""
        _line.remove(self)
        bpy.context.window_manager.event_timer_remove(self._timer)
        show_progress(None)


_line: list[QueuedTask] = []  # the first one runs
_shown: str | None = None


def running_task() -> QueuedTask | None:
    """The job whose progress the panel shows, if any."""
    return _line[0] if _line else None


def waiting_tasks() -> list[QueuedTask]:
    """The jobs in line behind it."""
    return _line[1:]


def show_progress(text: str | None) -> None:
    """Put ``text`` into the status bar, None for Blender's own, and let the sidebars draw again; not for the same text,
    since drawing is what holds the window longest.
    """
    global _shown
    if text is not None and text == _shown:
        return
    _shown = text
    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(text)
        for area in window.screen.areas:
            if area.type in {'VIEW_3D', 'PREFERENCES'}:
                for region in area.regions:
                    if region.type == 'UI' or area.type == 'PREFERENCES':
                        region.tag_redraw()


class TaskOperator:
    """Mix-in: a subclass says what the work is and what becomes of its result.

    Called as ``bpy.ops.x.y()``, or in background mode, it blocks until the work is
    done. Invoked from the interface it goes modal, shows progress and stops on Esc;
    while another runs it waits in line, unless its work reads the scene as it goes.
    """

    driver: ClassVar[type[SteppedTask[Any]]] = ThreadedTask  # SteppedWork where the work uses bpy
    interactive = False  # whether this run goes on beside the window
    _job: QueuedTask

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _line and cls.driver is SteppedTask:
            cls.poll_message_set(f"{_line[0].label} is running: wait, or stop it with Esc")
            return False
        return True

    def label(self) -> str:
        """What the job is called in the panel."""
        return self.bl_label

    def start(self, context: Context) -> Task[Any]:
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
            return self.report_error(error)
        return {'FINISHED'}

    def invoke(self, context: Context, event: Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        self.interactive = True
        try:
            return self._go_modal(context, self.start(context))
        except MaquetteError as error:
            return self.report_error(error)

    def modal(self, context: Context, event: Event) -> set[str]:
        job = self._job
        if event.type == 'ESC' and event.value == 'PRESS' and job is running_task():
            job.cancel()
        elif event.type != 'TIMER':
            return {'PASS_THROUGH'}
        if not job.poll():
            if job is not running_task():
                return {'PASS_THROUGH'}
            show_progress(f"{job.label}: {job.status_text()}   (Esc: stop)")
            return {'RUNNING_MODAL'}
        job.dequeue()
        try:
            self.finish(context, job.result())
        except MaquetteError as error:
            return self.report_error(error)
        return {'FINISHED'}

    def cancel(self, context: Context) -> None:
        """Blender quits or loads a file while the work is running."""
        self._job.cancel()
        self._job.dequeue()

    def _go_modal(self, context: Context, work: Task[Any]) -> set[str]:
        timer = context.window_manager.event_timer_add(_POLL_SECONDS, window=context.window)
        self._job = QueuedTask(self.label(), self.driver, work, timer)
        context.window_manager.modal_handler_add(self)
        return {'RUNNING_MODAL'}

    def report_error(self, error: MaquetteError) -> set[str]:
        self.report(
            {'INFO'} if isinstance(error, Cancelled) else {'ERROR'}, f"{self.bl_label}: {error}"
        )
        return {'CANCELLED'}


class MAQUETTE_OT_stop_work(bpy.types.Operator):
    """Stop what Maquette is doing, or is to do next; the scene stays as it was"""

    bl_idname = "maquette.stop_work"
    bl_label = "Stop"
    bl_options = {'INTERNAL'}

    place: IntProperty(
        name="Place", description="In the line of jobs: 0 is the one that runs", min=0
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not _line:
            cls.poll_message_set("Nothing is running")
        return bool(_line)

    def execute(self, context: Context) -> set[str]:
        if self.place < len(_line):
            _line[self.place].cancel()
        return {'FINISHED'}


register, _unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_stop_work,))


def unregister() -> None:
    """Blender drops the modal operators of a disabled add-on without a word: stop their work here."""
    for job in list(_line):
        job.cancel()
        job.dequeue()
    _unregister()
