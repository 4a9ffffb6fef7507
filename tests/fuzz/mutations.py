"""Change files at random: as bytes, and as what their format holds."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ODD_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    10**30,
    "",
    "../../../climbing",
    "/absolute",
    "nul\x00",
    "x" * 5000,
    [],
    {},
    [[]],
    {"a": {"b": []}},
)


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Return ``data`` with one to four random changes."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        draw.choice(_BYTE_CHANGES)(changed, draw)
    return bytes(changed)


def _flip_bits(data: bytearray, draw: random.Random) -> None:
    for _ in range(draw.randint(1, 16)):
        if data:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _remove(data: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(data) + 1)
    del data[start : start + draw.randint(1, 64)]


def _repeat(data: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(data) + 1)
    piece = data[start : start + draw.randint(1, 256)]
    data[start:start] = piece * draw.randint(1, 8)


def _overwrite(data: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(data) + 1)
    length = draw.randint(1, 128)
    value = draw.choice((0, 0xFF, 0x7F))
    data[start : start + length] = bytes((value,)) * length


def _odd_number(data: bytearray, draw: random.Random) -> None:
    """Write a number that is an edge case near the beginning, where headers are."""
    start = draw.randrange(min(len(data), 256) + 1)
    order = draw.choice("<>")
    data[start : start + 4] = struct.pack(order + "I", draw.choice(_ODD_NUMBERS))


_BYTE_CHANGES = (_flip_bits, _cut, _remove, _repeat, _overwrite, _odd_number)


def mutate_png(data: bytes, draw: random.Random) -> bytes:
    """Return a PNG with a changed chunk whose checksum is right, so that it reaches the decoder."""
    chunks = _png_chunks(data)
    index = draw.randrange(len(chunks))
    kind, content = chunks[index]
    changed = bytearray(content)
    draw.choice((_flip_bits, _overwrite, _odd_number, _remove, _repeat))(changed, draw)
    chunks[index] = (kind, bytes(changed))
    if draw.random() < 0.2:
        draw.shuffle(chunks)

    parts = [_PNG_SIGNATURE]
    for kind, content in chunks:
        parts.append(struct.pack(">I", len(content)) + kind + content)
        parts.append(struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks = []
    position = len(_PNG_SIGNATURE)
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        content = data[position + 8 : position + 8 + length]
        chunks.append((kind, content))
        position += 12 + length
    return chunks


def mutate_json(content: Any, draw: random.Random) -> Any:
    """Return parsed JSON with a value somewhere in it replaced, removed or renamed."""
    changed = json.loads(json.dumps(content))
    place, key = draw.choice(_places(changed))
    kind = draw.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[str(key) + "_"] = place.pop(key)
    else:
        place[key] = draw.choice(_ODD_VALUES)
    return changed


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Return container and key of every value within ``content``."""
    places: list[tuple[Any, Any]] = []
    containers = [content]
    while containers:
        container = containers.pop()
        keys = container.keys() if isinstance(container, dict) else range(len(container))
        for key in list(keys)[:32]:
            places.append((container, key))
            if isinstance(container[key], dict | list):
                containers.append(container[key])
    return places


def mutate_safetensors(data: bytes, draw: random.Random) -> bytes:
    """Return weights with a change of their JSON header, which stays well-formed."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"].pop("file_sha256", None)  # as of earlier versions: it would differ
    text = json.dumps(mutate_json(header, draw)).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def mutate_glb(data: bytes, draw: random.Random) -> bytes:
    """Return a binary glTF with a change of its JSON, which stays well-formed."""
    (length,) = struct.unpack_from("<I", data, 12)
    content = json.loads(data[20 : 20 + length])
    text = json.dumps(mutate_json(content, draw)).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    total = 20 + len(text) + len(rest)
    return data[:8] + struct.pack("<II", total, len(text)) + data[16:20] + text + rest


def mutate_zip(data: bytes, draw: random.Random) -> bytes:
    """Return an archive one of whose members is changed, with a right checksum."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        chosen = draw.choice(names)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
            for name in names:
                content = archive.read(name)
                if name == chosen:
                    content = mutate_bytes(content, draw)
                copy.writestr(name, content)
    return out.getvalue()


def mutate_text(data: bytes, draw: random.Random) -> bytes:
    """Return text with lines repeated, removed, or with a number replaced by an odd one."""
    lines = data.decode("latin-1").splitlines()
    for _ in range(draw.randint(1, 4)):
        index = draw.randrange(len(lines))
        words = lines[index].split(" ")
        odd = draw.choice(
            ("nan", "inf", "1e308", "-1", "999999999999", "0", "", "../../x", "/dev/zero")
        )
        words[draw.randrange(len(words))] = odd
        lines[index] = " ".join(words)
        if draw.random() < 0.2:
            lines.insert(draw.randrange(len(lines)), lines[index])
    return "\n".join(lines).encode("latin-1")


# What understands a format, by the end of its name.
_BY_SUFFIX: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".png": mutate_png,
    ".safetensors": mutate_safetensors,
    ".glb": mutate_glb,
    ".npz": mutate_zip,
    ".obj": mutate_text,
    ".mtl": mutate_text,
    ".ply": mutate_text,
    ".stl": mutate_bytes,
    ".gltf": mutate_text,
}


def mutate_file(name: str, data: bytes, draw: random.Random) -> bytes:
    """Return a changed copy of the file ``name``: half of the time as its format has it."""
    suffix = name[name.rfind(".") :].lower()
    if suffix == ".json" and draw.random() < 0.7:
        return json.dumps(mutate_json(json.loads(data), draw)).encode()
    by_format = _BY_SUFFIX.get(suffix)
    if by_format is not None and draw.random() < 0.5:
        return by_format(data, draw)
    return mutate_bytes(data, draw)
