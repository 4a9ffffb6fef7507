"""One run writes into a folder at a time; a lock ends with its process."""

import subprocess
import sys
from pathlib import Path

import pytest
from maquette.core.errors import OutputError
from maquette.core.folder_lock import check_unlocked, lock_folder

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
sys.path[:0] = [{tests!r}]
import conftest
from pathlib import Path
from maquette.core.errors import OutputError
from maquette.core.folder_lock import lock_folder
try:
    with lock_folder(Path({folder!r}), {part!r}):
        print("locked", flush=True)
        sys.stdin.readline()
except OutputError as error:
    print(error, flush=True)
"""


class Holder:
    """A process that tries to lock a folder, and holds the lock until it is ended."""

    def __init__(self, folder, part=""):
        code = CODE.format(tests=str(ROOT / "tests"), folder=str(folder), part=part)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer = self.process.stdout.readline().strip()

    def __enter__(self):
        return self.answer

    def __exit__(self, *_):
        self.process.communicate("\n")


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
    with Holder(tmp_path) as first:
        assert first == "locked"
        with Holder(tmp_path) as second:
            assert second == (
                f"Another process is writing into {tmp_path}. Wait until it has ended, stop it, "
                "or choose another folder"
            )
        with pytest.raises(OutputError, match="Another process is writing"):
            check_unlocked(tmp_path)
    check_unlocked(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    holder = Holder(tmp_path)
    holder.process.kill()
    holder.process.wait()
    assert (tmp_path / ".lock").exists()
    with lock_folder(tmp_path):
        assert holder.answer == "locked"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="parts do not exclude the whole there")
def test_a_run_of_all_removes_what_killed_parts_left(tmp_path):
    holder = Holder(tmp_path, "0-2")
    holder.process.kill()
    holder.process.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".lock-0-2"]
    with lock_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not list(tmp_path.iterdir())


def test_one_process_is_refused_its_own_folder_too(tmp_path):
    with lock_folder(tmp_path), pytest.raises(OutputError), lock_folder(tmp_path / "."):
        pass
    with lock_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="parts do not exclude the whole there")
def test_parts_are_written_at_once_but_not_twice_and_not_beside_all(tmp_path):
    with Holder(tmp_path, "0-2") as first:
        with Holder(tmp_path, "1-2") as second:
            assert (first, second) == ("locked", "locked")
            for part in ("0-2", ""):
                with Holder(tmp_path, part) as third:
                    assert third.startswith("Another process")
        # The lock file stays while one relies on it.
        with Holder(tmp_path) as third:
            assert third.startswith("Another process")
    with Holder(tmp_path) as last:
        assert last == "locked"


def test_a_folder_that_is_not_there_is_free(tmp_path):
    check_unlocked(tmp_path / "run")
    with pytest.raises(OutputError, match="cannot be written"), lock_folder(tmp_path / "run"):
        pass
