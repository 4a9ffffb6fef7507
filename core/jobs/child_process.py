"""What every process that is started from here needs: bounded output, an end, and words for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

_CHUNK = 65536  # bytes that are read at once
_LONGEST_LINE = 160  # characters of a line that is shown
_LARGEST_LOG = 1 << 20  # bytes of a log; beyond it the beginning is dropped
_STORE_PLACEHOLDER = 9009  # exit code of the python.exe that only opens Microsoft's Store
_LAST_PLAIN_CODE = 0x7FFFFFFF  # Windows reports crashes as codes above it
_LONGEST_STEP = 1.0  # seconds between two calls that count; the computer may have slept in between
_LOOKS = 4  # at the computing time of a process, while it may be idle
_LEAST_COMPUTING = 0.02  # seconds: two of the system's ticks
_STAT_SESSION = 3  # fields of /proc/PID/stat behind the name
_STAT_TIMES = slice(11, 13)


@dataclass(frozen=True)
class Patience:
    """How long a process may be silent.

    Attributes:
        idle: Seconds in which it neither says anything nor computes.
        total: Seconds in which it says nothing, whatever it does.
    """

    idle: float
    total: float


class OutputTail:
    """Reads all that a process prints, on a thread, and keeps the end of it.

    So neither memory nor disk fills, and the process never waits for a reader.
    """

    kept: ClassVar[int] = 65536  # bytes

    def __init__(self, stream: IO[bytes], log: Path | None = None) -> None:
        """Begin to read.

        Args:
            stream: Pipe of the process. It is closed at its end.
            log: File that gets the output too; of much output it holds the end.
        """
        self.count = 0  # bytes so far
        self.began = b""  # the first bytes, as many as are kept
        self._end = bytearray()
        self._stream = stream
        self._log = log.open("wb") if log else None
        self._thread = threading.Thread(target=self._read, name="maquette-output", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Return the last :attr:`kept` bytes as text."""
        return bytes(self._end[-self.kept :]).decode("utf-8", "replace")

    def last_line(self) -> str:
        """Return the last line that is not empty, without control characters; "" if none is."""
        return last_line_of(self.text())

    def wait(self, seconds: float) -> None:
        """Wait for the end of the output, which another process may keep open."""
        self._thread.join(seconds)

    def has_ended(self) -> bool:
        """Return whether the process has closed its output."""
        return not self._thread.is_alive()

    def _read(self) -> None:
        """Read to the end of the stream. Runs on a thread."""
        with suppress(OSError, ValueError):
            while chunk := os.read(self._stream.fileno(), _CHUNK):
                self._keep(chunk)
        with suppress(OSError):
            self._stream.close()
        if self._log:
            with suppress(OSError):
                self._log.close()

    def _keep(self, chunk: bytes) -> None:
        if len(self.began) < self.kept:
            self.began = (self.began + chunk)[: self.kept]
        self._end += chunk
        if len(self._end) > 2 * self.kept:
            del self._end[: -self.kept]
        self.count += len(chunk)

        # On a full disk the process goes on without its log.
        if self._log:
            with suppress(OSError):
                self._write_log(self._log, chunk)

    def _write_log(self, log: IO[bytes], chunk: bytes) -> None:
        if log.tell() + len(chunk) > _LARGEST_LOG:
            log.seek(0)
            log.truncate()
            chunk = bytes(self._end[-self.kept :])
        log.write(chunk)
        log.flush()


class SilenceWatch:
    """Tells a process that hangs from one that computes: both may say nothing for long."""

    def __init__(self, pid: int, patience: Patience) -> None:
        """Begin to count.

        Args:
            pid: Number of the process, which leads a session.
            patience: How long it may be silent.
        """
        self._pid = pid
        self._patience = patience
        self.reset(patience)

    def reset(self, patience: Patience | None = None) -> None:
        """Count anew, since the process has said something; perhaps with another patience."""
        self._patience = patience or self._patience
        now = time.monotonic()
        self._silent = 0.0
        self._idle = 0.0
        self._last_call = now
        self._next_look = now + self._patience.idle / _LOOKS
        self._computed: float | None = None

    def is_hanging(self) -> bool:
        """Return whether the process has been silent for too long. Call it again and again."""
        # The time while nobody looks, as in a computer that sleeps, does not count.
        now = time.monotonic()
        elapsed = min(now - self._last_call, _LONGEST_STEP)
        self._last_call = now
        self._silent += elapsed
        self._idle += elapsed

        if now >= self._next_look:
            self._next_look = now + self._patience.idle / _LOOKS
            self._look()
        return self._idle > self._patience.idle or self._silent > self._patience.total

    def _look(self) -> None:
        """Begin to count the idle time anew if the process has computed in it."""
        computed = computing_seconds(self._pid)
        if computed is None:
            self._idle = 0.0
        elif self._computed is None:
            self._computed = computed
        elif computed - self._computed >= _LEAST_COMPUTING:
            self._computed = computed
            self._idle = 0.0

    def silent_text(self) -> str:
        """Return how long the process has been silent, for the user."""
        return f"{self._silent:.0f} s"


def computing_seconds(session: int) -> float | None:
    """Return the processor time of all processes of a session; None where it is not known."""
    if not sys.platform.startswith("linux"):
        return None
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        # A process may end meanwhile.
        with suppress(OSError, ValueError, IndexError):
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(words[_STAT_SESSION]) == session:
                total += sum(int(ticks) for ticks in words[_STAT_TIMES])

    return total / os.sysconf("SC_CLK_TCK")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and all that it has started, whatever they do."""
    if sys.platform == "win32":
        if process.poll() is None:
            _kill_windows_tree(process.pid)
    else:
        # Also after its own end: the group exists as long as any process of it.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)

    with suppress(OSError):
        process.kill()


def _kill_windows_tree(pid: int) -> None:
    program = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [program, "/F", "/T", "/PID", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=5,
            check=False,
        )


def exit_text(code: int) -> str:
    """Return how a process ended, for the user.

    Args:
        code: Its exit code; on POSIX, the negative number of the signal that ended it.
    """
    if code < 0:
        return f"killed by signal {_signal_name(-code)}"
    if code == _STORE_PLACEHOLDER:
        return f"exit code {code}: it is the placeholder of the Microsoft Store, not a Python"
    if code > _LAST_PLAIN_CODE:
        return f"exit code 0x{code:08X}"
    return f"exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)  # real-time signals have no names


def last_line_of(text: str) -> str:
    """Return the last line of ``text`` that is not empty, as one that can be shown."""
    lines = text.strip().splitlines()
    if not lines:
        return ""
    return shown_line(lines[-1])


def shown_line(text: str) -> str:
    """Return ``text`` in one short line without control characters and undecodable bytes."""
    line = " ".join(printable_text(text.replace("\ufffd", " "), " ").split())
    if len(line) > _LONGEST_LINE:
        return f"{line[:_LONGEST_LINE]}..."
    return line


def printable_text(text: str, replacement: str = "?") -> str:
    """Return ``text`` with control characters, such as the ends of lines, replaced."""
    return "".join(letter if letter.isprintable() else replacement for letter in text)
