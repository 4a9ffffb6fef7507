"""What a search changes of a genome, each as one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .candidates import Genome, PoseShift
from .draw_space import Axis

# Numbers of the pose that are free where a picture shows the object, and how far each of them
# changes where a draw changes by its whole range.
_POSE_REACH = {
    "yaw": 0.6,
    "scale 0": 0.4,
    "scale 1": 0.4,
    "scale 2": 0.4,
    "offset 0": 0.2,
    "offset 1": 0.2,
    "offset 2": 0.2,
    "lean 0": 0.5,
    "lean 1": 0.5,
}


@dataclass(frozen=True)
class DrawVariable:
    """A draw as its place in its range, 0..1.

    Attributes:
        axis: The draw.
    """

    axis: Axis

    is_of_pose = False

    @property
    def start(self) -> float:
        """The number of the object as it is; of an option the middle of its part of 0..1."""
        if self.axis.is_discrete:
            return (self.axis.value - self.axis.low + 0.5) / self._count
        return self.axis.quantile

    @property
    def _count(self) -> float:
        return self.axis.high - self.axis.low + 1

    def set_in(self, genome: Genome, number: float) -> Genome:
        """Return ``genome`` with this number; beyond 0..1 the nearest value."""
        limited = min(max(number, 0.0), 1.0)
        value = self.axis.value_at(limited)
        if self.axis.is_discrete:
            option = int(limited * self._count)
            value = min(self.axis.low + option, self.axis.high)
        values: Mapping[str, float] = {**genome.values, self.axis.address: value}
        return replace(genome, values=values)


@dataclass(frozen=True)
class PoseVariable:
    """A number of the pose, 0 where the object is now, in units of its reach.

    Attributes:
        name: "yaw", or the name of a field of ``PoseShift`` and an axis.
        reach: Change of the number for a change of 1.
    """

    name: str
    reach: float

    is_of_pose = True
    start = 0.0

    def set_in(self, genome: Genome, number: float) -> Genome:
        """Return ``genome`` with the pose changed by this number."""
        return replace(genome, shift=_shifted(genome.shift, self.name, self.reach * number))


Variable = DrawVariable | PoseVariable


def pose_variables() -> list[Variable]:
    """Return the variables of the pose."""
    return [PoseVariable(name, reach) for name, reach in _POSE_REACH.items()]


def _shifted(shift: PoseShift, name: str, change: float) -> PoseShift:
    """Return a shift with one of its numbers changed; see :class:`PoseVariable`."""
    if name == "yaw":
        return replace(shift, yaw=shift.yaw + change)
    field, _, axis = name.partition(" ")
    if field == "lean":
        lean = list(shift.lean)
        lean[int(axis)] += change
        return replace(shift, lean=(lean[0], lean[1]))
    numbers = list(shift.scale if field == "scale" else shift.offset)
    numbers[int(axis)] += change
    triple = (numbers[0], numbers[1], numbers[2])
    if field == "scale":
        return replace(shift, scale=triple)
    return replace(shift, offset=triple)
