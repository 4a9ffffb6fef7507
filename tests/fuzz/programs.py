"""Programs that somebody might name as the Python of the preferences, none of which is one."""

from __future__ import annotations

from pathlib import Path

# What each does; TRUE is the path of a Python that works.
_PROGRAMS = {
    "says_nothing": "import time; time.sleep(20)",
    "ends_at_once": "",
    "ends_with_3": "import sys; sys.exit(3)",
    "rubbish": "import os; os.write(1, bytes(range(256)) * 100)",
    "rubbish_and_stays": "import os, time; os.write(1, b'\\xff' * 100000); time.sleep(20)",
    "half_answer": "print('{\"python\": [3, 1')",
    "empty_answer": "print('{}')",
    "odd_version": "print('{\"python\": \"three\", \"packages\": [], \"broken\": 1}')",
    "old": "print('{\"python\": [2, 7, 0], \"packages\": {}, \"broken\": {}, \"devices\": []}')",
    "deep_answer": "print('[' * 100000)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "aborts": "import os; os.abort()",
    "signal_without_name": "import os; os.kill(os.getpid(), 40)",
    "floods_output": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "floods_lines": "import os\nwhile True: os.write(1, b'x' * 80 + b'\\n')",
    "floods_errors": "import os\nwhile True: os.write(2, b'x' * 65536)",
    "closes_output": "import os, time; os.close(1); time.sleep(20)",
    "reads_input": "import sys; sys.stdin.read(); print('done')",
    "begins_well": (
        "import os, subprocess, sys, time\n"
        "true = subprocess.Popen([TRUE, *sys.argv[1:]], stdin=0, stdout=subprocess.PIPE)\n"
        "os.write(1, os.read(true.stdout.fileno(), 65536)); true.kill()\n"
        "os.write(1, b'\\xff' * 100000); time.sleep(20)"
    ),
    "begins_well_and_floods": (
        "import os, subprocess, sys, time\n"
        "true = subprocess.Popen([TRUE, *sys.argv[1:]], stdin=0, stdout=subprocess.PIPE)\n"
        "os.write(1, os.read(true.stdout.fileno(), 65536)); true.kill()\n"
        "while True: os.write(1, b'x' * 65536)"
    ),
    "leaves_children": (
        "import subprocess, sys\n"
        "subprocess.Popen([TRUE, '-c', 'import time; time.sleep(20)'], stdin=0)"
    ),
}


def write_programs(folder: Path, python: str) -> list[Path]:
    """Write the programs, and some files that are no programs.

    Args:
        folder: Where to write them.
        python: Path of a Python that works.

    Returns:
        Their paths.
    """
    paths = []
    for name, code in _PROGRAMS.items():
        path = folder / name
        path.write_text(f"#!{python}\nTRUE = {python!r}\n{code}\n")
        path.chmod(0o755)
        paths.append(path)

    text = folder / "a_text"
    text.write_text("no program")
    directory = folder / "a_folder"
    directory.mkdir()
    without_interpreter = folder / "no_interpreter"
    without_interpreter.write_text("#!/nowhere/python\n")
    without_interpreter.chmod(0o755)
    return [*paths, text, directory, without_interpreter, folder / "missing"]
