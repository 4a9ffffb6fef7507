"""Programs that are not what they claim to be, for the tests of what starts a chosen Python.

``act`` is the rest of a program that has begun as a true Python does: the first output of the real
one has been passed on. It may use os, sys, time, subprocess and signal.
"""

import sys
from pathlib import Path

_ACTING = """#!{python}
import os, signal, subprocess, sys, time
true = subprocess.Popen([{python!r}, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
os.write(1, os.read(true.stdout.fileno(), 65536))
true.kill()
true.wait()
{act}
"""
_PLAIN = "#!{python}\nimport os, signal, subprocess, sys, time\n{act}\n"


def write_program(path: Path, act: str, begins: bool = False) -> str:
    """Write a program and return its path.

    Args:
        path: Of the program.
        act: What it does.
        begins: Whether it begins as a true Python does.
    """
    template = _ACTING if begins else _PLAIN
    path.write_text(template.format(python=sys.executable, act=act))
    path.chmod(0o755)
    return str(path)
