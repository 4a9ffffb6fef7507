"""Stop a command in order at Ctrl+C, SIGTERM, a closed terminal, or the end of its parent.

In order means that every ``with`` and ``finally`` is passed, so that nothing stays in the temporary
folder. Native code, such as a render, only lets Python go on when it is done; a command that has
not stopped after some seconds is ended without more ado.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import bpy

from ...core.console import flush_console
from ...core.jobs import lifeline, temporary_folders

SIGNAL_CODE = 128  # shells report a process that a signal ended as 128 and the signal's number
GRACE_SECONDS = 5.0  # in which a command has to stop
LIFELINE_VARIABLE = "MAQUETTE_LIFELINE"  # environment of a child whose stdin ends with its parent

_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)


@contextmanager
def stop_in_order() -> Iterator[None]:
    """Raise SystemExit with a shell's exit code in the main thread when the command shall stop.

    Further signals are ignored from then on, so that they do not disturb the cleanup. A signal that
    is ignored already, as by ``nohup``, stays so. Does nothing on another thread than the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # The system reports signals at once through a socket, even while native code runs.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    done = threading.Event()
    threading.Thread(
        target=_end_if_late, args=(receiver, done), name="maquette-signals", daemon=True
    ).start()
    previous_socket = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    previous = {}
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            previous[number] = signal.signal(number, _raise_exit)
    if os.environ.pop(LIFELINE_VARIABLE, None):
        lifeline.watch_stdin(_stop_orphan)

    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(previous_socket)
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
        sender.close()


def end_console(code: int) -> NoReturn:
    """End the process of the script ``maquette`` at once, without its temporary folders."""
    flush_console()
    lifeline.end_process(code)


def own_blender_folder() -> None:
    """Let the temporary folder of the bpy module be removed with this package's."""
    temporary_folders.mark_folder(Path(bpy.app.tempdir))


def _raise_exit(number: int, frame: FrameType | None) -> NoReturn:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(SIGNAL_CODE + number)


def _end_if_late(receiver: socket.socket, done: threading.Event) -> None:
    """End the process some seconds after a signal if the command has not. Runs on a thread."""
    with receiver:
        # Other signals arrive here as well, such as those of ended children.
        while (received := receiver.recv(1)) and received[0] not in _SIGNALS:
            pass
    if received and not done.wait(GRACE_SECONDS):
        temporary_folders.remove_folders()
        os._exit(SIGNAL_CODE + received[0])


def _stop_orphan() -> float:
    """Stop as at SIGTERM, since the parent has ended; return the seconds in which it shall."""
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)
    # The other thread ends it before.
    return 2 * GRACE_SECONDS
