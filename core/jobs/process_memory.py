"""How much memory another process occupies."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_QUERY_INFORMATION = 0x0400  # right that Windows requires for reading the memory of a process


def resident_bytes(pid: int) -> int:
    """Return the memory in bytes that the process ``pid`` occupies; 0 where it cannot be read."""
    try:
        if sys.platform == "win32":
            return _resident_bytes_windows(pid)
        statm = Path(f"/proc/{pid}/statm")
        if statm.exists():
            resident_pages = int(statm.read_text().split()[1])
            return resident_pages * os.sysconf("SC_PAGE_SIZE")
        return _resident_bytes_ps(pid)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return 0


def _resident_bytes_ps(pid: int) -> int:
    """Return the same by the command ``ps``, which macOS has, in KiB."""
    done = subprocess.run(
        ["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, timeout=1, check=False
    )
    return int(done.stdout or 0) * 1024


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 6),
    )


def _resident_bytes_windows(pid: int) -> int:
    """Return the working set of a process of Windows."""
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(_QUERY_INFORMATION, False, pid))
    counters = _MemoryCounters()
    counters.size = ctypes.sizeof(counters)
    with suppress(AttributeError):
        kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.size)
    kernel.CloseHandle(handle)

    return int(counters.working_set)
