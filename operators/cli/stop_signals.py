"""Stop a command in order at Ctrl+C, SIGTERM, a closed terminal, or the end of its parent.

In order means that every ``with`` and ``finally`` is passed, so that nothing stays in the temporary
folder. An exception does that, but not everywhere: Blender prints those of the Python code that it
calls, such as that of Cycles, and goes on. There the exception waits for that code to return.

    signal -> handler -> in this package?  raise Stopped
                         in a callback?    sys.setprofile -> it has returned -> raise Stopped
           -> socket  -> thread            has it stopped after some seconds?  else end the process

Native code, such as a long render, lets no handler run until it is done; hence the thread.
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
from ...core.resources import PACKAGE

SIGNAL_CODE = 128  # shells report a process that a signal ended as 128 and the signal's number
GRACE_SECONDS = 5.0  # in which a command has to stop
LIFELINE_VARIABLE = "MAQUETTE_LIFELINE"  # environment of a child whose stdin ends with its parent

_THREAD_SECONDS = 1.0  # that the thread may take to end after the command
_MAIN = Path(__file__).with_name("main.py")
_OURS = (PACKAGE / "core", PACKAGE / "operators")  # a Blender may lie elsewhere in the package
_CALLS = ("bpy", "ops.py")  # of Blender's folder "scripts", what this package calls itself
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
_process = 0  # whose command is to be stopped


class Stopped(BaseException):
    """The command shall stop; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def stop_in_order() -> Iterator[None]:
    """Raise :class:`Stopped` in the main thread when the command shall stop.

    Further signals are ignored from then on, so that they do not disturb the cleanup. A signal that
    is ignored already, as by ``nohup``, stays so. Does nothing on another thread than the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    global _process
    _process = os.getpid()

    # The system reports signals at once through a socket, even while native code runs.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    done = threading.Event()
    receiver_thread = threading.Thread(
        target=_end_if_late, args=(receiver, done), name="maquette-signals", daemon=True
    )
    receiver_thread.start()
    previous_socket = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    previous = {}
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            previous[number] = signal.signal(number, _handle_signal)
    if os.environ.pop(LIFELINE_VARIABLE, None):
        lifeline.watch_stdin(_stop_orphan)

    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(previous_socket)
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)

        # The thread reads the end of it. Whatever arrives until then needs the other end.
        sender.close()
        receiver_thread.join(_THREAD_SECONDS)
        receiver.close()


def end_console(code: int) -> NoReturn:
    """End the process of the script ``maquette`` at once, without its temporary folders."""
    flush_console()
    lifeline.end_process(code)


def own_blender_folder() -> None:
    """Let the temporary folder of the bpy module be removed with this package's."""
    temporary_folders.mark_folder(Path(bpy.app.tempdir))


def _handle_signal(number: int, frame: FrameType | None) -> None:
    """Raise Stopped, now or as soon as it can pass."""
    if os.getpid() != _process:  # a fork, such as those that load data for PyTorch
        raise KeyboardInterrupt
    for other in _SIGNALS:
        if signal.getsignal(other) is _handle_signal:
            signal.signal(other, _do_nothing)

    stopped = Stopped(SIGNAL_CODE + number)
    if frame is None or not _is_in_callback(frame):
        raise stopped

    def raise_later(frame: FrameType, event: str, argument: object) -> None:
        if not _is_in_callback(frame):
            sys.setprofile(None)
            raise stopped

    # It is called at each call and return of a function from now on.
    sys.setprofile(raise_later)


def _is_in_callback(frame: FrameType | None) -> bool:
    """Return whether ``frame`` is Python code that Blender has called, or is called from such."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        is_of_blender = "scripts" in path.parts and not any(map(path.is_relative_to, _OURS))
        if is_of_blender and path.parts[-2:] != _CALLS:
            return True
        if path == _MAIN:  # what has called the command does not matter
            return False
        frame = frame.f_back

    return False


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Ignore a signal. SIG_IGN would make Python complain of those that have just arrived."""


def _end_if_late(receiver: socket.socket, done: threading.Event) -> None:
    """End the process some seconds after a signal if the command has not. Runs on a thread."""
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
