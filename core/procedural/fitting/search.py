"""Search the parameters of procedural objects for the one that agrees best with a target.

::

    first genomes (nearest seeds, proposals)    about 20 objects are made and scored
        the best four, of at least two families     one step each
    the best two                                another step, options tried
    the best one                                steps and options, until nothing improves
    the best four                               the same, if there is work left

A step is one of Gauss and Newton (see Nocedal and Wright, Numerical Optimization, 2006, chapter
10) with the damping of Levenberg: the object is made once for each draw, a little changed, and the
differences of its masks and occupancy tell in which direction all draws go together. What differs:
the derivatives are those of finite differences of averaged masks, and steps are judged by the
score itself. Draws that have options are tried one by one.

The number of objects that are made is limited, and no clock is looked at: the same target gives the
same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...jobs.task import Progress, Task
from ..parts import ProceduralObject
from .candidates import Candidate, Genome, PoseShift, Score, evaluate, place, target_features
from .draw_space import axes_of
from .evolution import EvolutionStrategy
from .poses import Pose
from .proposals import FamilyProposal, first_genomes
from .seed_index import read_index
from .targets import FittingTarget

LEAST_SILHOUETTE = 0.90  # IoU with the silhouettes, from which on a fit is offered
LEAST_FIELD = 0.60  # IoU with the inside of the mesh

_STAGE = "Searching parameters"
_OUTSIDE_COST = 0.1  # of the score, for each range that a point is outside
_DRAWING_MILLISECONDS = 6.0  # that drawing and scoring take beside making an object


@dataclass(frozen=True)
class Phase:
    """One phase of a search.

    Attributes:
        starts: Candidates that are improved, one after the other, the best one first.
        rounds: Most rounds of each.
        has_options: Whether a round tries the options of draws, beside one step.
    """

    starts: int
    rounds: int
    has_options: bool


@dataclass(frozen=True)
class SearchSettings:
    """How long to search, and in what steps.

    Attributes:
        evaluations: Objects that are made at most.
        milliseconds: The same as time, by what an object of each family took when the index was
            made; slow families get fewer.
        step: Change of a draw for its derivative, of its range.
        yaw_step: The same of the turn, radians.
        scale_step: The same of the logarithm of a scale.
        offset_step: The same of the offset, in longest sides.
        dampings: Of the steps that are tried, times the mean of the squared derivatives.
        least_gain: Of the score, below which a candidate is done.
        enough: Score from which on the search ends.
        phases: One after the other, until the work that is allowed is done.
    """

    evaluations: int = 300
    milliseconds: float = 4500.0
    step: float = 0.06
    yaw_step: float = 0.05
    scale_step: float = 0.04
    offset_step: float = 0.02
    dampings: tuple[float, ...] = (0.02, 0.3)
    least_gain: float = 0.002
    enough: float = 0.985
    spread: float = 0.15
    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase(starts=4, rounds=1, has_options=False),
        Phase(starts=2, rounds=1, has_options=True),
        Phase(starts=1, rounds=20, has_options=True),
        Phase(starts=4, rounds=20, has_options=True),
    )


_DEFAULTS = SearchSettings()


@dataclass(frozen=True)
class Fit:
    """The best object that was found.

    Attributes:
        family: Of the object.
        seed: Of its values that were not changed.
        values: Of all draws that shape it, by address.
        pose: In the frame of the target.
        score: How well it agrees.
        first_score: That of the best of the objects the search began with.
        evaluations: Objects that were made.
    """

    family: str
    seed: int
    values: Mapping[str, float]
    pose: Pose
    score: Score
    first_score: Score
    evaluations: int

    @property
    def is_accepted(self) -> bool:
        """Whether it agrees well enough to be offered."""
        is_alike = self.score.silhouette >= LEAST_SILHOUETTE
        return is_alike and self.score.field >= LEAST_FIELD


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
    search = _Search(target, settings)
    for genome in first_genomes(target, proposals):
        search.try_genome(genome)
        yield search.progress()
    first = search.ranked()[0]

    for phase in settings.phases:
        for lineage in search.ranked_lineages(phase.starts):
            yield from search.improve(lineage, phase)
    while search.evolve_is_worth():
        for lineage in search.ranked_lineages(1):
            yield from search.evolve(lineage)
    best = search.ranked()[0]
    return Fit(
        family=best.genome.family,
        seed=best.genome.seed,
        values=_shape_values(best.made, best.genome),
        pose=best.pose,
        score=best.score,
        first_score=first.score,
        evaluations=search.count,
    )


def _shape_values(made: ProceduralObject, genome: Genome) -> dict[str, float]:
    """Return the values of the draws that were changed and that the object has."""
    return {axis.address: axis.value for axis in axes_of(made) if axis.address in genome.values}


class _Search:
    """The state of a search: the best candidate of each start.

    Args:
        target: What to fit.
        settings: How long to search.
    """

    def __init__(self, target: FittingTarget, settings: SearchSettings) -> None:
        self.count = 0
        self._spent = 0.0
        self._target = target
        self._settings = settings
        self._index = read_index()
        self._features = target_features(target)
        self._best: list[Candidate] = []  # of each start

    def try_genome(self, genome: Genome) -> None:
        """Add a start, if there is time left."""
        if not self._is_over():
            self._best.append(self._evaluate(genome))

    def ranked(self) -> list[Candidate]:
        """Return the best candidates of all starts, the best one first."""
        return sorted(self._best, key=lambda candidate: -candidate.score.total)

    def ranked_lineages(self, count: int) -> list[int]:
        """Return the starts of the best candidates: half of them at most of one family."""
        order = sorted(range(len(self._best)), key=lambda i: -self._best[i].score.total)
        chosen: list[int] = []
        most = max(1, count // 2)
        families: list[str] = []
        for lineage in order:
            family = self._best[lineage].genome.family
            if families.count(family) < most and len(chosen) < count:
                families.append(family)
                chosen.append(lineage)
        return chosen

    def progress(self) -> Progress:
        """Return how much of the allowed work is done."""
        settings = self._settings
        share = max(self.count / settings.evaluations, self._spent / settings.milliseconds)
        return Progress(min(share, 1.0), _STAGE)

    def improve(self, lineage: int, phase: Phase) -> Iterator[Progress]:
        """Improve the candidate of a start as long as that helps.

        Args:
            lineage: Which start.
            phase: How.
        """
        for _ in range(phase.rounds):
            before = self._best[lineage].score.total
            yield from self._take_step(lineage)
            if phase.has_options:
                yield from self._try_options(lineage)
            gain = self._best[lineage].score.total - before
            if gain < self._settings.least_gain or self._is_over():
                return

    def evolve(self, lineage: int) -> Iterator[Progress]:
        """Improve the candidate of a start by an evolution strategy, until the work is done.

        Args:
            lineage: Which start.
        """
        variables = _variables_of(self._best[lineage], self._target, self._settings, True)
        if not variables:
            self._spent = self._settings.milliseconds
            return
        start = self._best[lineage].genome
        mean = np.array([variable.value for variable in variables])
        strategy = EvolutionStrategy(mean, self._settings.spread, self._settings.seed)
        while not self._is_over():
            points = strategy.ask()
            scores = []
            for point in points:
                genome = start
                for variable, number in zip(variables, point, strict=True):
                    genome = variable.changed(genome, float(number) - variable.value)
                candidate = self._evaluate(genome)
                self._keep_better(lineage, candidate)
                outside = sum(v.outside(float(n)) for v, n in zip(variables, point, strict=True))
                scores.append(candidate.score.total - _OUTSIDE_COST * outside)
                yield self.progress()
            strategy.tell(points, scores)

    def evolve_is_worth(self) -> bool:
        return self._settings.spread > 0 and not self._is_over()

    def _is_over(self) -> bool:
        settings = self._settings
        is_done = any(candidate.score.total >= settings.enough for candidate in self._best)
        is_spent = self.count >= settings.evaluations or self._spent >= settings.milliseconds
        return is_done or is_spent

    def _evaluate(self, genome: Genome) -> Candidate:
        self.count += 1
        self._spent += self._index.cost_of(genome.family) + _DRAWING_MILLISECONDS
        return evaluate(genome, self._target)

    def _keep_better(self, lineage: int, candidate: Candidate) -> bool:
        """Keep a candidate if it is better than that of its start; return whether it is."""
        if candidate.score.total <= self._best[lineage].score.total:
            return False
        self._best[lineage] = candidate
        return True

    def _take_step(self, lineage: int) -> Iterator[Progress]:
        """Change all draws and the pose of a candidate together."""
        start = self._best[lineage]
        features = start.features()
        variables = _variables_of(start, self._target, self._settings)

        # The derivative of the features by each variable.
        rows = []
        used = []
        for variable in variables:
            if self._is_over():
                return
            genome = variable.changed(start.genome, variable.step)
            if variable.is_of_pose:
                moved = place(start.made, genome, self._target)
            else:
                moved = self._evaluate(genome)
                yield self.progress()
            derivative = (moved.features() - features) / np.float32(variable.step)
            if np.any(derivative):
                rows.append(derivative)
                used.append(variable)
            self._keep_better(lineage, moved)
        if not rows:
            return

        # Steps of several lengths.
        jacobian = np.stack(rows).astype(np.float64)
        residual = (self._features - features).astype(np.float64)
        normal = jacobian @ jacobian.T
        gradient = jacobian @ residual
        for damping in self._settings.dampings:
            if self._is_over():
                return
            diagonal = np.diag(normal.diagonal() + normal.diagonal().mean())
            step = np.linalg.solve(normal + damping * diagonal, gradient)
            genome = start.genome
            for variable, length in zip(used, step, strict=True):
                genome = variable.changed(genome, float(length))
            self._keep_better(lineage, self._evaluate(genome))
            yield self.progress()

    def _try_options(self, lineage: int) -> Iterator[Progress]:
        """Try the other options of a candidate's draws, one draw at a time."""
        for axis in axes_of(self._best[lineage].made):
            for value in axis.alternatives():
                if self._is_over():
                    return
                genome = self._best[lineage].genome
                values = {**genome.values, axis.address: value}
                self._keep_better(lineage, self._evaluate(replace(genome, values=values)))
                yield self.progress()


@dataclass(frozen=True)
class _Variable:
    """One number of a genome that a step changes.

    Attributes:
        name: The address of a draw, or the number of the pose: "yaw", "scale 0", "offset 2".
        step: Change for its derivative, away from the nearer end of its range.
        low: Of a draw, its smallest value.
        high: Of a draw, its largest value.
        value: That the object has; of a draw as a place in its range.
    """

    name: str
    step: float
    low: float = 0.0
    high: float = 0.0
    value: float = 0.0
    is_discrete: bool = False

    def outside(self, number: float) -> float:
        if self.is_of_pose:
            return 0.0
        return max(-number, number - 1, 0.0)

    @property
    def is_of_pose(self) -> bool:
        """Whether it changes the pose, and not the object."""
        return self.low == self.high

    def changed(self, genome: Genome, change: float) -> Genome:
        """Return ``genome`` with this number changed."""
        if self.is_of_pose:
            return replace(genome, shift=_shifted(genome.shift, self.name, change))
        quantile = min(max(self.value + change, 0.0), 1.0)
        value = self.low + quantile * (self.high - self.low)
        if self.is_discrete:
            value = min(self.high, self.low + np.floor(quantile * (self.high - self.low + 1)))
        return replace(genome, values={**genome.values, self.name: value})


def _shifted(shift: PoseShift, name: str, change: float) -> PoseShift:
    """Return a shift with one of its numbers changed; see :class:`_Variable`."""
    if name == "yaw":
        return replace(shift, yaw=shift.yaw + change)
    field, _, axis = name.partition(" ")
    numbers = list(getattr(shift, field))
    numbers[int(axis)] += change
    return replace(shift, **{field: tuple(numbers)})


def _variables_of(
    candidate: Candidate,
    target: FittingTarget,
    settings: SearchSettings,
    has_options: bool = False,
) -> list[_Variable]:
    """Return what a step changes: the continuous draws, and the pose where it is free."""
    variables = []
    for axis in axes_of(candidate.made):
        if axis.is_discrete:
            if has_options:
                count = axis.high - axis.low + 1
                place = (axis.value - axis.low + 0.5) / count
                variables.append(_Variable(axis.address, 0.0, axis.low, axis.high, place, True))
            continue
        step = settings.step if axis.quantile < 0.5 else -settings.step
        variable = _Variable(axis.address, step, axis.low, axis.high, axis.quantile)
        variables.append(variable)
    if target.is_turned_freely:
        variables.append(_Variable("yaw", settings.yaw_step))
        for number in range(3):
            variables.append(_Variable(f"scale {number}", settings.scale_step))
            variables.append(_Variable(f"offset {number}", settings.offset_step))
    return variables
