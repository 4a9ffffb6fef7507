"""Puts what was drawn before the camera, and takes it away again: the objects that are given are never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import bmesh
import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...dataset.records import RenderedView
from ...imaging import color as color_space
from ...synthesis import occluders, samplers
from ...synthesis.randomization import (
    AreaLight,
    MaterialParams,
    Occluder,
    Purpose,
    Randomization,
    SceneryParams,
    rng_for,
    to_json,
)
from .. import importing
from ..rendering.random_materials import plain_material, temporary_material
from ..rendering.studio import RenderStudio, to_srgb8

_PROPORTIONS = {
    "cylinder": (0.7, 0.7, 1.4),
    "cone": (0.8, 0.0, 1.2),
}  # radii below and above, height: in the unit ball


@contextmanager
def randomized_objects(
    objects: Sequence[bpy.types.Object], random: Randomization, seed: int, name: str
) -> Iterator[tuple[Sequence[bpy.types.Object], Mapping[str, Any]]]:
    """``objects``, or stand-ins of them with what was drawn for the object ``name``; and that, as JSON knows it.

    drawn: "pose" is a :class:`Pose` with "bounds" (2, 3) of the object before it, "materials" a :class:`MaterialParams` for each
    slot of each mesh, in order, if any.

    Raises:
        MeshError: there is no face among ``objects``.
    """
    pose = None
    drawn = {}
    if random.changes_pose:
        vertices = importing.world_triangles(objects).vertices.astype(float)
        bounds = np.stack((vertices.min(0), vertices.max(0)))
        pose = samplers.sample_pose(rng_for(seed, name, Purpose.POSE), random, bounds.mean(0))
        drawn["pose"] = {**to_json(pose), "bounds": bounds.tolist()}
    slots = sum(max(1, len(obj.material_slots)) for obj in objects if obj.type == 'MESH')
    looks = (
        samplers.sample_materials(rng_for(seed, name, Purpose.LOOKS), random, slots)
        if random.materials
        else ()
    )
    if looks:
        drawn["materials"] = to_json(looks)
    if not drawn:
        yield objects, drawn
        return
    with evaluated_copies(
        objects, mathutils.Matrix(pose.matrix if pose else np.eye(4)), looks
    ) as others:
        yield others, drawn


@contextmanager
def evaluated_copies(
    objects: Sequence[bpy.types.Object], move: mathutils.Matrix, looks: Sequence[MaterialParams]
) -> Iterator[list[bpy.types.Object]]:
    """Copies of ``objects`` as they are evaluated, after ``move`` in world space; gone afterwards.

    Args:
        looks: for each material slot of each mesh, in order; empty to keep their own.
    """
    graph = bpy.context.evaluated_depsgraph_get()
    left = list(looks)
    copies: list[bpy.types.Object] = []
    with ExitStack() as stack:
        for obj in objects:
            place = move @ obj.matrix_world
            if obj.type != 'MESH':
                copies.append(_copy_object(obj, place))
                stack.callback(bpy.data.objects.remove, copies[-1])
                continue
            mesh = bpy.data.meshes.new_from_object(
                obj.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph
            )
            stack.callback(bpy.data.meshes.remove, mesh)  # and with it the object
            slots = max(1, len(obj.material_slots))
            own = left[:slots]
            left = left[slots:]
            made = [
                stack.enter_context(temporary_material(look, _mesh_extent(mesh))) for look in own
            ]
            # those of the object's slots may differ from those of its data
            _assign_materials(mesh, made or [slot.material for slot in obj.material_slots])
            copies.append(_place_copy(obj, mesh, place))
        yield copies


def _copy_object(obj: bpy.types.Object, place: mathutils.Matrix) -> bpy.types.Object:
    copy = obj.copy()
    copy.animation_data_clear()
    copy.constraints.clear()
    copy.parent = None
    copy.matrix_world = place
    return copy


def _place_copy(
    obj: bpy.types.Object, mesh: bpy.types.Mesh, place: mathutils.Matrix
) -> bpy.types.Object:
    new = bpy.data.objects.new(obj.name, mesh)
    new.hide_render = obj.hide_render
    new.pass_index = obj.pass_index
    new.matrix_world = place
    sheared = new.matrix_basis.inverted_safe() @ place
    if not np.allclose(sheared, np.eye(4), atol=1e-5):
        mesh.transform(sheared)
    new.matrix_world = new.matrix_basis
    return new


def _mesh_extent(mesh: bpy.types.Mesh) -> NDArray[np.float32]:
    """(3,) sides of the box around ``mesh``, in its longest side."""
    corners = np.zeros((max(1, len(mesh.vertices)), 3), np.float32)
    mesh.vertices.foreach_get("co", corners[: len(mesh.vertices)].ravel())
    extent = np.ptp(corners, axis=0)
    return extent / max(float(extent.max()), 1e-9)


def _assign_materials(mesh: bpy.types.Mesh, materials: Sequence[bpy.types.Material | None]) -> None:
    while len(mesh.materials) < len(materials):
        mesh.materials.append(None)
    for slot, each in enumerate(materials):
        mesh.materials[slot] = each


def view_lights(
    random: Randomization, seed: int, name: str, view: int, bounds: NDArray[np.float64]
) -> tuple[AreaLight, ...]:
    """Those of a view of the object ``name``, whose box in world space is ``bounds`` (2, 3)."""
    return samplers.sample_lights(rng_for(seed, name, Purpose.LAMPS, view), random, bounds)


def view_scenery(
    random: Randomization, seed: int, name: str, view: int, camera: Camera, mesh: MeshArrays
) -> tuple[SceneryParams, dict[str, Any]]:
    """What surrounds the object ``name``, of ``mesh`` in world space, in its view; and that, as JSON knows it."""
    background = samplers.sample_background(rng_for(seed, name, Purpose.BACKGROUND, view), random)
    drawn: dict[str, Any] = {}
    if random.backgrounds != ("transparent",):
        drawn["background"] = to_json(background)
    if not random.occluders:
        return SceneryParams(background), drawn
    found, hidden = occluders.sample_occluders(
        rng_for(seed, name, Purpose.OCCLUDERS, view), random, camera, mesh
    )
    return SceneryParams(background, found), {
        **drawn,
        "occluders": to_json(found),
        "hidden_at_most": hidden,
    }


def render_view(
    stage: RenderStudio, kind: str, camera: Camera, scenery: SceneryParams
) -> RenderedView:
    """One picture of what ``stage`` shows, in ``scenery``; see :class:`RenderedView`.

    Occluders cast shadows and are mirrored; where they hide the object, its alpha, depth and normal are those of
    nothing. They and the background are in ``surroundings``.
    """
    behind = _render_behind(stage, camera, scenery)
    if not scenery.occluders:
        view = stage.render_view(kind, camera)
        return replace(view, surroundings=behind) if behind[..., 3].any() else view
    with placed_occluders(stage.scene, scenery.occluders) as collection:
        with holdout(stage.scene, collection):
            view = stage.render_view(kind, camera)
        with holdout(stage.scene, stage.shown):
            before = stage.render_image(camera)
    return replace(view, surroundings=render_surroundings(view.colour, before, behind))


def render_surroundings(
    color: NDArray[np.uint8], before: NDArray[np.float32], behind: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """What shines through an object's picture, so that the one over the other is the whole picture.

    Args:
        colour: (H, W, 4) of the object, less what is hidden. before: (H, W, 4) linear, premultiplied, of what hides
            it, less what the object hides. behind: (H, W, 4) of the background. All but ``before`` 8 bit sRGB.
    """
    through = 1 - color[..., 3:] / 255.0
    alpha = behind[..., 3:] / 255.0
    open_ = (through - before[..., 3:]).clip(0) * alpha
    light = before[..., :3] + open_ * color_space.to_linear(behind[..., :3] / 255.0)
    whole = np.concatenate((light, before[..., 3:] + open_), axis=2) / np.maximum(through, 1e-6)
    return np.where(before[..., 3:] > 1e-4, to_srgb8(whole.clip(0, None)), behind)


def _render_behind(
    stage: RenderStudio, camera: Camera, scenery: SceneryParams
) -> NDArray[np.uint8]:
    if scenery.background.kind != "hdri":
        return samplers.background_image(scenery.background, camera.width, camera.height)
    scene = stage.scene
    cycles = stage.scene.cycles
    quality = cycles.samples, cycles.use_denoising
    stage.shown.hide_render = True
    scene.render.film_transparent = False
    cycles.samples = 1
    cycles.use_denoising = False
    try:
        return to_srgb8(stage.render_image(camera))
    finally:
        stage.shown.hide_render = False
        scene.render.film_transparent = True
        cycles.samples, cycles.use_denoising = quality


@contextmanager
def holdout(scene: bpy.types.Scene, collection: bpy.types.Collection) -> Iterator[None]:
    """What is in ``collection`` cuts holes into the picture meanwhile, and still casts its shadows."""
    layer = scene.view_layers[0].layer_collection.children[collection.name]
    layer.holdout = True
    try:
        yield
    finally:
        layer.holdout = False


@contextmanager
def placed_occluders(
    scene: bpy.types.Scene, things: Sequence[Occluder]
) -> Iterator[bpy.types.Collection]:
    """The occluders, in a collection of the scene's; gone afterwards."""
    with ExitStack() as stack:
        collection = bpy.data.collections.new("Maquette Occluders")
        stack.callback(bpy.data.collections.remove, collection)
        scene.collection.children.link(collection)
        for thing in things:
            mesh = _occluder_mesh(thing.shape)
            stack.callback(bpy.data.meshes.remove, mesh)
            mesh.materials.append(
                stack.enter_context(temporary_material(plain_material(thing.colour), np.ones(3)))
            )
            mesh.transform(mathutils.Matrix(thing.matrix))
            collection.objects.link(bpy.data.objects.new("Maquette Occluder", mesh))
        yield collection


def _occluder_mesh(shape: str) -> bpy.types.Mesh:
    """One of ``SHAPES`` within the unit ball."""
    mesh = bpy.data.meshes.new("Maquette Occluder")
    build = bmesh.new()
    match shape:
        case "cube":
            bmesh.ops.create_cube(build, size=2 / 3**0.5)
        case "ball":
            bmesh.ops.create_icosphere(build, subdivisions=3, radius=1)
        case _:
            below, above, height = _PROPORTIONS[shape]
            bmesh.ops.create_cone(
                build, cap_ends=True, segments=32, radius1=below, radius2=above, depth=height
            )
    build.to_mesh(mesh)
    build.free()
    return mesh
