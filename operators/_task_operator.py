"""Run the task of an operator: to its end, or modally while the window stays usable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import bpy
from bpy.types import Context, Event, Timer

from ..core.console import printable
from ..core.errors import Cancelled, MaquetteError
from ..core.jobs.task import Progress, ProgressClock, SteppedTask, Task, ThreadedTask, run_to_end

_POLL_SECONDS = 0.1

# A string in the layout of each panel with buttons: the panel that shows the progress of what they
# begin. What begins elsewhere, by a dropped file or from a menu, is shown by the first one.
PANEL_KEY = "maquette_panel"
FIRST_PANEL = "MAQUETTE_PT_reconstruct"


class QueuedTask:
    """A task that runs while the window stays usable, or waits until those before it have ended."""

    def __init__(
        self,
        label: str,
        panel: str,
        driver: type[SteppedTask[Any]],
        task: Task[Any],
        timer: Timer,
    ) -> None:
        self.label = label
        self.panel = panel
        self._driver_class = driver
        self._pending = task
        self._driver: SteppedTask[Any] | None = None
        self._cancelled = False
        self._timer = timer
        self._clock = ProgressClock()

        # With nothing in front of it, it begins at once.
        queue.append(self)
        self._begin_in_turn()

    @property
    def progress(self) -> Progress:
        """How far the task is."""
        return self._driver.progress if self._driver else Progress(0.0, "Waiting")

    def status_text(self) -> str:
        """Return the progress and the time left, for the panel and the status bar."""
        return self._clock.progress_text(self.progress)

    def poll(self) -> bool:
        """Begin the task in its turn, or take a step; return whether nothing is left to do."""
        self._begin_in_turn()
        return self._driver.poll() if self._driver else self._cancelled

    def result(self) -> Any:
        """Return what the task returned.

        Raises:
            Cancelled: the task was stopped, perhaps before it began.
            Exception: what the task raised.
        """
        if self._driver is None:
            raise Cancelled("Stopped")
        return self._driver.result()

    def cancel(self) -> None:
        """Stop the task, or prevent it from beginning."""
        self._cancelled = True
        if self._driver:
            self._driver.cancel()

    def dequeue(self) -> None:
        """Leave the queue, and remove the timer and the window's status text."""
        queue.remove(self)
        bpy.context.window_manager.event_timer_remove(self._timer)
        show_progress(None)

    def _begin_in_turn(self) -> None:
        if self._driver is None and queue.running() is self and not self._cancelled:
            self._driver = self._driver_class(self._pending)


class TaskQueue:
    """The tasks of this Blender in their order. The first one runs."""

    def __init__(self) -> None:
        self._tasks: list[QueuedTask] = []

    def append(self, task: QueuedTask) -> None:
        """Put ``task`` at the end."""
        self._tasks.append(task)

    def remove(self, task: QueuedTask) -> None:
        """Take ``task`` out."""
        self._tasks.remove(task)

    def running(self) -> QueuedTask | None:
        """Return the first task, if there is any."""
        return self._tasks[0] if self._tasks else None

    def waiting(self) -> list[QueuedTask]:
        """Return the tasks behind the first one."""
        return self._tasks[1:]

    def shown_in(self, panel: str) -> list[tuple[int, QueuedTask]]:
        """Return the tasks whose progress ``panel`` shows, each after its place in the queue."""
        return [(index, task) for index, task in enumerate(self._tasks) if task.panel == panel]

    def cancel(self, index: int) -> None:
        """Cancel the task at ``index``, if there is one; 0 is the running one."""
        if index < len(self._tasks):
            self._tasks[index].cancel()

    def clear(self) -> None:
        """Cancel and remove all tasks."""
        # A copy, since each task removes itself from the list.
        for task in list(self._tasks):
            task.cancel()
            task.dequeue()


queue = TaskQueue()
_status_text: str | None = None
_inherited_panel = ""  # of the task whose result is being used; what that begins is shown there too


def running_task() -> QueuedTask | None:
    """Return the task that runs, if any."""
    return queue.running()


def show_progress(text: str | None) -> None:
    """Show ``text`` in the status bar and redraw the sidebars.

    Nothing is drawn if the text is the same as before, since drawing blocks the window longest.

    Args:
        text: None for Blender's status text.
    """
    global _status_text
    if text is not None and text == _status_text:
        return
    _status_text = text
    if text is not None:
        text = printable(text)

    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(text)
        for area in window.screen.areas:
            _redraw_progress(area)


def _redraw_progress(area: bpy.types.Area) -> None:
    """Redraw the regions of ``area`` that may show progress: sidebars, and the preferences."""
    if area.type not in {'VIEW_3D', 'IMAGE_EDITOR', 'PREFERENCES'}:
        return
    for region in area.regions:
        if region.type == 'UI' or area.type == 'PREFERENCES':
            region.tag_redraw()


def _panel_of(context: Context) -> str:
    """Return the panel that shows the progress of what begins in ``context``."""
    return getattr(context, PANEL_KEY, None) or _inherited_panel or FIRST_PANEL


@contextmanager
def _inherit_panel(panel: str) -> Iterator[None]:
    """Let ``panel`` show the tasks that begin in the meantime without a panel of their own."""
    global _inherited_panel
    _inherited_panel = panel
    try:
        yield
    finally:
        _inherited_panel = ""


class TaskOperator:
    """Mix-in of an operator that does long work: a subclass makes the task and uses its result.

    Called as ``bpy.ops.x.y()``, or in background mode, it blocks until the task is done. Invoked
    from the interface it goes modal, shows progress and stops on Esc. While another task runs it
    waits in the queue.
    """

    driver: ClassVar[type[SteppedTask[Any]]] = ThreadedTask  # SteppedTask where the task uses bpy
    interactive = False  # whether this run is modal
    _task: QueuedTask

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Return False while a task runs, if this one reads the scene step by step.

        Such a task cannot wait in the queue: the scene may change until its turn. A subclass whose
        task reads the scene at once overrides this.
        """
        running = running_task()
        if running and cls.driver is SteppedTask:
            cls.poll_message_set(
                f"{running.label} is running. Wait until it finishes, or press Esc to stop it"
            )
            return False
        return True

    def label(self) -> str:
        """Return the name of the job in the panel."""
        return self.bl_label

    def start(self, context: Context) -> Task[Any]:
        """Check the properties, read the input from Blender and return the task."""
        raise NotImplementedError

    def finish(self, context: Context, result: Any) -> None:
        """Put ``result`` into Blender and report it."""
        raise NotImplementedError

    def show_preview(self, context: Context) -> None:
        """Show what there is already, without changing the file; called again and again."""

    def hide_preview(self) -> None:
        """Remove what :meth:`show_preview` shows: the task has ended."""

    def execute(self, context: Context) -> set[str]:
        """Run the task to its end."""
        self.interactive = False
        try:
            self.finish(context, run_to_end(self.start(context)))
        except MaquetteError as error:
            return self.report_error(error)
        return {'FINISHED'}

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Queue the task and go modal, or run it to its end in background mode."""
        # Without a window there are no timer events.
        if bpy.app.background:
            return self.execute(context)
        self.interactive = True
        try:
            return self._go_modal(context, self.start(context))
        except MaquetteError as error:
            return self.report_error(error)

    def modal(self, context: Context, event: Event) -> set[str]:
        """Poll the task at each timer event; stop it on Esc."""
        task = self._task
        # Only the task in front reacts to Esc: each modal operator gets the event.
        if event.type == 'ESC' and event.value == 'PRESS' and task is running_task():
            task.cancel()
        elif event.type != 'TIMER':
            return {'PASS_THROUGH'}

        # While the task runs, events other than those of its timer go on to Blender.
        if not task.poll():
            if task is not running_task():
                return {'PASS_THROUGH'}
            show_progress(f"{task.label}: {task.status_text()}   (Esc: Stop)")
            self.show_preview(context)
            return {'RUNNING_MODAL'}

        # It has ended, so the next one may run while this result is used.
        task.dequeue()
        self.hide_preview()
        try:
            with _inherit_panel(task.panel):
                self.finish(context, task.result())
        except MaquetteError as error:
            return self.report_error(error)

        return {'FINISHED'}

    def cancel(self, context: Context) -> None:
        """Stop the task because Blender quits or loads a file."""
        self._task.cancel()
        self._task.dequeue()
        self.hide_preview()

    def report_error(self, error: MaquetteError) -> set[str]:
        """Report ``error``; being stopped by the user is no error."""
        kind = 'INFO' if isinstance(error, Cancelled) else 'ERROR'
        self.report({kind}, printable(f"{self.bl_label}: {error}"))
        return {'CANCELLED'}

    def _go_modal(self, context: Context, task: Task[Any]) -> set[str]:
        timer = context.window_manager.event_timer_add(_POLL_SECONDS, window=context.window)
        self._task = QueuedTask(self.label(), _panel_of(context), self.driver, task, timer)
        context.window_manager.modal_handler_add(self)
        return {'RUNNING_MODAL'}


def register() -> None:
    """Do nothing: there are no classes here."""


def unregister() -> None:
    """Stop all tasks: Blender drops the modal operators of a disabled add-on without notice."""
    queue.clear()
