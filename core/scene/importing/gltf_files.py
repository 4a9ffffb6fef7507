"""The JSON of glTF files: which scene a file shows, and which other files it reads."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ...errors import MeshError

_MAGIC = b"glTF"
_JSON_CHUNK = b"JSON"
_HEADER = struct.Struct("<4sII")  # magic, version, size of the file
_CHUNK = struct.Struct("<I4s")  # size and kind of a chunk
_SHOWN_BY_NODE = ("mesh", "skin", "camera", "extensions")  # what a hidden node must not have


def shown_file(path: Path, root: Path, scratch: Path) -> Path:
    """Return a glTF file with only what the default scene of ``path`` shows.

    That is ``path`` itself, unless meshes are in other scenes or in none: Blender's importer reads
    all of them.

    Args:
        path: A .glb or .gltf file.
        root: The folder that the file may read buffers from.
        scratch: An existing folder for the copy.

    Raises:
        MeshError: A buffer is outside of ``root``, or is not a file.
    """
    try:
        data, json_end = _read_json(path)
        _check_buffers(data, path, root)
        hidden = _hidden_nodes(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error):
        return path  # the importer says what is wrong with it

    if not hidden:
        return path
    copy = scratch / path.name
    _hide_nodes(data, hidden)
    _write_copy(copy, data, path, json_end)

    return copy


def _read_json(path: Path) -> tuple[dict[str, Any], int]:
    """Return the JSON of a glTF file, and where the rest of a .glb begins; 0 for a .gltf."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return json.loads(path.read_bytes()), 0

        # The first chunk of a .glb is its JSON.
        file.seek(_HEADER.size)
        size, kind = _CHUNK.unpack(file.read(_CHUNK.size))
        if kind != _JSON_CHUNK:
            raise ValueError("the first chunk is not JSON")
        return json.loads(file.read(size)), _HEADER.size + _CHUNK.size + size


def _check_buffers(data: Mapping[str, Any], path: Path, root: Path) -> None:
    """Raise MeshError if a buffer of the glTF file ``path`` is no file within ``root``.

    Paths are compared as they are written, so that a folder of links can be used.
    """
    for buffer in data.get("buffers", ()):
        uri = buffer.get("uri")
        if not uri or uri.startswith("data:"):
            continue
        buffer_path = _absolute(path.parent / unquote(uri))
        if not buffer_path.is_relative_to(_absolute(root)):
            raise MeshError(
                f"{path.name} reads the file {uri}, which is outside of the folder of mesh files"
            )
        if not buffer_path.is_file():
            raise MeshError(f"{path.name} needs the file {uri}, which is not there")


def _hidden_nodes(data: Mapping[str, Any]) -> list[int]:
    """Return the nodes with a mesh that the default scene does not show.

    The first scene is shown if none is named; all nodes are, if there is no scene.
    """
    scenes = data.get("scenes", ())
    if not scenes:
        return []

    # All nodes below those of the scene; nodes may be in a circle.
    nodes = data.get("nodes", ())
    shown = set()
    remaining = list(scenes[data.get("scene", 0)].get("nodes", ()))

    while remaining:
        index = remaining.pop()
        if index not in shown:
            shown.add(index)
            remaining += nodes[index].get("children", ())

    return [index for index, node in enumerate(nodes) if "mesh" in node and index not in shown]


def _hide_nodes(data: dict[str, Any], hidden: list[int]) -> None:
    """Take away what the ``hidden`` nodes show, and all scenes but the default one."""
    data["scenes"] = [data["scenes"][data.get("scene", 0)]]
    data["scene"] = 0
    for index in hidden:
        node = data["nodes"][index]
        for key in _SHOWN_BY_NODE:
            node.pop(key, None)


def _write_copy(copy: Path, data: dict[str, Any], path: Path, json_end: int) -> None:
    """Write ``data`` as a glTF file; its buffers and images stay where those of ``path`` are."""
    for entry in (*data.get("buffers", ()), *data.get("images", ())):
        uri = entry.get("uri", "")
        if uri and not uri.startswith("data:"):
            entry["uri"] = quote(str(_absolute(path.parent / unquote(uri))))

    text = json.dumps(data).encode()
    if not json_end:
        copy.write_bytes(text)
        return

    # The JSON is padded to a multiple of four bytes; the other chunks are copied.
    text += b" " * (-len(text) % 4)
    rest = path.read_bytes()[json_end:]
    size = _HEADER.size + _CHUNK.size + len(text) + len(rest)
    with copy.open("wb") as file:
        file.write(_HEADER.pack(_MAGIC, 2, size))
        file.write(_CHUNK.pack(len(text), _JSON_CHUNK) + text + rest)


def _absolute(path: Path) -> Path:
    """Return ``path`` as an absolute one without "..", with its links as they are."""
    return Path(os.path.normpath(path.absolute()))
