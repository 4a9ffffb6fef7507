import numpy as np
import pytest
from maquette.core.imaging.morphology import filter3x3


@pytest.mark.parametrize("which", (np.minimum, np.maximum, np.logical_and))
@pytest.mark.parametrize("shape", ((7, 5), (1, 4), (3, 1)))
def test_the_nine_values_about_each_are_asked(which, shape):
    values = np.random.default_rng(0).normal(size=shape)
    values = values > -0.5 if which is np.logical_and else values
    found = filter3x3(values, which)
    for i in range(shape[0]):
        for j in range(shape[1]):
            near = values[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            assert found[i, j] == which.reduce(near, axis=None)
