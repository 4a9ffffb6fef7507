import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = (
    "objects",
    "meshes",
    "materials",
    "images",
    "scenes",
    "collections",
    "worlds",
    "cameras",
    "node_groups",
)

SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "maquette", r"{root}/__init__.py", submodule_search_locations=[r"{root}"]
)
module = importlib.util.module_from_spec(spec)
sys.modules["maquette"] = module
spec.loader.exec_module(module)
from maquette.operators.cli.main import run_console
run_console()
"""


@pytest.fixture
def scene_state():
    """Return a function that lists what the open file holds, to compare."""

    def state():
        blocks = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in KINDS}
        active = bpy.context.view_layer.objects.active
        return blocks, [obj.name for obj in bpy.context.selected_objects], active and active.name

    return state


@pytest.fixture(scope="session")
def as_script(tmp_path_factory):
    """Return a function that runs a command line as the script ``maquette`` does."""
    script = tmp_path_factory.mktemp("script") / "maquette"
    script.write_text(SCRIPT.format(root=ROOT))

    def run(*arguments):
        return subprocess.run(
            run.words(*arguments), capture_output=True, text=True, timeout=120, env=os.environ
        )

    run.words = lambda *arguments: [sys.executable, script, *map(str, arguments)]
    return run
