import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.shapes.shape_generator import load_generator
from maquette.core.model.networks.shape_autoencoder import ShapeSpaceConfig
from maquette.core.model.networks.shape_generators import GeneratorSizes
from maquette.core.model.shape_classes import ANY_CLASS, SHAPE_CLASSES, class_index
from maquette.core.model.training.shapes import (
    export,
    generator_export,
    generator_scores,
    generators,
    latents,
    rivals,
    samples,
    statistics,
    trainer,
)
from maquette.core.model.training.shapes.store import StoreRequest, make_store
from maquette.core.procedural import FAMILIES

CONFIG = trainer.ShapeRunConfig(
    training=trainer.ShapeTrainingConfig(
        steps=3, batch=2, warmup_steps=1, decay_steps=0, validate_every=3, validation=1, threads=1
    ),
    network=ShapeSpaceConfig(widths=(8, 8, 8), latent=2),
)


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    return StoreRequest(tmp_path_factory.mktemp("shapes") / "store", (), 24, ("axe",))


@pytest.fixture(scope="module")
def store(request_):
    return run_to_end(make_store(request_))


def test_the_store_has_fields_and_points_of_all_families_but_the_held_out(store, request_):
    families = {shape.family for shape in store.shapes}
    assert len(families) == 24 and not families & request_.held_out
    shape = store.of_split("train")[0]
    field = store.field(shape)
    points, normals = store.surface(shape)
    assert field.shape == (64, 64, 64) and np.abs(field).max() == 1
    assert np.abs(points).max() < 0.53
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=2e-2)
    assert max(shape.size) == pytest.approx(1)


def test_an_interrupted_store_is_completed_to_the_same(store, request_, tmp_path):
    request = replace(request_, folder=tmp_path / "store", made=5)
    making = make_store(request)
    for _ in range(4):
        next(making)
    making.close()
    assert not (tmp_path / "store" / "shapes.json").exists()
    completed = run_to_end(make_store(request))
    np.testing.assert_array_equal(completed.fields[:5], store.fields[:5])
    np.testing.assert_array_equal(completed.points[:5], store.points[:5])


def test_a_store_of_something_else_is_refused(request_, store):
    with pytest.raises(DatasetError, match="made of other"):
        run_to_end(make_store(replace(request_, made=3)))


def test_a_resumed_run_equals_an_undisturbed_one(request_, store, tmp_path):
    run_to_end(trainer.train_shapes(tmp_path / "whole", CONFIG, request_))
    short = replace(CONFIG, training=replace(CONFIG.training, steps=1))
    run_to_end(trainer.train_shapes(tmp_path / "parts", short, request_))
    run_to_end(trainer.train_shapes(tmp_path / "parts", CONFIG, request_))
    states = [
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "parts")
    ]
    assert states[0]["step"] == 3
    for name in ("network", "average"):
        for key, value in states[0][name].items():
            assert torch.equal(value, states[1][name][key]), key
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    validation = json.loads(lines[-1])
    assert {"iou", "chamfer", "hidden_iou", "pca_iou", "nearest_iou"} <= validation.keys()
    network = export.load_average(tmp_path / "whole" / "checkpoint.pt")
    assert network.config == CONFIG.network


def test_another_configuration_is_refused(request_, store, tmp_path):
    run_to_end(trainer.train_shapes(tmp_path / "run", CONFIG, request_))
    other = replace(CONFIG, training=replace(CONFIG.training, seed=5))
    with pytest.raises(DatasetError, match="different configuration"):
        run_to_end(trainer.train_shapes(tmp_path / "run", other, request_))


def test_a_half_leaves_out_what_is_beyond_the_plane_and_says_so(store):
    shape = store.of_split("train")[0]
    points, normals = store.surface(shape)
    config = samples.CorruptionConfig(
        complete=0, half=1, holes=0, side=0, axis_cuts=1, least_points=1, noise=0
    )
    cells = samples.corrupt(points, normals, config, np.random.default_rng(0))
    whole = samples.splat_points(points, normals)
    unknown = cells[7] == 0
    assert 0.1 < unknown.mean() < 0.9
    assert (whole[0][unknown] > 0).any()
    # Cells at the plane may keep a few points.
    assert (cells[0][unknown] > 0).mean() < 0.1 * (whole[0][unknown] > 0).mean() + 0.02


def test_a_turn_moves_field_and_points_alike(store):
    shape = store.of_split("train")[0]
    config = samples.CorruptionConfig(mirror=0.5, turn=1)
    for seed in range(4):
        field, points, _ = samples.turned(
            store.field(shape), *store.surface(shape), config, np.random.default_rng(seed)
        )
        cells = ((points / 1.125 + 0.5) * 64 - 0.5).astype(float)
        from maquette.core.geometry.shape_cube.distances import interpolate

        assert np.abs(interpolate(field, cells)).mean() < 0.03


def test_principal_components_return_what_they_were_fitted_to(store):
    shapes = store.of_split("train")[:6]
    fitted = rivals.fit_rivals(store, shapes)
    field = store.field(shapes[2])
    projected = rivals.reduce_field(fitted.project(field))
    assert np.abs(projected - rivals.reduce_field(field)).mean() < 0.02
    assert fitted.nearest(field) == shapes[2]


def test_every_family_has_a_class_or_is_held_out():
    known = {family for _, families in SHAPE_CLASSES.values() for family in families}
    held_out = {"hat", "lantern", "mailbox", "wheelbarrow"}
    assert set(FAMILIES) - known == held_out
    assert class_index("chair") == 0 and class_index("kenney") == ANY_CLASS


@pytest.fixture
def codes():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 131)).astype(np.float32)
    return latents.CodeSet(values, rng.integers(0, ANY_CLASS + 1, 60))


def test_a_basis_of_all_components_is_exact(codes):
    basis = latents.code_basis(codes.codes, 59)
    np.testing.assert_allclose(basis.restore(basis.reduce(codes.codes)), codes.codes, atol=1e-3)


@pytest.mark.parametrize("kind", generators.KINDS)
def test_a_generator_trains_and_resumes_to_the_bit(kind, codes, tmp_path):
    config = generators.GeneratorRunConfig(
        training=generators.GeneratorTrainingConfig(kind=kind, steps=4, batch=4),
        sizes=GeneratorSizes(numbers=8, width=16, blocks=2),
    )
    reduced = generators.reduced_codes(codes, 8)
    whole = generators.GeneratorTrainer(config)
    first = generators.GeneratorTrainer(config)
    for trained, steps in ((whole, 4), (first, 2)):
        for _ in range(steps):
            trained.train_step(generators.draw_codes(reduced, trained))
    first.save(tmp_path / "checkpoint.pt")
    second = generators.GeneratorTrainer(config)
    second.load(tmp_path / "checkpoint.pt")
    for _ in range(2):
        second.train_step(generators.draw_codes(reduced, second))
    for key, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[key]), key


def test_fitted_distributions_have_the_means_of_their_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat((0, 1), 50)
    values = rng.normal(0, 0.1, (100, 6)).astype(np.float32)
    values[labels == 1] += 5
    known = latents.CodeSet(values, labels)
    generator = torch.Generator().manual_seed(0)
    kernels, width = statistics.fit_kernels(known, values[:10])
    for mixture in (statistics.fit_gaussians(known), statistics.fit_mixture(known, 4), kernels):
        for label, mean in ((0, 0.0), (1, 5.0)):
            made = mixture.sample(torch.full((200,), label), generator)
            assert float(made.mean()) == pytest.approx(mean, abs=0.1)
    assert width < 0.3


def test_scores_know_copies_and_strangers(store):
    shapes = store.shapes[:8]
    known = generator_scores.stored_set(store, shapes)
    others = generator_scores.stored_set(store, store.shapes[8:16])
    distances = known.chamfer(others)
    assert np.abs(distances.T - others.chamfer(known)).max() < 1e-5
    coverage, distance, neighbor, copying = generator_scores.compare_sets(known, known, others)
    assert coverage == 1 and copying == pytest.approx(1)
    assert distance < 0.03 < generator_scores.compare_sets(others, known, others)[1]
    assert neighbor == 0  # the nearest one of each is its copy in the other set


def test_an_exported_generator_knows_its_training_shapes(request_, store, tmp_path, monkeypatch):
    once = replace(CONFIG, training=replace(CONFIG.training, steps=1))
    checkpoint = run_to_end(trainer.train_shapes(tmp_path / "space", once, request_))
    monkeypatch.setattr(generator_export, "GeneratorSizes", lambda: GeneratorSizes(numbers=8))
    weights = tmp_path / "meaning.safetensors"
    run = tmp_path / "generator"
    run_to_end(generator_export.fit_run(run, "kernels", checkpoint, store, weights))

    training = load_generator(weights).training
    shapes = generators.training_shapes(store)
    assert set(training.names) == {shape.name for shape in shapes}
    assert len(training.coefficients) == len(training.names) == 2 * len(shapes)
    assert training.typical > 0

    # Each code has the name of its shape, or of the shape that it mirrors.
    network = export.load_average(checkpoint)
    (third,) = run_to_end(latents.encode_shapes(network, store, shapes[2:3], mirror=False)).codes
    codes = np.load(run / "codes.npz")["codes"]
    assert training.names[int(np.abs(codes - third).max(1).argmin())] == shapes[2].name

    fewer = replace_shapes(store, shapes[:4])
    with pytest.raises(DatasetError, match="other shapes"):
        run_to_end(generator_export.fit_run(run, "kernels", checkpoint, fewer, weights))


def replace_shapes(store, training):
    """The store with fewer training shapes."""
    fewer = copy.copy(store)
    others = [shape for shape in store.shapes if shape.split != "train"]
    fewer.shapes = [*training, *others]
    return fewer
