"""Main loop of a worker process: tasks of this package, one after the other.

It reads messages (:mod:`.messages`) from stdin and answers on stdout. It ends when stdin does, so
that no process remains whatever happens to the one that started it, and after its idle time.

    {"run": "module:function", "job": 1, "arguments": [...], "idle": 300, "folder": "/home/me"}  ->
        {"job": 1, "progress": Progress} ..., {"alive": True} every few seconds,
        then one of {"job": 1, "result": ...}, {"job": 1, "error": [class, text]},
        {"job": 1, "bug": traceback}, {"job": 1, "stopped": True}
    {"stop": 1}  ->  the job stops at its next step
"""

from __future__ import annotations

import os
import queue
import shutil
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from typing import IO, Any, NoReturn

from .. import errors
from . import messages, temporary_folders

SCRATCH_VARIABLE = "MAQUETTE_SCRATCH"  # environment: folder that the process removes at its end
_BEAT_SECONDS = 2.0

_last_canceled = 0  # number of the last job that shall stop


class _Answers:
    """The stream of answers, which the job and the heartbeat share."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; end the process if nobody wants it any more."""
        parts = messages.message_parts(message)
        try:
            with self._lock:
                messages.write_parts(self._stream, parts)
        except OSError:
            _leave(0)


def serve_jobs() -> NoReturn:
    """Run jobs until stdin ends or the idle time is over."""
    # Output of libraries must not get between the messages: from here on it goes to stderr.
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    messages.begin_messages(stream)
    answers = _Answers(stream)

    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    is_busy = threading.Event()
    threading.Thread(target=_read_messages, args=(sys.stdin.buffer, inbox), daemon=True).start()
    threading.Thread(target=_beat, args=(answers, is_busy), daemon=True).start()

    idle = None
    while True:
        try:
            message = inbox.get(timeout=idle)
        except queue.Empty:
            _leave(0)
        idle = message["idle"]
        is_busy.set()
        _run_job(message, answers)
        is_busy.clear()


def _leave(code: int) -> NoReturn:
    """End the process at once, whatever other threads do, without its temporary files."""
    scratch = os.environ.get(SCRATCH_VARIABLE, "")
    is_ours = os.path.basename(scratch).startswith(temporary_folders.PREFIX)  # noqa: PTH119
    if is_ours and scratch == tempfile.gettempdir():
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def _beat(answers: _Answers, is_busy: threading.Event) -> None:
    """Tell that the process lives while a step of a job takes long. Runs on a thread."""
    while True:
        time.sleep(_BEAT_SECONDS)
        is_busy.wait()
        answers.send({"alive": True})


def _read_messages(stream: IO[bytes], inbox: queue.Queue[dict[str, Any]]) -> None:
    """Put the jobs that arrive into ``inbox``, and note which of them shall stop."""
    global _last_canceled
    try:
        while True:
            message = messages.receive_message(stream)
            if "stop" in message:
                _last_canceled = message["stop"]
            else:
                inbox.put(message)
    except EOFError:
        _leave(0)  # also in the middle of a step: the process that wants the result has ended
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        _leave(1)


def _run_job(message: dict[str, Any], answers: _Answers) -> None:
    """Run a job and send its progress and outcome."""
    job = message["job"]
    # Relative paths in the arguments count from the folder in which the sender is now.
    with suppress(OSError, TypeError):
        os.chdir(message["folder"])

    try:
        answers.send({"job": job, **_job_outcome(message, answers)})
    except (TypeError, ValueError):  # the result cannot be sent
        answers.send({"job": job, "bug": traceback.format_exc()})


def _job_outcome(message: dict[str, Any], answers: _Answers) -> dict[str, Any]:
    """Run a job, send its progress, and return what its last message says."""
    job = message["job"]
    try:
        work = messages.resolve_name(message["run"])(*message["arguments"])
        while _last_canceled < job:
            answers.send({"job": job, "progress": next(work)})
        work.close()
        return {"stopped": True}
    except StopIteration as stop:
        return {"result": stop.value}
    except errors.MaquetteError as error:
        return {"error": [type(error).__name__, str(error)]}
    except Exception:
        return {"bug": traceback.format_exc()}
