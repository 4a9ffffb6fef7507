"""Main loop of a worker process: tasks of this package, one after the other.

It reads messages (:mod:`.messages`) from stdin and answers on stdout. It ends when stdin does, so
that no process remains whatever happens to the one that started it, and after its idle time.

    {"run": "module:function", "job": 1, "arguments": [...], "idle": 300}  ->
        {"progress": Progress} ...,
        then one of {"result": ...}, {"error": [class, text]}, {"bug": traceback}, {"stopped": True}
    {"stop": 1}  ->  the job stops at its next step
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from typing import IO, Any, NoReturn

from .. import errors
from . import messages

_last_canceled = 0  # number of the last job that shall stop


def serve_jobs() -> NoReturn:
    """Run jobs until stdin ends or the idle time is over."""
    # Output of libraries must not get between the messages: from here on it goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    messages.begin_messages(answers)

    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read_messages, args=(sys.stdin.buffer, inbox), daemon=True).start()

    idle = None
    while True:
        try:
            message = inbox.get(timeout=idle)
        except queue.Empty:
            os._exit(0)
        idle = message["idle"]
        messages.send_message(answers, _run_job(message, answers))


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
        os._exit(0)  # also in the middle of a step: the process that wants the result has ended
    except Exception:
        traceback.print_exc()
        os._exit(1)


def _run_job(message: dict[str, Any], answers: IO[bytes]) -> dict[str, Any]:
    """Run a job, send its progress, and return the last message about it."""
    try:
        work = messages.resolve_name(message["run"])(*message["arguments"])
        while _last_canceled < message["job"]:
            messages.send_message(answers, {"progress": next(work)})
        work.close()
        return {"stopped": True}
    except StopIteration as stop:
        return {"result": stop.value}
    except errors.MaquetteError as error:
        return {"error": [type(error).__name__, str(error)]}
    except BrokenPipeError:
        os._exit(0)
    except Exception:
        return {"bug": traceback.format_exc()}
