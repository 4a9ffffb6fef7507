"""What runs in a worker process: works of this package, one after the other, for the process that started it.

It reads messages (:mod:`.wire`) from stdin and answers on stdout. It ends when stdin does, so that none is left behind
whatever becomes of the one that started it, and after its idle time.

    {"run": "module:function", "job": 1, "arguments": [...], "idle": 300}  ->  {"progress": Progress} ...,
        then one of {"result": ...}, {"error": [class, text]}, {"bug": traceback}, {"stopped": True}
    {"stop": 1}  ->  the job stops at its next step
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO, NoReturn

from .. import errors
from . import messages

_stopped = 0  # the last job that is not wanted any more


def serve_jobs() -> NoReturn:
    """Work until stdin or the patience ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the messages
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


def _read_messages(stream: BinaryIO, inbox: queue.Queue[dict[str, Any]]) -> None:
    global _stopped
    try:
        while True:
            message = messages.receive_message(stream)
            if "stop" in message:
                _stopped = message["stop"]
            else:
                inbox.put(message)
    except EOFError:
        os._exit(0)  # also in the middle of a step: nobody waits for its result
    except Exception:
        traceback.print_exc()
        os._exit(1)


def _run_job(message: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    """Do the job, telling of its progress; the last message of it."""
    try:
        work = messages.resolve_name(message["run"])(*message["arguments"])
        while _stopped < message["job"]:
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
