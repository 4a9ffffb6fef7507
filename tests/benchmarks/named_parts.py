"""Pick meshes of artists whose materials or objects name their parts, to judge predicted parts by.

    python tests/benchmarks/named_parts.py FOLDER OUT --limit 60
    maquette dataset SET --meshes OUT --parts ...
    maquette evaluate --ask meaning SET --split test

FOLDER has .glb and .gltf files with embedded buffers, as their artists saved them. Those with two
known groups of parts are written to OUT. There a surface whose material tells nothing of its part
has a material named by its object, since sets of meshes store the names of materials.
"""

import argparse
import hashlib
import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
from maquette.core.model.training.semantics.part_words import group_of_name
from maquette.core.procedural.object_families import family_of_name

MOST_OF_FAMILY = 6  # objects of one family, so that a pack of trees does not decide
MOST_OF_OTHERS = 12  # objects of no known family
_MAGIC = b"glTF"
_HEADER = 20  # bytes in front of the JSON of a .glb


def read_gltf(path):
    """The JSON of a file, and the bytes that follow it in a .glb."""
    data = path.read_bytes()
    if data[:4] != _MAGIC:
        return json.loads(data), b""
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[_HEADER : _HEADER + length]), data[_HEADER + length :]


def write_glb(path, gltf, rest):
    """Write JSON and what follows it as a .glb."""
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sII", _MAGIC, 2, _HEADER + len(text) + len(rest))
    path.write_bytes(header + struct.pack("<I4s", len(text), b"JSON") + text + rest)


def name_materials(gltf, family):
    """Name the material of each surface by its part; returns the groups that are known."""
    materials = gltf.setdefault("materials", [])
    meshes = gltf.get("meshes", [])
    nodes = [node for node in gltf.get("nodes", []) if "mesh" in node]
    is_divided = len(nodes) > 1
    groups = set()
    for node in nodes:
        # Objects may share a mesh, but not the names of parts.
        mesh = json.loads(json.dumps(meshes[node["mesh"]]))
        node["mesh"] = len(meshes)
        meshes.append(mesh)
        for primitive in mesh["primitives"]:
            material = materials[primitive["material"]] if "material" in primitive else {}
            group = group_of_name(material.get("name", ""), family)
            if group is None and is_divided:
                group = group_of_name(node.get("name", ""), family)
                if group is not None:
                    primitive["material"] = len(materials)
                    materials.append({**material, "name": node["name"]})
            groups.add(group)
    return groups - {None}


def is_complete(gltf):
    """Whether a file needs no other file."""
    parts = gltf.get("buffers", []) + gltf.get("images", [])
    return all(part.get("uri", "data:").startswith("data:") for part in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    arguments = parser.parse_args()

    paths = [*arguments.folder.rglob("*.glb"), *arguments.folder.rglob("*.gltf")]
    paths.sort(key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())
    arguments.out.mkdir(parents=True, exist_ok=True)
    families = Counter()
    stems = set()
    for path in paths:
        name = "__".join(path.relative_to(arguments.folder).with_suffix("").parts)
        family = family_of_name(name)
        most = MOST_OF_OTHERS if family in ("other", "") else MOST_OF_FAMILY
        # Variants of one object differ in a number at the end.
        stem = re.sub(r"[_-]?\d+$", "", name.rpartition("__")[2]).lower()
        if families[family] >= most or stem in stems or families.total() >= arguments.limit:
            continue
        gltf, rest = read_gltf(path)
        if not is_complete(gltf):
            continue
        groups = name_materials(gltf, family)
        if len(groups) < 2:
            continue
        families[family] += 1
        stems.add(stem)
        write_glb(arguments.out / f"{name}.glb", gltf, rest)
        print(f"{name}: {family or 'unsure'}, {', '.join(sorted(groups))}")
    print(f"{families.total()} objects of {len(families)} families")


if __name__ == "__main__":
    main()
