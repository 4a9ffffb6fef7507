"""Draw what the weights of meaning do, one sheet a question, to look at.

python tests/benchmarks/meaning_pictures.py --weights FILE --out FOLDER --photos IMAGE...
    --sets SET... --parts SET --cache FOLDER [--only procedural parts library blends made]

procedural.png  each photograph, its procedural object, and one slider at its ends
parts.png       part maps of photographs, and of unseen renders beside the true ones
library.png     a library of 300 unseen objects, searched by ten drawings
blends.png      rows of shapes between two procedural objects
made.png        new shapes of a class, each beside its nearest training shape
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest  # noqa: F401  makes the package maquette
from library_features import VIEWS, object_summaries, rivals
from library_recall import asset_scores
from maquette.core.arrays import MeshArrays
from maquette.core.atomic_files import make_folder
from maquette.core.console import silence_stdout
from maquette.core.dataset.passes import part_colors
from maquette.core.errors import MaquetteError
from maquette.core.geometry.shaded_picture import shaded_picture
from maquette.core.imaging.contact_sheet import write_contact_sheet
from maquette.core.jobs.task import run_to_end
from maquette.core.library.search import MEAN_WEIGHT
from maquette.core.library.views import THUMBNAIL_VIEW
from maquette.core.model.evaluation.evaluate import sample_objects
from maquette.core.model.inference import meaning_weights
from maquette.core.model.inference.meaning import embedding, semantics
from maquette.core.model.jobs import meaning, shapes
from maquette.core.model.jobs.describe import describe_file
from maquette.core.model.jobs.reconstruct import ReconstructionRequest
from maquette.core.model.shape_classes import CLASS_NAMES
from maquette.core.model.training.semantics.retrieval_projection import line_drawing
from maquette.core.procedural import make_object
from maquette.core.procedural.parameters import list_parameters
from maquette.core.procedural.part_groups import part_group
from maquette.core.procedural.recipes import Recipe, make, set_value
from maquette.core.scene.importing.mesh_import import temporary_data
from maquette.core.scene.procedural import building, fitted_objects
from maquette.core.scene.rendering.hdri import hdri_files, read_panoramas
from maquette.core.scene.rendering.thumbnails import render_thumbnails
from maquette.operators._compute import compute_target
from maquette.operators.cli.objects.describe import part_picture, summarize
from maquette.operators.procedural.make_procedural import fit_picture
from maquette.operators.reconstruct import start_reconstruction

SIZE = 192  # pixels of an image on a sheet
PORTRAIT = ((30, 20),)  # azimuth and elevation of renders, degrees
FRAME = (0.1, 0.65, 0.2)
LIBRARY = 300
PAIRS = (
    (("chair", 3), ("chair", 11)),
    (("bottle", 2), ("vase", 5)),
    (("table", 4), ("stool", 6)),
    (("mug", 1), ("bucket", 3)),
    (("house", 2), ("tower", 4)),
)
SHARES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Slider:
    """A parameter that is shown at both ends of its range.

    Attributes:
        label: In words.
        low, high: Recipes with it at its ends.
    """

    label: str
    low: Recipe
    high: Recipe


def use_weights(path):
    """Let the product read its weights of meaning from another file."""
    for module in (meaning_weights, embedding, semantics, meaning):
        module.MEANING_WEIGHTS = path


def draw_procedural(arguments):
    """Return a row for each photograph: it, its object, and one slider at its ends."""
    rows = []
    for photo in arguments.photos:
        request = ReconstructionRequest(photo=photo)
        task = fit_picture(compute_target(), start_reconstruction(request, 1.0))
        try:
            fitted = run_to_end(task)
        except MaquetteError as error:
            rows.append((f"{photo.stem}: {error}"[:90], [semantics_window(photo)]))
            continue
        fit = fitted.fit
        verdict = "made" if fit.is_accepted else "refused"
        slider = chosen_slider(fit.recipe('GROUPS'))
        images = [semantics_window(photo), render_mesh(fitted.mesh)]
        images += [render_fit(fit, recipe) for recipe in (None, slider.low, slider.high)]
        family = fit.family.replace("_", " ")
        label = f"{photo.stem}: {family}, {fit.agreement()}, {verdict}; {slider.label}"
        rows.append((label, images))
        print(label, flush=True)
    return rows


def semantics_window(photo):
    """Return the window (128, 128, 4) about the object of a photograph."""
    return run_to_end(describe_file(photo)).window


def chosen_slider(recipe):
    """Return the named slider of the shape whose ends look most different."""
    best = (0.0, None)
    for parameter in list_parameters(make(recipe))[:16]:
        if parameter.is_material or parameter.kind != "number" or not parameter.is_named:
            continue
        ends = [
            set_value(recipe, parameter.address, value) for value in (parameter.low, parameter.high)
        ]
        pictures = [shaded_picture(joined_mesh(make(end)), 48) for end in ends]
        difference = float(np.abs(pictures[0] - pictures[1]).mean())
        if difference > best[0]:
            best = (difference, Slider(parameter.label, *ends))
    if best[1] is None:
        return Slider("no slider", recipe, recipe)
    return best[1]


def render_fit(fit, recipe):
    """Return a render of a fit, with the values of another recipe if there is one."""
    with temporary_data(), silence_stdout():
        root = fitted_objects.new_fitted_object(
            bpy.context.scene.collection, fit, 'GROUPS', Matrix()
        )
        if recipe is not None:
            building.rebuild(root, recipe)
        bpy.context.view_layer.update()
        (image,) = render_thumbnails(root, SIZE, PORTRAIT)
    return image


def render_mesh(mesh):
    """Return a shaded picture of a mesh; gray, so that its shape is judged."""
    return shaded_picture(mesh, SIZE)


def draw_parts(arguments):
    """Return rows of part maps: of photographs, and of unseen renders beside the true parts."""
    rows = []
    for photo in arguments.photos:
        described = run_to_end(describe_file(photo))
        images = [described.window, part_picture(described.meaning)]
        rows.append((told(described.meaning), images))
    if not arguments.parts:
        return rows
    for location in sample_objects([arguments.parts], "test", 10):
        file = location.open_object()
        view = len(file.record.views) - 1
        image = file.read_color(view).astype(np.float32) / 255
        window = semantics.window_image(image)
        found = semantics.describe_window(window)
        truth = true_parts(file, view, found.groups)
        label = f"{location.name}: true, found; {told(found)}"
        rows.append((label, [image, truth, part_picture(found)]))
    return rows


def told(found):
    """Return the family and the largest parts in a few words."""
    content = summarize(found)
    family = next(iter(content["families"].items()))
    known = "" if content["known"] else "unknown, "
    parts = ", ".join(list(content["parts"])[:4])
    return f"{known}{family[0]} {family[1]:.0%}: {parts}"


def true_parts(file, view, groups):
    """Return the true parts (S, S, 4) of a view in the colors of groups."""
    numbers = file.read_parts(view)
    colors = np.zeros(256, np.uint8)
    for index, name in enumerate(file.record.parts):
        group = part_group(name, file.record.family)
        if group in groups:
            colors[index + 1] = groups.index(group) + 1
    mapped = colors[numbers]
    return np.dstack((part_colors(mapped), (mapped > 0).astype(np.float32)))


def draw_library(arguments):
    """Return ten drawings with the first five that are found; the right one is framed."""
    features = rivals([], arguments.weights)
    embed = features["projection + appearance"]
    panoramas = read_panoramas(hdri_files(None))[-1:]
    found = []
    for split in ("validation", "test"):
        found += sample_objects(arguments.sets, split, None)
    order = np.random.default_rng(0).permutation(len(found))[: LIBRARY + 30]
    locations = []
    vectors = []
    for index in order:
        summaries = object_summaries(found[index], panoramas, arguments.cache)
        if summaries is not None and len(locations) < LIBRARY:
            locations.append(found[index])
            vectors.append(embed(summaries))
    stacked = np.array(vectors)
    gallery = stacked[:, : VIEWS - 1]

    chosen = np.linspace(0, len(locations) - 1, 10).astype(int)
    scores = asset_scores(gallery, stacked[chosen, VIEWS], MEAN_WEIGHT)
    rows = []
    for row, index in zip(scores, chosen, strict=True):
        images = [query_drawing(locations[index])]
        best = np.argsort(-row, kind="stable")[:5]
        for match in best:
            image = view_image(locations[match], THUMBNAIL_VIEW)
            images.append(framed(image) if match == index else image)
        rank = int((row > row[index]).sum()) + 1
        rows.append((f"{locations[index].name}: number {rank} of {len(locations)}", images))
    return rows


def query_drawing(location):
    """Return the drawing of an object's last view, as ``library_features`` makes it."""
    file = location.open_object()
    seed = int.from_bytes(location.name.encode()[-8:], "little")
    drawing = line_drawing(file.read_color(VIEWS - 1), np.random.default_rng(seed))
    return drawing.astype(np.float32) / 255


def view_image(location, view):
    return location.open_object().read_color(view).astype(np.float32) / 255


def framed(image):
    """Return an image with a frame of a few pixels."""
    result = image.copy()
    width = max(2, len(image) // 32)
    inside = np.zeros(image.shape[:2], bool)
    inside[width:-width, width:-width] = True
    result[~inside] = (*FRAME, 1.0)
    return result


def draw_blends(arguments):
    """Return rows of shapes between two procedural objects."""
    rows = []
    for first, second in PAIRS:
        meshes = [joined_mesh(make_object(*each)) for each in (first, second)]
        request = shapes.BlendRequest(*meshes, SHARES, 2, arguments.weights)
        between = run_to_end(shapes.blend_shapes(request))
        images = [shaded_picture(mesh, SIZE) for mesh in (meshes[0], *between, meshes[1])]
        rows.append((f"{first[0]} to {second[0]}", images))
    return rows


def draw_made(arguments):
    """Return rows of new shapes of classes, each beside its nearest training shape."""
    rows = []
    for kind in arguments.classes:
        request = shapes.GenerationRequest(
            label=CLASS_NAMES.index(kind), count=8, seed=0, weights=arguments.weights
        )
        made = run_to_end(shapes.generate_shapes(request))
        for start in range(0, len(made), 4):
            images = []
            ratios = []
            for shape in made[start : start + 4]:
                images.append(shape.thumbnail.astype(np.float32) / 255)
                if shape.nearest is not None:
                    images.append(shape.nearest.thumbnail.astype(np.float32) / 255)
                    ratios.append(f"{shape.nearest.copying:.2f}")
            label = f"{kind}: made, nearest training shape; copying {', '.join(ratios)}"
            rows.append((label, images))
    return rows


def joined_mesh(obj):
    """Return all parts of a procedural object as one mesh of triangles."""
    vertices = []
    triangles = []
    count = 0
    for part in obj.parts:
        vertices.append(part.mesh.vertices)
        triangles.append(part.mesh.to_triangles() + count)
        count += len(part.mesh.vertices)
    return MeshArrays(
        np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32)
    )


DRAWN = {
    "procedural": (draw_procedural, 1),
    "parts": (draw_parts, 2),
    "library": (draw_library, 1),
    "blends": (draw_blends, 1),
    "made": (draw_made, 1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="weights of meaning")
    parser.add_argument("--out", type=Path, required=True, help="folder of the sheets")
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="images of one object")
    parser.add_argument("--sets", type=Path, nargs="+", default=[], help="sets to search")
    parser.add_argument("--parts", type=Path, help="set with parts")
    parser.add_argument("--cache", type=Path, help="folder of library_recall.py")
    parser.add_argument("--classes", nargs="+", choices=CLASS_NAMES, default=["seat", "vessel"])
    parser.add_argument("--only", nargs="+", choices=DRAWN, default=list(DRAWN))
    arguments = parser.parse_args()

    use_weights(arguments.weights)
    make_folder(arguments.out)
    for name in arguments.only:
        draw, columns = DRAWN[name]
        rows = draw(arguments)
        write_contact_sheet(arguments.out / f"{name}.png", rows, SIZE, columns)
        print(arguments.out / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
