"""Add reconstructed meshes to the scene and describe them, for several operators."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import bpy
import numpy as np
from bpy.types import Context
from mathutils import Vector

from ..core.arrays import MeshArrays
from ..core.console import printable
from ..core.geometry.surface_outputs import SurfacePoints
from ..core.model.jobs.reconstruct import ReconstructionRequest
from ..core.resources import BUNDLED_WEIGHTS, PACKAGE
from ..core.scene import meshes, placement, source_views
from ..core.scene.finishing.mirroring import store_symmetry
from ..core.scene.photographs import point_clouds
from . import _compute

_POINT_RADIUS = 0.003  # of the longest side
_DIGEST_LENGTH = 12  # hexadecimal digits: enough to tell files of weights apart


def absolute_path(text: str) -> Path:
    """Return a path of a property, which may begin with Blender's "//", as an absolute path."""
    return Path(bpy.path.abspath(text))


def weights_file(chosen: str = "") -> Path | None:
    """Return the weights to use.

    Args:
        chosen: path of an operator's property; empty for the file in the preferences.

    Returns:
        The file; None for the bundled weights.
    """
    preferences = _compute.addon_preferences()
    text = chosen
    if not text and preferences:
        text = preferences.weights
    return absolute_path(text) if text else None


def collection_for_new(context: Context) -> bpy.types.Collection:
    """Return the active collection, or the scene's where that is excluded or linked from a file."""
    layer_collection = context.view_layer.active_layer_collection
    if layer_collection.is_visible and layer_collection.collection.is_editable:
        return layer_collection.collection
    return context.scene.collection


def poll_editable_mesh(operator: type[bpy.types.Operator], context: Context) -> bool:
    """Return whether the active object is a mesh of this file in Object Mode; else say why not.

    Args:
        operator: the class that is asked; its poll message is set.
        context: with the active object and the mode.
    """
    obj = context.active_object
    if obj is None or obj.type != 'MESH' or not obj.is_editable or not obj.data.is_editable:
        operator.poll_message_set("Select a mesh object that is not linked from another file")
        return False
    if context.mode != 'OBJECT':
        operator.poll_message_set("Switch to Object Mode first")
        return False
    return True


def leave_edit_mode(context: Context) -> None:
    """Switch to Object Mode, which the user may have left while a task ran."""
    if context.mode != 'OBJECT':
        bpy.ops.object.mode_set(mode='OBJECT')


def select_only(
    context: Context, objects: Iterable[bpy.types.Object], active: bpy.types.Object
) -> None:
    """Select ``objects`` and nothing else, and make ``active`` the active one."""
    for other in context.selected_objects:
        other.select_set(False)
    context.view_layer.objects.active = active
    for obj in objects:
        obj.select_set(True)


def add_object(
    context: Context, name: str, arrays: MeshArrays, location: Vector
) -> bpy.types.Object:
    """Add a mesh object that is active, selected and visible, and keeps its source images.

    Args:
        context: its view layer and its active collection get the object.
        name: of the object.
        arrays: its mesh, in meters about the object's origin.
        location: (3,) of the origin in world space, meters.
    """
    leave_edit_mode(context)
    obj = meshes.new_object(printable(name), arrays)
    source_views.store_views(obj, arrays.views)
    store_symmetry(obj, arrays.symmetry)
    place_object(context, obj, location)
    return obj


def add_points(
    context: Context, name: str, surface: SurfacePoints, location: Vector
) -> bpy.types.Object:
    """Add a cloud of points as :func:`add_object` does, with normals and confidence."""
    leave_edit_mode(context)

    # Points are drawn so large that they nearly touch.
    extent = np.ptp(surface.points, axis=0).max()
    radius = _POINT_RADIUS * float(extent)
    obj = point_clouds.new_cloud(printable(name), surface.points, surface.colors, radius)
    point_clouds.set_normals(obj.data, surface.normals)
    point_clouds.set_values(obj.data, meshes.CONFIDENCE, surface.confidence)
    place_object(context, obj, location)

    return obj


def place_object(context: Context, obj: bpy.types.Object, location: Vector) -> None:
    """Link a new object, make it active, selected and visible, and move it to ``location``."""
    obj.location = location
    collection_for_new(context).objects.link(obj)

    # In Local View a new object is hidden unless it is added to it.
    space = context.space_data
    if space and space.type == 'VIEW_3D' and space.local_view:
        obj.local_view_set(space, True)
    select_only(context, [obj], obj)


def add_object_on_ground(
    context: Context, name: str, arrays: MeshArrays, location: Vector
) -> bpy.types.Object:
    """Add an object as :func:`add_object`, with its lowest point at the height of ``location``."""
    return add_object(context, name, arrays.on_ground(), location)


def free_location(
    context: Context, arrays: MeshArrays, location: Vector, further: Vector | None = None
) -> Vector:
    """Return the nearest location to the right of ``location`` where new objects overlap none.

    Args:
        context: its view layer.
        arrays: the mesh of the object, whose lowest point goes to the height of the location.
        location: (3,) in world space, meters.
        further: (3,) from the first to the last of several such objects; None for one.
    """
    # The space that the object, or a row of them, will take.
    vertices = arrays.on_ground().vertices.astype(float)
    bounds = np.stack((vertices.min(0), vertices.max(0))) + np.array(location)
    bounds[1] += np.array(further or (0.0, 0.0, 0.0))
    context.view_layer.update()
    return location + Vector((placement.free_offset(context, bounds), 0.0, 0.0))


def show_result(context: Context, objects: Sequence[bpy.types.Object]) -> None:
    """Let a user see new objects: their colors if the settings say so, and in the view."""
    if context.scene.maquette.show_colours:
        show_colors(context)
    context.view_layer.update()
    placement.show_objects(context, objects)


def begin_texturing(context: Context, obj: bpy.types.Object, interactive: bool) -> None:
    """Texture a new object by an operator of its own, which waits in the queue of a window.

    Without a window it is done at once. What fails is reported, and the object stays as it is.
    """
    select_only(context, [obj], obj)
    with suppress(RuntimeError):  # it has been reported
        bpy.ops.maquette.texture('INVOKE_DEFAULT' if interactive else 'EXEC_DEFAULT')


def begin_labeling(
    context: Context, obj: bpy.types.Object, interactive: bool, material_slots: bool
) -> None:
    """Label the parts of a new object by an operator of its own, as :func:`begin_texturing`."""
    select_only(context, [obj], obj)
    with suppress(RuntimeError):  # it has been reported
        mode = 'INVOKE_DEFAULT' if interactive else 'EXEC_DEFAULT'
        bpy.ops.maquette.label_parts(mode, material_slots=material_slots)


def show_colors(context: Context, texture: bool = False) -> None:
    """Show the objects' colors in the Solid viewports of this screen.

    Viewports that show a single or random color, or another shading, are left as they are.

    Args:
        context: its screen is changed.
        texture: show textures; otherwise color attributes.
    """
    color_type = 'TEXTURE' if texture else 'VERTEX'
    # A viewport whose color type is Random or Single was set so on purpose.
    for area in context.screen.areas:
        if area.type != 'VIEW_3D':
            continue
        shading = area.spaces.active.shading
        if shading.type == 'SOLID' and shading.color_type in {'MATERIAL', 'VERTEX', 'TEXTURE'}:
            shading.color_type = color_type


def mesh_summary(mesh: MeshArrays) -> str:
    """Return the counts of ``mesh`` and its :func:`fit_summary`, for the command line."""
    return f"{len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces{fit_summary(mesh)}"


def fit_summary(mesh: MeshArrays) -> str:
    """Return how well the silhouettes of ``mesh`` match its images; empty if it is not known."""
    pairs = [view.silhouette for view in mesh.views if view.silhouette]
    if not pairs:
        return ""

    # Before and after the fit, if it changed anything.
    after = ", ".join(f"{pair[1]:.3f}" for pair in pairs)
    if all(pair[0] == pair[1] for pair in pairs):
        return f", silhouettes {after} (IoU)"
    before = ", ".join(f"{pair[0]:.3f}" for pair in pairs)

    return f", silhouettes {after} (IoU; before the fit {before})"


def result_line(mesh: MeshArrays) -> str:
    """Return how good ``mesh`` is in a few words, for the status bar of the window."""
    count = f"{len(mesh.faces):,} faces"
    scores = [view.silhouette[1] for view in mesh.views if view.silhouette]
    if not scores:
        return count

    # The worst and the best image, or one figure if they agree.
    worst = f"{min(scores):.0%}"
    best = f"{max(scores):.0%}"
    if len(scores) == 1:
        return f"silhouette matches {best} ({count})"
    matches = best if worst == best else f"{worst} to {best}"

    return f"silhouettes match {matches} ({count})"


def asset_metadata(
    request: ReconstructionRequest, size: float, mesh: MeshArrays, seconds: float
) -> dict[str, str | int | float]:
    """Return the metadata of a reconstructed asset: source, model, settings and measurements.

    Args:
        request: what was reconstructed.
        size: longest side of the object, meters.
        mesh: the result.
        seconds: how long it took.
    """
    # Images of the open file have no path.
    images = [*request.sides.values(), request.photo]
    sources = ", ".join(str(image) for image in images if isinstance(image, Path))

    return {
        **origin_facts(sources, request.weights, request.resolution),
        "size": size,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "fit": fit_summary(mesh),
        "seconds": round(seconds, 2),
    }


def origin_facts(
    sources: str, weights: Path | None, resolution: int
) -> dict[str, str | int | float]:
    """Return what an object was made from and with, as its asset tells.

    Args:
        sources: names of the images.
        weights: of the model; None for the bundled ones.
        resolution: cells along the longest side.
    """
    return {
        "source": sources,
        "model": f"Maquette {_addon_version()}, weights {weights_digest(weights)}",
        "resolution": resolution,
    }


def weights_digest(weights: Path | None) -> str:
    """Return the first digits of the SHA-256 of a weights file.

    It takes 0.05 s for each new file, so tasks call it on their thread before it is needed.

    Args:
        weights: The file; None for the bundled one.
    """
    file = weights or BUNDLED_WEIGHTS
    return _file_digest(file, file.stat().st_mtime_ns)


def _addon_version() -> str:
    manifest = (PACKAGE / "blender_manifest.toml").read_text(encoding="utf-8")
    return tomllib.loads(manifest)["version"]


@cache
def _file_digest(path: Path, changed: int) -> str:
    """Return the first digits of the SHA-256 of a file that was changed at ``changed``, ns."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_LENGTH]
