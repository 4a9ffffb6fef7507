from dataclasses import replace

import numpy as np
import pytest
from maquette.core.model.inference.meaning.family_proposals import proposals_of
from maquette.core.model.inference.meaning.semantics import DrawDistribution, ImageMeaning
from maquette.core.procedural.draw_targets import draw_targets


@pytest.fixture
def described():
    """An image that is surely of a table 80 % of whose draws are in the highest bin."""
    draws = []
    for target in draw_targets()["table"]:
        probabilities = np.full(target.count, 0.2 / max(target.count - 1, 1), np.float32)
        probabilities[-1] = 0.8
        draws.append(DrawDistribution(target, probabilities))
    return ImageMeaning(
        families=[("table", 0.9), ("other", 0.1)],
        is_known=True,
        draws={"table": tuple(draws)},
        groups=(),
        parts=np.zeros((64, 64, 1), np.float32),
        embedding=np.zeros(192, np.float32),
    )


def test_the_most_probable_values_come_first(described):
    table, other = proposals_of(described)
    assert (table.family, table.probability) == ("table", 0.9)
    assert other.samples == ()
    likely, expected, *drawn = table.samples
    width = next(draw.target for draw in described.draws["table"] if draw.target.address == "width")
    assert likely["width"] == pytest.approx(width.value_of(width.count - 1))
    assert width.low < expected["width"] < likely["width"]
    assert len(drawn) == 2
    assert drawn[0] != drawn[1]


def test_the_samples_are_the_same_each_time(described):
    again = replace(described)
    assert proposals_of(described) == proposals_of(again)
