"""The modal path, driven by hand: a Blender without windows has no event loop."""

import time
from types import SimpleNamespace
from typing import ClassVar

import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import Progress, SteppedTask, ThreadedTask


class FakeWindow:
    """Stands for window manager, workspace and window at once; counts open timers."""

    def __init__(self):
        self.timers = 0
        self.status = None
        self.messages = []
        self.windows = [self]
        self.workspace = self
        self.screen = SimpleNamespace(areas=[])

    def event_timer_add(self, seconds, *, window):
        self.timers += 1

    def event_timer_remove(self, timer):
        self.timers -= 1

    def modal_handler_add(self, operator):
        pass

    def status_text_set(self, text):
        self.status = text
        self.messages.append(text)


@pytest.fixture
def window(addon, monkeypatch):
    from maquette.operators import _task_operator

    window = FakeWindow()
    context = SimpleNamespace(window_manager=window, window=window)
    monkeypatch.setattr(
        _task_operator,
        "bpy",
        SimpleNamespace(context=context, app=SimpleNamespace(background=False)),
    )
    return window


@pytest.fixture(params=[ThreadedTask, SteppedTask])
def run(request, window):
    """Runs a work through WorkOperator's invoke and modal with the given events, then timers."""
    from maquette.operators import _task_operator

    class Probe(_task_operator.TaskOperator):
        bl_label = "Probe"
        driver = request.param

        def start(self, context):
            return self.work

        def finish(self, context, result):
            self.result = result

        def report(self, kind, text):
            self.messages = (kind, text)

    def _run(work, events=()):
        operator = Probe()
        operator.work = work
        outcome = operator.invoke(_task_operator.bpy.context, None)
        assert outcome == {'RUNNING_MODAL'} and _task_operator.running_task() is not None
        for kind in (*events, *["TIMER"] * 10**6):
            outcome = operator.modal(
                _task_operator.bpy.context, SimpleNamespace(type=kind, value='PRESS')
            )
            if not outcome & {'RUNNING_MODAL', 'PASS_THROUGH'}:
                break
            time.sleep(0.001)
        assert _task_operator.running_task() is None and (window.timers, window.status) == (0, None)
        return operator, outcome

    return _run


def forever():
    while True:
        yield Progress(0.5, "Going on")
        time.sleep(0.005)


def test_runs_to_the_end(run, window):
    def work():
        yield Progress(0.25, "Reading")
        time.sleep(0.05)
        yield Progress(0.5, "Half")
        time.sleep(0.05)
        return 42

    operator, outcome = run(work())
    assert (outcome, operator.result) == ({'FINISHED'}, 42)
    assert "Probe: Half, 50%   (Esc: Stop)" in window.messages


def test_escape_stops_and_closes_the_work(run):
    log = []

    def work():
        try:
            yield from forever()
        finally:
            log.append("closed")

    operator, outcome = run(work(), ["MOUSEMOVE", "TIMER", "ESC"])
    assert (outcome, operator.messages) == ({'CANCELLED'}, ({'INFO'}, "Probe: Stopped"))
    assert log == ["closed"]


def test_an_error_is_reported(run):
    def work():
        yield Progress(0, "Looking")
        raise ImageError("the picture is bad")

    operator, outcome = run(work())
    assert (outcome, operator.messages) == ({'CANCELLED'}, ({'ERROR'}, "Probe: the picture is bad"))


def test_a_bug_flies_after_the_window_is_put_back(run, window):
    from maquette.operators import _task_operator

    def work():
        yield Progress(0, "Looking")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work())
    assert _task_operator.running_task() is None and (window.timers, window.status) == (0, None)


@pytest.mark.parametrize("run", [ThreadedTask], indirect=True)
def test_escape_does_not_wait_for_a_long_step(run):
    """Importing torch takes seconds, and cannot be interrupted."""

    def work():
        yield Progress(0, "Loading")
        time.sleep(5)
        yield Progress(0.5, "Loaded")

    began = time.monotonic()
    _, outcome = run(work(), ["TIMER"] * 20 + ["ESC"])
    assert outcome == {'CANCELLED'} and time.monotonic() - began < 1


@pytest.fixture
def line(window):
    """Puts works into the line; each call gives an operator. All have left it at the end."""
    from maquette.operators import _task_operator

    class Probe(_task_operator.TaskOperator):
        bl_label = "Probe"
        messages: ClassVar = []
        poll_message_set = messages.append

        def finish(self, context, result):
            self.result = result

        def report(self, kind, text):
            self.report_text = text

        def tick(self, kind="TIMER"):
            return self.modal(_task_operator.bpy.context, SimpleNamespace(type=kind, value='PRESS'))

        def to_end(self):
            while (outcome := self.tick()) & {'RUNNING_MODAL', 'PASS_THROUGH'}:
                time.sleep(0.001)
            return outcome

    def add(work):
        operator = Probe()
        operator.start = lambda context: work
        assert Probe.poll(_task_operator.bpy.context) and operator.invoke(
            _task_operator.bpy.context, None
        ) == {'RUNNING_MODAL'}
        return operator

    yield add
    assert _task_operator.running_task() is None and (window.timers, window.status) == (0, None)


def counting(log, name):
    log.append(f"{name} begins")
    for step in range(3):
        yield Progress(step / 3, name)
        time.sleep(0.01)
    log.append(f"{name} ends")
    return name


def test_the_second_begins_when_the_first_has_ended(line):
    from maquette.operators import _task_operator

    log = []
    first, second = line(counting(log, "first")), line(counting(log, "second"))
    first.tick()
    for _ in range(20):
        assert second.tick() == {'PASS_THROUGH'}  # others get its event, too
        time.sleep(0.005)
    assert (
        log[0] == "first begins"
        and "second begins" not in log
        and len(_task_operator.queue.waiting()) == 1
    )
    assert first.to_end() == second.to_end() == {'FINISHED'}
    assert (first.result, second.result) == ("first", "second")
    assert log == ["first begins", "first ends", "second begins", "second ends"]


def test_escape_stops_the_one_that_runs_and_the_button_any(line):
    import bpy
    from maquette.operators import _task_operator

    log = []
    first, second, third = (line(counting(log, name)) for name in ("first", "second", "third"))
    first.tick()
    assert third.tick("ESC") == {'PASS_THROUGH'}
    bpy.ops.maquette.stop_work(place=1)
    assert second.to_end() == {'CANCELLED'} and second.report_text == "Probe: Stopped"
    assert [job is third._task for job in _task_operator.queue.waiting()] == [True]
    first.tick("ESC")
    assert first.to_end() == {'CANCELLED'}
    assert third.to_end() == {'FINISHED'} and "second begins" not in log


def test_loading_a_file_empties_the_line(line):
    from maquette.operators import _task_operator

    operators = [line(forever()) for _ in range(3)]
    operators[0].tick()
    for operator in operators:
        operator.cancel(_task_operator.bpy.context)


def test_each_panel_shows_what_its_buttons_began(line, monkeypatch):
    from maquette.operators import _task_operator

    context = _task_operator.bpy.context
    elsewhere = line(forever())
    monkeypatch.setattr(context, _task_operator.PANEL_KEY, "MAQUETTE_PT_finish", raising=False)
    finish = line(forever())
    shown = _task_operator.queue.shown_in
    assert shown("MAQUETTE_PT_finish") == [(1, finish._task)]
    assert shown(_task_operator.FIRST_PANEL) == [(0, elsewhere._task)]
    for operator in (elsewhere, finish):
        operator.cancel(context)


def test_what_a_result_begins_is_shown_where_its_own_button_is(line, monkeypatch):
    from maquette.operators import _task_operator

    context = _task_operator.bpy.context
    monkeypatch.setattr(context, _task_operator.PANEL_KEY, "MAQUETTE_PT_image", raising=False)
    first = line(counting([], "first"))
    monkeypatch.setattr(context, _task_operator.PANEL_KEY, None)
    texturing = []
    first.finish = lambda context, result: texturing.append(line(forever()))
    first.to_end()
    assert texturing[0]._task.panel == "MAQUETTE_PT_image"
    later = line(forever())
    assert later._task.panel == _task_operator.FIRST_PANEL
    for operator in (*texturing, later):
        operator.cancel(context)


def test_what_reads_the_scene_as_it_goes_does_not_wait_in_line(line):
    from maquette.operators import _task_operator

    class Stepped(_task_operator.TaskOperator):
        bl_label = "Stepped"
        driver = SteppedTask
        messages: ClassVar = []
        poll_message_set = messages.append

    first = line(forever())
    assert (
        not Stepped.poll(_task_operator.bpy.context) and "Probe is running" in Stepped.messages[0]
    )
    first.cancel(_task_operator.bpy.context)
    assert Stepped.poll(_task_operator.bpy.context)


def test_disabling_the_add_on_stops_the_work(window, addon, monkeypatch):
    from maquette.operators import _task_operator

    class Probe(_task_operator.TaskOperator):
        bl_label = "Probe"

    log = []

    def work():
        try:
            yield from forever()
        finally:
            log.append("closed")

    operator = Probe()
    operator._go_modal(_task_operator.bpy.context, work())
    time.sleep(0.05)
    addon.unregister()
    assert _task_operator.running_task() is None and (window.timers, window.status) == (0, None)
    time.sleep(0.1)
    assert log == ["closed"]
    addon.register()
