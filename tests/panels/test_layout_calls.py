"""What panels pass to layouts exists in this version of Blender; only a window would tell."""

import ast
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "panels").rglob("*.py"), *(ROOT / "operators").rglob("*.py")])
LAYOUT_NAMES = {"layout", "row", "column", "box", "split", "col"}


def layout_calls(tree):
    """The calls of methods of layouts, as they are named in the panels."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).rpartition(".")[2]
            if owner in LAYOUT_NAMES:
                yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_arguments_of_layouts_are_known(path):
    functions = bpy.types.UILayout.bl_rna.functions
    for call in layout_calls(ast.parse(path.read_text(encoding="utf-8"))):
        name = call.func.attr
        if name not in functions:  # written in Python, or not of a layout
            assert hasattr(bpy.types.UILayout, name), ast.unparse(call)
            continue
        known = set(functions[name].parameters.keys())
        given = {word.arg for word in call.keywords if word.arg}
        assert given <= known, f"line {call.lineno}: {ast.unparse(call)}"


def test_the_layouts_of_panels_are_found():
    source = (ROOT / "panels/reconstruct.py").read_text(encoding="utf-8")
    assert len(list(layout_calls(ast.parse(source)))) > 20
