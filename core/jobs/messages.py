"""Messages between two of our processes: a length, a JSON header, and the raw bytes of its arrays.

Pickle is never used: a message can only become plain values, arrays, paths and the dataclasses of
this package.

    +--------------+---------------------------------+----------------+----------------+
    | length, 8 B  | JSON: value, types and shapes   | bytes of       | bytes of       | ...
    |              | of the arrays                   | array 0        | array 1        |
    +--------------+---------------------------------+----------------+----------------+
"""

from __future__ import annotations

import importlib
import json
import struct
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")
_BEGIN = b"maquette messages\n"
_KINDS = "biuf"  # numpy's letters for booleans, integers and floating point numbers
CORE_PACKAGE = __package__.rpartition(".")[0]  # names of modules in messages are relative to it

Array = NDArray[Any]


def begin_messages(stream: IO[bytes]) -> None:
    """Mark the place in ``stream`` from which on it holds only messages."""
    stream.write(_BEGIN)
    stream.flush()


def skip_to_begin(stream: IO[bytes]) -> None:
    """Read past all that a program prints before it calls :func:`begin_messages`.

    Raises:
        EOFError: The stream ended before that.
    """
    while not (line := stream.readline()).endswith(_BEGIN):
        if not line:
            raise EOFError


def send_message(stream: IO[bytes], value: Any) -> None:
    """Write a value to a stream.

    Args:
        stream: Binary stream to write to.
        value: Plain values, lists, tuples, dictionaries with texts as keys, paths, arrays,
            dataclasses of this package.

    Raises:
        TypeError: The value contains an object of another type.
        OSError: The other side has closed the stream.
    """
    arrays: list[Array] = []
    plain = _pack_value(value, arrays)

    layouts = [[array.dtype.str, array.shape] for array in arrays]
    header = json.dumps({"value": plain, "arrays": layouts}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)

    for array in arrays:
        stream.write(_array_buffer(array))
    stream.flush()


def receive_message(stream: IO[bytes]) -> Any:
    """Read one value that :func:`send_message` wrote.

    Raises:
        EOFError: The other side has ended.
        ValueError: The message contains something that is never sent.
    """
    (length,) = _LENGTH.unpack(_read_exactly(stream, _LENGTH.size))
    header = json.loads(_read_exactly(stream, length))

    arrays = []
    for dtype, shape in header["arrays"]:
        arrays.append(_read_array(stream, np.dtype(dtype), tuple(shape)))

    return _unpack_value(header["value"], arrays)


def resolve_name(name: str) -> Any:
    """Return the object of this package with a name such as "arrays:MeshArrays".

    Args:
        name: Module relative to the core package, a colon, and a name defined in that module.

    Raises:
        ValueError: There is no such name in this package.
    """
    module_name, _, attribute = name.partition(":")
    parts = [*module_name.split("."), attribute]
    if not all(part.isidentifier() for part in parts):
        raise ValueError(f"{name} is not in {CORE_PACKAGE}")

    module = importlib.import_module(f".{module_name}", CORE_PACKAGE)
    value = getattr(module, attribute)

    # A module that another one imports is not part of this package.
    if value.__module__ != f"{CORE_PACKAGE}.{module_name}":
        raise ValueError(f"{name} is not in {CORE_PACKAGE}")
    return value


def _array_buffer(array: Array) -> bytes | memoryview:
    """Return the bytes of an array, without a copy where that is possible."""
    if array.ndim == 0:
        return array.tobytes()
    if not array.size:
        return b""
    return array.data


def _read_array(stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind not in _KINDS:
        raise ValueError(f"An array of {dtype} is not allowed in a message")

    array = np.empty(shape, dtype)
    if array.size:
        data = _read_exactly(stream, array.nbytes)
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
    return array


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _pack_value(value: Any, arrays: list[Array]) -> Any:
    """Return ``value`` as JSON holds it; each of its arrays becomes an index into ``arrays``."""
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
        return _pack_dataclass(value, arrays)
    raise TypeError(f"{type(value)} cannot be sent in a message")


def _pack_dataclass(value: Any, arrays: list[Array]) -> dict[str, Any]:
    """Return {"module:class": fields} of an instance of a dataclass of this package."""
    module = type(value).__module__.removeprefix(f"{CORE_PACKAGE}.")

    contents = {}
    for field in fields(value):
        if field.init:
            contents[field.name] = _pack_value(getattr(value, field.name), arrays)
    return {f"{module}:{type(value).__qualname__}": contents}


def _unpack_value(value: Any, arrays: list[Array]) -> Any:
    """Return what :func:`_pack_value` was given."""
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

    dataclass_type = resolve_name(kind)
    if not (isinstance(dataclass_type, type) and is_dataclass(dataclass_type)):
        raise ValueError(f"{kind} is not allowed in a message")
    return dataclass_type(**{key: _unpack_value(item, arrays) for key, item in content.items()})
