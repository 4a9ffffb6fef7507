"""Search the parameters of procedural objects for the one that agrees best with a target.

::

    first genomes (nearest seeds, proposals)    about 20 objects are made and scored
    the best two families                       further seeds of them
    the best six                                their poses, where pictures show the object
    the best four                               their options, and one step each
    the best one                                another step, its options, its draws one by one
    the next ones                               the same, if there is work left

A step is one of Gauss and Newton (see Nocedal and Wright, Numerical Optimization, 2006, chapter
10) with the damping of Levenberg: the object is made once for each draw, a little changed, and the
differences of its masks and occupancy tell in which direction all draws go together. What differs:
the derivatives are finite differences of averaged masks, and steps are judged by the score itself.
Draws that have options are tried one by one before the first step, since no step leads from one
kind of legs to another, and once more after the last one. Steps find the family and the rough shape
with few objects. What no derivative shows, such as the thickness of legs, is found by moving each
draw alone at the end, in smaller steps once none helps: a compass search, see Kolda, Lewis and
Torczon, SIAM Review 45 (2003). It needs no chance; evolution strategies left such draws as far off
as chance had it.

Two thin legs that are beside each other have no pixel in common, and so the score alone tells
nothing of how near they are. Until the best starts are known, what guides the search is therefore
half the score, and half the similarity of masks and occupancy that are averaged over cells of
several sizes. From then on it is the score alone, by which the result is offered, too.

The number of objects that are made is limited, and no clock is looked at: the same target gives the
same result, but for what the last digits of sums make on other kinds of processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...jobs.task import Progress, Task
from ..parts import ProceduralObject
from .candidates import (
    Candidate,
    Genome,
    Score,
    evaluate,
    feature_similarity,
    place,
    target_features,
)
from .draw_space import axes_of
from .poses import Pose
from .proposals import LEAST_PROBABILITY, FamilyProposal, first_genomes, more_genomes
from .seed_index import read_index
from .targets import FittingTarget
from .variables import DrawVariable, Variable, pose_variables

LEAST_SILHOUETTE = 0.90  # IoU with the silhouettes, from which on a fit is offered
LEAST_FIELD = 0.60  # IoU with the inside of the mesh
LEAST_DEPTH = 0.60  # agreement of the depths: a box has the outline of many things
MOST_STRETCH = 0.60  # distortion: who stretches a tray far enough may make a book of it

_STAGE = "Searching parameters"
_DRAWING_MILLISECONDS = 4.0  # that drawing and scoring take beside making an object


@dataclass(frozen=True)
class SearchSettings:
    """How long to search, and in what steps.

    Attributes:
        evaluations: Objects that are made at most.
        milliseconds: The same as time, by what an object of each family took when the index was
            made; slow families get fewer.
        families: Most promising families of which further seeds are tried.
        seeds: Nearest seeds of such a family that are tried.
        starts: Candidates that take a step, at most half of them of one family.
        hopeless: Distance from the most promising candidate, from which on none takes a step.
        smoothness: Share of averaged masks and occupancy in what guides the search.
        expectation: Added to the score of a family that a learned head is sure of, when the
            best candidates are chosen.
        aligned: Candidates whose pose is improved at first, where it is free.
        pose_steps: Changes of the numbers of a pose for their derivatives, one step each.
        steps: Changes of a draw for its derivative, of its range: the second one if the first
            changes hardly any pixel.
        least_change: Distance of the features, below which hardly any pixel has changed.
        rounds: Steps of the best candidate at most, and rounds of its options and single draws.
        least_gain: Of the score, by a step or a round that another one follows.
        dampings: Of the steps that are tried, times the mean of the squared derivatives.
        single_steps: The largest and the least change of single draws at the end, of their range.
        enough: Score from which on the search ends.
    """

    evaluations: int = 300
    milliseconds: float = 4500.0
    starts: int = 4
    families: int = 2
    seeds: int = 8
    hopeless: float = 0.2
    smoothness: float = 0.5
    expectation: float = 0.2
    aligned: int = 6
    pose_steps: tuple[float, ...] = (0.2, 0.1, 0.05)
    steps: tuple[float, ...] = (0.2, 0.4)
    least_change: float = 0.01
    rounds: int = 4
    least_gain: float = 0.01
    dampings: tuple[float, ...] = (0.02, 0.3)
    single_steps: tuple[float, float] = (0.08, 0.01)
    enough: float = 0.985


_DEFAULTS = SearchSettings()


@dataclass(frozen=True)
class Fit:
    """The best object that was found.

    Attributes:
        genome: Of the object; its values are those of all draws that were changed.
        pose: In the frame of the target.
        score: How well it agrees.
        first_genome: Of the best of the objects that the search began with.
        first_pose: Of that.
        first_score: Of that.
        families: That were tried, the one that agrees best first.
        evaluations: Objects that were made.
        is_expected: Whether the learned head thinks the family possible; True without a head.
    """

    genome: Genome
    pose: Pose
    score: Score
    first_genome: Genome
    first_pose: Pose
    first_score: Score
    families: tuple[str, ...]
    evaluations: int
    is_expected: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether it agrees well enough to be offered, and may be what the picture shows.

        A cabinet may have the outline of a truck, and a bottle that of a stretched sandwich.
        """
        return self.is_alike and self.is_of_form and self.is_expected

    @property
    def is_alike(self) -> bool:
        """Whether its outlines and its volume agree."""
        return self.score.silhouette >= LEAST_SILHOUETTE and self.score.field >= LEAST_FIELD

    @property
    def is_of_form(self) -> bool:
        """Whether it agrees without being stretched far, and at the depths that are seen."""
        return self.score.depth >= LEAST_DEPTH and self.score.stretch <= MOST_STRETCH


def fit_object(
    target: FittingTarget,
    proposals: Sequence[FamilyProposal] = (),
    settings: SearchSettings = _DEFAULTS,
) -> Task[Fit]:
    """Return the procedural object that agrees best with a target.

    Args:
        target: What to fit.
        proposals: Families and draws that a learned head expects; may be empty.
        settings: How long to search.
    """
    yield Progress(0.0, _STAGE)
    search = _Search(target, settings, proposals)
    for genome in first_genomes(target, proposals):
        search.try_genome(genome)
        yield search.progress()
    first = search.best_of(search.ranking()[0])
    for family in search.families()[: settings.families]:
        for genome in more_genomes(target, family, settings.seeds):
            search.try_genome(genome)
            yield search.progress()

    for lineage in search.starts(settings.aligned):
        yield from search.align(lineage)
    for lineage in search.starts(settings.starts):
        if search.is_hopeless(lineage):
            continue
        yield from search.try_options(lineage)
        yield from search.take_step(lineage)
        yield from search.align(lineage)
    search.use_score_alone()
    for lineage in search.starts(settings.starts):
        yield from search.repeat(search.take_step, lineage)
        yield from search.repeat(search.change_singly, lineage)
        if search.is_over():
            break

    ranking = search.ranking()
    best = search.best_of(ranking[0])
    return Fit(
        genome=replace(best.genome, values=_shape_values(best.made, best.genome)),
        pose=best.pose,
        score=best.score,
        first_genome=first.genome,
        first_pose=first.pose,
        first_score=first.score,
        families=search.families(),
        evaluations=search.count,
        is_expected=search.is_expected(best.genome.family),
    )


def _shape_values(made: ProceduralObject, genome: Genome) -> dict[str, float]:
    """Return the values of the draws that were changed and that the object has."""
    values = {}
    for axis in axes_of(made):
        if axis.address in genome.values:
            values[axis.address] = axis.value
    return values


class _Search:
    """The state of a search: the best candidate of each start, which is called a lineage.

    Args:
        target: What to fit.
        settings: How long to search.
        proposals: Of a learned head.
    """

    def __init__(
        self,
        target: FittingTarget,
        settings: SearchSettings,
        proposals: Sequence[FamilyProposal],
    ) -> None:
        self.count = 0
        self._probabilities = {each.family: each.probability for each in proposals}
        self._spent = 0.0
        self._smoothness = settings.smoothness
        self._target = target
        self._settings = settings
        self._index = read_index()
        self._features = target_features(target)
        self._best: list[Candidate] = []

    def try_genome(self, genome: Genome) -> None:
        """Begin a lineage, if there is work left; there is always one."""
        if not self._best or not self.is_over():
            self._best.append(self._evaluate(genome))

    def best_of(self, lineage: int) -> Candidate:
        """Return the best candidate of a lineage."""
        return self._best[lineage]

    def ranking(self) -> list[int]:
        """Return the lineages, the one with the most promising candidate first."""
        promise = [self._promise(candidate) for candidate in self._best]
        return sorted(range(len(promise)), key=lambda i: -promise[i])

    def families(self) -> tuple[str, ...]:
        """Return the families that were tried, the one with the best candidate first."""
        names = [self._best[lineage].genome.family for lineage in self.ranking()]
        return tuple(dict.fromkeys(names))

    def starts(self, count: int) -> list[int]:
        """Return the ``count`` most promising lineages, at most half of them of one family."""
        most = max(1, count // 2)
        chosen: list[int] = []
        families: list[str] = []
        for lineage in self.ranking():
            family = self._best[lineage].genome.family
            if families.count(family) < most and len(chosen) < count:
                families.append(family)
                chosen.append(lineage)
        return chosen

    def is_expected(self, family: str) -> bool:
        """Return whether the learned head thinks a family possible, or there is no head."""
        if not self._probabilities:
            return True
        return self._probabilities.get(family, 0.0) >= LEAST_PROBABILITY

    def _promise(self, candidate: Candidate) -> float:
        """Return the score of a candidate, larger where its family is expected."""
        probability = self._probabilities.get(candidate.genome.family, 0.0)
        return self._guide(candidate) + self._settings.expectation * probability

    def _guide(self, candidate: Candidate) -> float:
        """Return what the search makes as large as it can: the score and a smooth agreement."""
        share = self._smoothness
        if not share:
            return candidate.score.total
        smooth = feature_similarity(candidate.features, self._features)
        return (1 - share) * candidate.score.total + share * smooth

    def is_hopeless(self, lineage: int) -> bool:
        """Return whether a lineage is so far behind the best one that no step is worth it."""
        best = max(self._promise(candidate) for candidate in self._best)
        return self._promise(self._best[lineage]) < best - self._settings.hopeless

    def use_score_alone(self) -> None:
        """Be guided by the score alone from now on, which tells small differences best."""
        self._smoothness = 0.0

    def progress(self) -> Progress:
        """Return how much of the allowed work is done."""
        return Progress(min(self._share_done(), 1.0), _STAGE)

    def repeat(
        self, change: Callable[[int], Iterator[Progress]], lineage: int
    ) -> Iterator[Progress]:
        """Make a change of a candidate and align it, again and again while it gains enough."""
        for _ in range(self._settings.rounds):
            before = self._guide(self._best[lineage])
            yield from change(lineage)
            yield from self.align(lineage)
            if self._guide(self._best[lineage]) < before + self._settings.least_gain:
                return

    def take_step(self, lineage: int) -> Iterator[Progress]:
        """Change all continuous draws and the pose of a candidate together."""
        variables = self._variables(self._best[lineage])
        yield from self._step(lineage, variables, self._settings.steps)

    def align(self, lineage: int) -> Iterator[Progress]:
        """Change the pose of a candidate alone, which needs no other object, in finer steps."""
        if not self._target.is_turned_freely:
            return
        for length in self._settings.pose_steps:
            yield from self._step(lineage, pose_variables(), (length,))

    def _step(
        self, lineage: int, variables: Sequence[Variable], lengths: Sequence[float]
    ) -> Iterator[Progress]:
        """Change some variables of a candidate together.

        Args:
            lineage: Of the candidate.
            variables: To change.
            lengths: Changes for a derivative; each one if those before hardly change anything.
        """
        start = self._best[lineage]
        rows = []
        used = []
        for variable in variables:
            for length in lengths:
                if self.is_over() and not variable.is_of_pose:
                    return
                derivative = self._differentiate(lineage, start, variable, length)
                yield self.progress()
                if derivative is not None:
                    rows.append(derivative)
                    used.append(variable)
                    break
        if not rows:
            return

        residual = self._features - start.features
        for damping in self._settings.dampings:
            changes = _damped_step(np.stack(rows), residual, damping)
            # Where the step helps, one that is twice as long may help more.
            for factor in (1.0, 2.0):
                genome = start.genome
                for variable, change in zip(used, changes.tolist(), strict=True):
                    genome = variable.set_in(genome, variable.start + factor * change)
                is_better = self._keep_better(lineage, self._changed(start, genome))
                yield self.progress()
                if not is_better:
                    break

    def _differentiate(
        self, lineage: int, start: Candidate, variable: Variable, length: float
    ) -> NDArray[np.float32] | None:
        """Return the derivative (F,) of the features by a variable; None if hardly any changes.

        Args:
            lineage: Of ``start``; it may become better by chance.
            start: Where to differentiate.
            variable: To change.
            length: How far, away from the nearer end of its range.
        """
        step = length if variable.start < 0.5 else -length
        genome = variable.set_in(start.genome, variable.start + step)
        changed = self._changed(start, genome)
        self._keep_better(lineage, changed)

        difference = changed.features - start.features
        if np.linalg.norm(difference) < self._settings.least_change:
            return None
        derivative: NDArray[np.float32] = difference / np.float32(step)
        return derivative

    def try_options(self, lineage: int) -> Iterator[Progress]:
        """Try the other options of a candidate's draws, one draw at a time."""
        for axis in axes_of(self._best[lineage].made):
            for value in axis.alternatives():
                if self.is_over():
                    return
                genome = self._best[lineage].genome
                values = {**genome.values, axis.address: value}
                self._keep_better(lineage, self._evaluate(replace(genome, values=values)))
                yield self.progress()

    def change_singly(self, lineage: int) -> Iterator[Progress]:
        """Try the options of a candidate, then each draw alone, in ever smaller steps."""
        yield from self.try_options(lineage)

        length, least = self._settings.single_steps
        while length >= least and not self.is_over():
            is_better = yield from self._move_each(lineage, length)
            if not is_better:
                length /= 2

    def _move_each(self, lineage: int, length: float) -> Task[bool]:
        """Move each draw of a candidate up or down by ``length``; return whether one has helped."""
        is_better = False
        for variable in self._variables(self._best[lineage]):
            for change in (length, -length):
                if self.is_over():
                    return is_better
                genome = variable.set_in(self._best[lineage].genome, variable.start + change)
                is_kept = self._keep_better(lineage, self._changed(self._best[lineage], genome))
                yield self.progress()
                if is_kept:
                    is_better = True
                    break
        return is_better

    def _variables(self, candidate: Candidate) -> list[Variable]:
        """Return what is changed of a candidate: its draws, and the pose where it is free.

        Draws that jump from one shape to another are left out.
        """
        variables: list[Variable] = []
        for axis in axes_of(candidate.made):
            if not axis.is_stepped:
                variables.append(DrawVariable(axis))
        if self._target.is_turned_freely:
            variables += pose_variables()
        return variables

    def is_over(self) -> bool:
        """Return whether the allowed work is done, or a candidate is good enough."""
        if self._share_done() >= 1:
            return True
        enough = self._settings.enough
        return any(candidate.score.total >= enough for candidate in self._best)

    def _share_done(self) -> float:
        """Return how much of the allowed work is done; 1 and more if all is."""
        settings = self._settings
        return max(self.count / settings.evaluations, self._spent / settings.milliseconds)

    def _evaluate(self, genome: Genome) -> Candidate:
        self.count += 1
        self._spent += self._index.cost_of(genome.family) + _DRAWING_MILLISECONDS
        return evaluate(genome, self._target)

    def _changed(self, start: Candidate, genome: Genome) -> Candidate:
        """Return the candidate of a genome that differs from ``start``, perhaps in pose alone."""
        if genome.values != start.genome.values:
            return self._evaluate(genome)
        self._spent += _DRAWING_MILLISECONDS
        return place(start.made, genome, self._target)

    def _keep_better(self, lineage: int, candidate: Candidate) -> bool:
        """Keep a candidate if it is better than that of its lineage; return whether it is."""
        if self._guide(candidate) <= self._guide(self._best[lineage]):
            return False
        self._best[lineage] = candidate
        return True


def _damped_step(
    jacobian: NDArray[np.float32], residual: NDArray[np.float32], damping: float
) -> NDArray[np.float64]:
    """Return the step (D,) that makes a residual (F,) smaller.

    Args:
        jacobian: (D, F) derivative of the features by each variable.
        residual: (F,) what the features lack.
        damping: Times the squared derivatives, added to the normal equations.
    """
    normal = (jacobian @ jacobian.T).astype(np.float64)
    gradient = (jacobian @ residual).astype(np.float64)
    squares = normal.diagonal()
    damped = normal + damping * np.diag(squares + squares.mean())
    step: NDArray[np.float64] = np.linalg.solve(damped, gradient)
    return step
