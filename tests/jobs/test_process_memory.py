"""How much memory processes occupy."""

import os
import subprocess
import sys

import numpy as np
from maquette.core.jobs.process_memory import resident_bytes


def test_memory_that_is_used_counts():
    before = resident_bytes(os.getpid())
    assert before > 10e6
    used = np.ones(50_000_000, np.uint8)
    assert 40e6 < resident_bytes(os.getpid()) - before < 80e6
    assert used[0]


def test_a_process_that_has_ended_occupies_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resident_bytes(process.pid) == 0
