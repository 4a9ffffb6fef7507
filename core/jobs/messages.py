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
import math
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

# What a message may have at most. The largest that are sent are panoramas for training.
LARGEST_HEADER = 64 << 20  # bytes of JSON
LARGEST_DATA = 4 << 30  # bytes of all arrays
LARGEST_PREAMBLE = 4 << 20  # bytes that a program prints before its first message
_LONGEST_READ = 1 << 20  # bytes

Array = NDArray[Any]


def begin_messages(stream: IO[bytes]) -> None:
    """Mark the place in ``stream`` from which on it holds only messages."""
    stream.write(_BEGIN)
    stream.flush()


def skip_to_begin(stream: IO[bytes]) -> None:
    """Read past all that a program prints before it calls :func:`begin_messages`.

    Raises:
        EOFError: The stream ended before that.
        ValueError: It prints more than any program does.
    """
    end = b""
    count = 0
    while end != _BEGIN:
        line = stream.readline(_LONGEST_READ)
        if not line:
            raise EOFError
        count += len(line)
        if count > LARGEST_PREAMBLE:
            raise ValueError(f"it printed more than {LARGEST_PREAMBLE >> 20} MB before it began")
        end = (end + line)[-len(_BEGIN) :]


def send_message(stream: IO[bytes], value: Any) -> None:
    """Write a value to a stream.

    Args:
        stream: Binary stream to write to.
        value: Plain values, lists, tuples, dictionaries with texts as keys, paths, arrays,
            dataclasses of this package.

    Raises:
        TypeError: The value contains an object of another type.
        ValueError: The message would be longer than a receiver accepts.
        OSError: The other side has closed the stream.
    """
    write_parts(stream, message_parts(value))


def message_parts(value: Any) -> list[bytes | memoryview]:
    """Return what :func:`send_message` writes, in parts; the arrays are not copied.

    Raises:
        TypeError: The value contains an object of another type.
        ValueError: The message would be longer than a receiver accepts.
    """
    arrays: list[Array] = []
    plain = _pack_value(value, arrays)
    layouts = [[array.dtype.str, array.shape] for array in arrays]
    header = json.dumps({"value": plain, "arrays": layouts}).encode()

    data_size = sum(array.nbytes for array in arrays)
    if len(header) > LARGEST_HEADER or data_size > LARGEST_DATA:
        raise ValueError(
            f"A message of {len(header) + data_size:,} bytes is longer than is allowed"
        )

    parts: list[bytes | memoryview] = [_LENGTH.pack(len(header)) + header]
    parts += [_array_buffer(array) for array in arrays]
    return parts


def write_parts(stream: IO[bytes], parts: list[bytes | memoryview]) -> None:
    """Write what :func:`message_parts` returned.

    Raises:
        OSError: The other side has closed the stream.
    """
    for part in parts:
        stream.write(part)
    stream.flush()


def receive_message(stream: IO[bytes]) -> Any:
    """Read one value that :func:`send_message` wrote.

    Memory is taken only as the data arrive, whatever sizes the header claims.

    Raises:
        EOFError: The other side has ended.
        ValueError: The message is malformed, too long, or contains something that is never sent.
    """
    (length,) = _LENGTH.unpack(_read_exactly(stream, _LENGTH.size))
    if length > LARGEST_HEADER:
        raise ValueError("it sent something that is not a message")
    try:
        return _parse_message(stream, _read_exactly(stream, length))
    except (EOFError, OSError, ValueError):
        raise
    except Exception as error:
        # Whatever a header says that is none: other types, names, classes, numbers.
        raise ValueError(f"it sent a malformed message ({error!r})") from error


def _parse_message(stream: IO[bytes], text: bytearray) -> Any:
    """Return the value of a message of which the header ``text`` has been read."""
    header = json.loads(text)
    if not isinstance(header, dict) or header.keys() != {"value", "arrays"}:
        raise ValueError("it sent a message without value and arrays")

    arrays = []
    allowance = LARGEST_DATA
    for dtype, shape in header["arrays"]:
        array = _read_array(stream, np.dtype(dtype), shape, allowance)
        allowance -= array.nbytes
        arrays.append(array)

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


def _read_array(stream: IO[bytes], dtype: np.dtype[Any], shape: list[int], allowance: int) -> Array:
    """Read the bytes of an array.

    Args:
        stream: To read from.
        dtype: Of the array.
        shape: Of the array, as the message says.
        allowance: Bytes that it may have at most.

    Raises:
        ValueError: Arrays of that kind or size are never sent.
    """
    if dtype.kind not in _KINDS:
        raise ValueError(f"An array of {dtype} is not allowed in a message")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("it sent an array whose shape is not one")
    size = dtype.itemsize * math.prod(shape)
    if size > allowance:
        raise ValueError(f"it sent an array of {size:,} bytes, which is more than is allowed")

    if not size:
        return np.empty(shape, dtype)
    data = _read_exactly(stream, size)
    return np.frombuffer(data, dtype).reshape(shape)


def _read_exactly(stream: IO[bytes], count: int) -> bytearray:
    """Read ``count`` bytes, in memory that grows as they arrive.

    Raises:
        EOFError: The stream ended before that.
    """
    data = bytearray()
    while len(data) < count:
        part = stream.read(min(count - len(data), _LONGEST_READ))
        if not part:
            raise EOFError
        data += part
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
