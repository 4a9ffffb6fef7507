import numpy as np
import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.procedural import make_from_draws
from maquette.core.procedural.fitting.candidates import Genome, Score
from maquette.core.procedural.fitting.poses import Pose
from maquette.core.procedural.fitting.proposals import FamilyProposal, first_genomes, more_genomes
from maquette.core.procedural.fitting.search import Fit, SearchSettings, fit_object
from maquette.core.procedural.fitting.targets import target_of_mesh
from maquette.core.procedural.primitives import signed_volume

SHORT = SearchSettings(evaluations=90)


def test_a_seed_that_was_never_indexed_is_fitted(mesh_of):
    target = target_of_mesh(mesh_of("bottle", 5003))
    fit = run_to_end(fit_object(target, settings=SHORT))
    assert fit.genome.family == "bottle"
    assert fit.score.total > fit.first_score.total + 0.02
    assert fit.score.silhouette > 0.95
    assert fit.score.field > 0.9
    assert fit.is_accepted
    assert fit.evaluations <= SHORT.evaluations + 20  # the last generation is not broken off


def leg_thickness(made, scale):
    """The thickness of the legs of a table: the root of their cross section."""
    leg = next(part for part in made.parts if part.label == "leg").mesh
    volume = signed_volume(leg) * np.prod(scale)
    height = np.ptp(leg.vertices[:, 2]) * scale[2]
    return float(np.sqrt(volume / height))


@pytest.mark.parametrize("thick", [0.025, 0.035, 0.05])
def test_the_legs_of_a_table_become_as_thick_as_they_are(mesh_of, thick):
    values = {"make_legs.thick": thick}
    wanted = leg_thickness(make_from_draws("table", 0, values), np.ones(3))
    target = target_of_mesh(mesh_of("table", 0, **values))
    fit = run_to_end(fit_object(target))
    genome = fit.genome
    assert genome.family == "table"
    found = make_from_draws(genome.family, genome.seed, genome.values)
    assert leg_thickness(found, fit.pose.scale) == pytest.approx(wanted, rel=0.12)


@pytest.mark.parametrize(("family", "seed"), [("table", 1003), ("chair", 1004)])
def test_thin_parts_of_another_kind_are_found(mesh_of, family, seed):
    """No first seed has this kind of legs, and no step leads from one kind to another."""
    fit = run_to_end(fit_object(target_of_mesh(mesh_of(family, seed))))
    assert fit.genome.family == family
    assert fit.score.silhouette > 0.95
    assert fit.score.field > 0.9


def test_further_seeds_of_a_family_are_those_not_tried_yet(mesh_of):
    target = target_of_mesh(mesh_of("chair", 5001))
    first = {genome.seed for genome in first_genomes(target, []) if genome.family == "chair"}
    later = [genome.seed for genome in more_genomes(target, "chair", 8)]
    assert len(first) == 3
    assert len(later) == 5
    assert not first & set(later)


def test_nothing_fits_a_creature(creature):
    low = creature.vertices.min(0)
    high = creature.vertices.max(0)
    size = float((high - low).max())
    target = target_of_mesh(creature.offset_and_scaled(-(low + high) / 2, 1 / size))
    fit = run_to_end(fit_object(target, settings=SHORT))
    assert not fit.is_accepted
    assert fit.score.total > 0.4


def test_the_same_target_gives_the_same_result(mesh_of):
    target = target_of_mesh(mesh_of("stool", 5001))
    settings = SearchSettings(evaluations=40)
    fits = [run_to_end(fit_object(target, settings=settings)) for _ in range(2)]
    assert fits[0].genome == fits[1].genome
    assert fits[0].score == fits[1].score


def test_a_proposal_is_tried_with_its_draws(mesh_of):
    target = target_of_mesh(mesh_of("mug", 5001))
    proposals = [
        FamilyProposal("traffic_cone", 0.9, ({"height": 1.0},)),
        FamilyProposal("zeroverse", 0.5),
        FamilyProposal("other", 0.4),
        FamilyProposal("chair", 0.001),
    ]
    genomes = first_genomes(target, proposals)
    proposed = [genome for genome in genomes if genome.values]
    assert [genome.family for genome in proposed] == ["traffic_cone"]
    assert proposed[0].values == {"height": 1.0}
    assert "zeroverse" not in [genome.family for genome in genomes]


def test_what_no_picture_shows_is_not_offered(mesh_of):
    """A cabinet that is fitted well is refused where the head sees a mug."""
    target = target_of_mesh(mesh_of("cabinet", 5001))
    fits = []
    for proposals in ([], [FamilyProposal("mug", 0.99), FamilyProposal("cabinet", 0.001)]):
        fits.append(run_to_end(fit_object(target, proposals, SearchSettings(evaluations=40))))
    assert [fit.genome.family for fit in fits] == ["cabinet", "cabinet"]
    assert [fit.is_accepted for fit in fits] == [True, False]
    assert not fits[1].is_expected


@pytest.mark.parametrize(
    ("depth", "stretch", "accepted"),
    [(0.9, 0.1, True), (0.59, 0.1, False), (0.9, 0.61, False)],
)
def test_other_depths_and_far_stretching_are_not_offered(depth, stretch, accepted):
    """A bottle may have the outline of a sandwich that is stretched upright."""
    score = Score(silhouette=0.97, field=0.9, depth=depth, stretch=stretch)
    genome = Genome("food_stack", 0, {}, 0.0)
    pose = Pose(0.0, np.ones(3), np.zeros(3))
    fit = Fit(genome, pose, score, genome, pose, score, ("food_stack",), 1)
    assert fit.is_accepted is accepted


def test_can_be_stopped(mesh_of):
    task = fit_object(target_of_mesh(mesh_of("stool", 5001)), settings=SHORT)
    fractions = [next(task).fraction for _ in range(10)]
    task.close()
    assert fractions == sorted(fractions)
    assert 0 < fractions[-1] < 0.5
