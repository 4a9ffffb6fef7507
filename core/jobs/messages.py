"""Messages between two of our processes: a length, a JSON header, and the raw bytes of the arrays in it.

Never pickle: what is read can only become plain values, arrays, paths and the dataclasses of this package.
"""

from __future__ import annotations

import importlib
import json
import struct
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")
_BEGIN = b"maquette messages\n"
_KINDS = "biuf"  # of numpy's types: booleans and numbers
CORE_PACKAGE = __package__.rpartition(".")[0]  # its modules' names in messages are relative to it


def begin_messages(stream: BinaryIO) -> None:
    """Tell that from here on there are messages only."""
    stream.write(_BEGIN)
    stream.flush()


def skip_to_begin(stream: BinaryIO) -> None:
    """Read past all that a program says before it has come to :func:`begin_messages`.

    Raises:
        EOFError: it has ended before that.
    """
    while not (line := stream.readline()).endswith(_BEGIN):
        if not line:
            raise EOFError


def send_message(stream: BinaryIO, value: Any) -> None:
    """Write ``value``: plain values, lists, tuples, dictionaries with texts as keys, paths, arrays, our dataclasses.

    Raises:
        TypeError: it holds something else. OSError: nobody reads any more.
    """
    arrays: list[NDArray] = []
    plain = _pack_value(value, arrays)
    header = json.dumps(
        {"value": plain, "arrays": [[a.dtype.str, a.shape] for a in arrays]}
    ).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        stream.write(array.tobytes() if array.ndim == 0 else array.data if array.size else b"")
    stream.flush()


def receive_message(stream: BinaryIO) -> Any:
    """What :func:`send_message` wrote.

    Raises:
        EOFError: the other side has ended.
    """
    (length,) = _LENGTH.unpack(_read_exactly(stream, _LENGTH.size))
    header = json.loads(_read_exactly(stream, length))
    arrays = [_read_array(stream, np.dtype(kind), tuple(shape)) for kind, shape in header["arrays"]]
    return _unpack_value(header["value"], arrays)


def _read_array(stream: BinaryIO, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:
    if kind.kind not in _KINDS:
        raise ValueError(f"an array of {kind} is no message")
    array = np.empty(shape, kind)
    if array.size:
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(
            _read_exactly(stream, array.nbytes), np.uint8
        )
    return array


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _pack_value(value: Any, arrays: list[NDArray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    match value:
        case np.ndarray() if value.dtype.kind in _KINDS:
            arrays.append(np.asarray(value, order="C"))
            return {"array": len(arrays) - 1}
        case np.generic():
            return value.item()
        case Path():
            return {"path": str(value)}
        case list() | tuple():
            return {type(value).__name__: [_pack_value(item, arrays) for item in value]}
        case dict() if all(isinstance(key, str) for key in value):
            return {"dict": {key: _pack_value(item, arrays) for key, item in value.items()}}
    if is_dataclass(value) and type(value).__module__.startswith(f"{CORE_PACKAGE}."):
        name = (
            f"{type(value).__module__.removeprefix(f'{CORE_PACKAGE}.')}:{type(value).__qualname__}"
        )
        return {
            name: {
                each.name: _pack_value(getattr(value, each.name), arrays)
                for each in fields(value)
                if each.init
            }
        }
    raise TypeError(f"{type(value)} is no message")


def _unpack_value(value: Any, arrays: list[NDArray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "array":
            return arrays[content]
        case "path":
            return Path(content)
        case "list":
            return [_unpack_value(item, arrays) for item in content]
        case "tuple":
            return tuple(_unpack_value(item, arrays) for item in content)
        case "dict":
            return {key: _unpack_value(item, arrays) for key, item in content.items()}
    found = resolve_name(kind)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ValueError(f"{kind} is no message")
    return found(**{key: _unpack_value(item, arrays) for key, item in content.items()})


def resolve_name(name: str) -> Any:
    """What "module:name" is called in this package, such as "arrays:MeshArrays".

    Raises:
        ValueError: it is not of this package.
    """
    module, _, own = name.partition(":")
    if not own.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{name} is not in {CORE_PACKAGE}")
    found = getattr(importlib.import_module(f".{module}", CORE_PACKAGE), own)
    if found.__module__ != f"{CORE_PACKAGE}.{module}":
        raise ValueError(f"{name} is not in {CORE_PACKAGE}")
    return found
