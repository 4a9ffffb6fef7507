"""Records and cameras to and from JSON. The keys are specified in the package's docstring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..cameras import Camera
from .records import Instance, InstanceShape, Record, ViewRecord

VERSION = 1
_RECORD_KEYS = frozenset(
    (
        "version",
        "name",
        "source",
        "family",
        "bounds",
        "fingerprint",
        "views",
        "instances",
        "shapes",
    )
)


def record_to_json(record: Record) -> dict[str, Any]:
    """Return the content of an object's ``NAME.json``."""
    data = {
        "version": VERSION,
        "name": record.name,
        "source": record.source,
        "family": record.family,
        "bounds": record.bounds.tolist(),
        "fingerprint": list(record.fingerprint),
        "views": [_view_to_json(view) for view in record.views],
        "instances": [_instance_to_json(instance) for instance in record.instances],
    }
    if record.shapes:
        data["shapes"] = [_shape_to_json(shape) for shape in record.shapes]
    return {**data, **record.more}


def record_from_json(data: Mapping[str, Any]) -> Record:
    """Return the record that :func:`record_to_json` was given.

    Raises:
        ValueError: The record is of another version of the format. A damaged one raises KeyError,
            TypeError and the like, too.
    """
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}, not {VERSION}")
    return Record(
        name=data["name"],
        source=data["source"],
        family=data["family"],
        bounds=np.array(data["bounds"]),
        fingerprint=tuple(data["fingerprint"]),
        views=tuple(_view_from_json(view) for view in data["views"]),
        instances=tuple(_instance_from_json(each) for each in data.get("instances", ())),
        more={key: value for key, value in data.items() if key not in _RECORD_KEYS},
        shapes=tuple(_shape_from_json(shape) for shape in data.get("shapes", ())),
    )


def camera_to_json(camera: Camera) -> dict[str, Any]:
    """Return a camera as JSON, with its pose in both conventions."""
    return {
        "width": camera.width,
        "height": camera.height,
        "orthographic": camera.orthographic,
        "intrinsics": camera.intrinsics.tolist(),
        "camera_to_world_opengl": camera.to_world.tolist(),
        "world_to_camera_opencv": camera.from_world.tolist(),
    }


def camera_from_json(data: Mapping[str, Any]) -> Camera:
    """Return the camera that :func:`camera_to_json` was given; other keys are ignored."""
    return Camera(
        to_world=np.array(data["camera_to_world_opengl"]),
        intrinsics=np.array(data["intrinsics"]),
        width=data["width"],
        height=data["height"],
        orthographic=data["orthographic"],
    )


def _view_to_json(view: ViewRecord) -> dict[str, Any]:
    data = {"kind": view.kind, **camera_to_json(view.camera), "drawn": dict(view.drawn)}
    if view.frame is not None:
        data["frame"] = view.frame
        data["moved"] = {str(index): to_world.tolist() for index, to_world in view.moved.items()}
    return data


def _view_from_json(data: Mapping[str, Any]) -> ViewRecord:
    # JSON has no numbers as keys.
    moved = {}
    for index, to_world in data.get("moved", {}).items():
        moved[int(index)] = np.array(to_world)
    return ViewRecord(
        kind=data["kind"],
        camera=camera_from_json(data),
        drawn=data.get("drawn", {}),
        frame=data.get("frame"),
        moved=moved,
    )


def _instance_to_json(instance: Instance) -> dict[str, Any]:
    return {
        "index": instance.index,
        "name": instance.name,
        "family": instance.family,
        "to_world": instance.to_world.tolist(),
        "bounds": instance.bounds.tolist(),
        "shape": instance.shape,
    }


def _instance_from_json(data: Mapping[str, Any]) -> Instance:
    return Instance(
        index=data["index"],
        name=data["name"],
        family=data["family"],
        to_world=np.array(data["to_world"]),
        bounds=np.array(data["bounds"]),
        shape=data.get("shape", ""),
    )


def _shape_to_json(shape: InstanceShape) -> dict[str, Any]:
    data = {
        "name": shape.name,
        "bounds": shape.bounds.tolist(),
        "triangles": shape.triangles,
        "holds": list(shape.holds),
    }
    if shape.lacks:
        data["lacks"] = shape.lacks
    return data


def _shape_from_json(data: Mapping[str, Any]) -> InstanceShape:
    return InstanceShape(
        name=data["name"],
        bounds=np.array(data["bounds"]),
        triangles=data["triangles"],
        holds=tuple(data["holds"]),
        lacks=data.get("lacks", ""),
    )
