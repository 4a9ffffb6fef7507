"""Renders a view with its surroundings: a background, and occluders in front of it.

What surrounds an object is a separate image, so that the two can be composed again, or exchanged.
It takes two renders:

    1. the occluders are holdouts       -> the object with holes where they hide it
    2. everything else is a holdout     -> the occluders with holes where the object hides them

The surroundings are the second image over the background; the first image over them gives the
complete one. The same for single objects (``RenderStudio``) and whole scenes (``SceneCopy``), which
differ in how an image is rendered: :class:`ViewRenderer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Protocol

import bmesh
import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from ...dataset.records import RenderedView
from ...imaging import color as color_space
from ...synthesis import samplers
from ...synthesis.randomization import Background, Occluder, SceneryParams
from ..rendering.random_materials import plain_material, temporary_material
from ..rendering.render_output import to_srgb8

_NAME = "Maquette Occluder"
_MIN_COVERAGE = 1e-4  # of occluders in a pixel that shows them
_MIN_ALPHA = 1e-6  # premultiplied color is not divided by less
# Bottom radius, top radius and height within the unit ball.
_PROPORTIONS = {
    "cylinder": (0.7, 0.7, 1.4),
    "cone": (0.8, 0.0, 1.2),
}
_CUBE_SIDE = 2 / 3**0.5  # within the unit ball
_BALL_SUBDIVISIONS = 3
_SEGMENTS = 32  # around a cylinder or cone


class ViewRenderer(Protocol):
    """Renders one view; its camera and light are set already."""

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene that is rendered."""

    def render_view(self) -> RenderedView:
        """Render the view with all passes."""

    def render_light(self) -> NDArray[np.float32]:
        """Render only the color: (H, W, 4) linear, premultiplied."""

    def render_background(self, background: Background) -> NDArray[np.uint8] | None:
        """Return the background (H, W, 4) in 8 bit sRGB; None if it is transparent."""

    def content_holdout(self, occluders: bpy.types.Collection) -> AbstractContextManager[None]:
        """Make everything but the occluders a holdout."""


def render_with_scenery(renderer: ViewRenderer, scenery: SceneryParams) -> RenderedView:
    """Render a view and its surroundings, see the module.

    Occluders cast shadows and are reflected. Where they hide the object, its alpha, depth and
    normal are those of nothing.
    """
    background = renderer.render_background(scenery.background)
    if not scenery.occluders:
        view = renderer.render_view()
        return view if background is None else replace(view, surroundings=background)

    # The occluders are in the scene during both renders, for their shadows.
    with placed_occluders(renderer.scene, scenery.occluders) as collection:
        with holdout(renderer.scene, collection):
            view = renderer.render_view()
        with renderer.content_holdout(collection):
            occluder_light = renderer.render_light()

    if background is None:
        background = np.zeros_like(view.colour)
    surroundings = compose_surroundings(view.colour, occluder_light, background)
    return replace(view, surroundings=surroundings)


def compose_surroundings(
    color: NDArray[np.uint8], occluder_light: NDArray[np.float32], background: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the image that, behind the object's image, gives the complete one.

    Args:
        color: (H, W, 4) 8 bit sRGB of the object, with holes where occluders hide it.
        occluder_light: (H, W, 4) linear, premultiplied, of the occluders, with holes where the
            object hides them.
        background: (H, W, 4) 8 bit sRGB.

    Returns:
        (H, W, 4) 8 bit sRGB with straight alpha.
    """
    # How much of the background each pixel shows, between object and occluders.
    transparency = 1 - color[..., 3:] / 255.0
    background_alpha = background[..., 3:] / 255.0
    background_share = (transparency - occluder_light[..., 3:]).clip(0) * background_alpha

    # Occluders over the background. The part that the object covers is divided out.
    background_light = color_space.to_linear(background[..., :3] / 255.0)
    light = occluder_light[..., :3] + background_share * background_light
    alpha = occluder_light[..., 3:] + background_share
    surroundings = np.concatenate((light, alpha), axis=2) / np.maximum(transparency, _MIN_ALPHA)

    has_occluder = occluder_light[..., 3:] > _MIN_COVERAGE
    return np.where(has_occluder, to_srgb8(surroundings.clip(0, None)), background)


def image_background(background: Background, width: int, height: int) -> NDArray[np.uint8] | None:
    """Return a background that needs no renderer: (H, W, 4) 8 bit sRGB; None if transparent."""
    pixels = samplers.background_image(background, width, height)
    return pixels if pixels[..., 3].any() else None


@contextmanager
def world_quality(scene: bpy.types.Scene) -> Iterator[None]:
    """Render the world opaque and in one sample, as it has no noise; restore on exit."""
    cycles = scene.cycles
    samples = cycles.samples
    use_denoising = cycles.use_denoising
    scene.render.film_transparent = False
    cycles.samples = 1
    cycles.use_denoising = False

    try:
        yield
    finally:
        scene.render.film_transparent = True
        cycles.samples = samples
        cycles.use_denoising = use_denoising


@contextmanager
def holdout(scene: bpy.types.Scene, collection: bpy.types.Collection) -> Iterator[None]:
    """Make the objects of ``collection`` cut holes into the image; they still cast shadows."""
    layer = scene.view_layers[0].layer_collection.children[collection.name]
    layer.holdout = True
    try:
        yield
    finally:
        layer.holdout = False


@contextmanager
def placed_occluders(
    scene: bpy.types.Scene, occluders: Sequence[Occluder]
) -> Iterator[bpy.types.Collection]:
    """Yield a new collection of ``scene`` with the occluders; all are removed on exit."""
    with ExitStack() as stack:
        collection = bpy.data.collections.new("Maquette Occluders")
        stack.callback(bpy.data.collections.remove, collection)
        scene.collection.children.link(collection)

        for occluder in occluders:
            # A mesh at its place in the world, with a plain material.
            mesh = _occluder_mesh(occluder.shape)
            stack.callback(bpy.data.meshes.remove, mesh)
            params = plain_material(occluder.colour)
            material = stack.enter_context(temporary_material(params, np.ones(3)))
            mesh.materials.append(material)
            mesh.transform(mathutils.Matrix(occluder.matrix))
            collection.objects.link(bpy.data.objects.new(_NAME, mesh))

        yield collection


def _occluder_mesh(shape: str) -> bpy.types.Mesh:
    """Return a mesh of one of ``randomization.SHAPES`` within the unit ball."""
    mesh = bpy.data.meshes.new(_NAME)
    bm = bmesh.new()
    match shape:
        case "cube":
            bmesh.ops.create_cube(bm, size=_CUBE_SIDE)
        case "ball":
            bmesh.ops.create_icosphere(bm, subdivisions=_BALL_SUBDIVISIONS, radius=1)
        case _:
            bottom, top, height = _PROPORTIONS[shape]
            bmesh.ops.create_cone(
                bm, cap_ends=True, segments=_SEGMENTS, radius1=bottom, radius2=top, depth=height
            )
    bm.to_mesh(mesh)
    bm.free()

    return mesh
