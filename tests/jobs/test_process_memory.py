"""How much memory processes occupy."""

import mmap
import os
import subprocess
import sys

from maquette.core.jobs.process_memory import resident_bytes


def test_memory_that_is_used_counts():
    before = resident_bytes(os.getpid())
    assert before > 10e6
    with mmap.mmap(-1, 50_000_000) as new_pages:  # an array may be given pages that were free
        for first in range(0, 50_000_000, mmap.PAGESIZE):
            new_pages[first] = 1
        assert 40e6 < resident_bytes(os.getpid()) - before < 80e6


def test_a_process_that_has_ended_occupies_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resident_bytes(process.pid) == 0
