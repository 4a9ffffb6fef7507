import numpy as np
from maquette.core.procedural.fitting.evolution import EvolutionStrategy


def run(score, mean, generations):
    """The mean after some generations."""
    strategy = EvolutionStrategy(np.array(mean), 0.3, seed=0)
    for _ in range(generations):
        points = strategy.ask()
        strategy.tell(points, [score(point) for point in points])
    return strategy.mean


def test_finds_the_top_of_a_narrow_turned_ridge():
    top = np.array((0.3, -0.2, 0.5, 0.1))
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    weights = np.array((1.0, 10.0, 100.0, 1000.0))

    def score(point):
        return -float((weights * (axes @ (point - top)) ** 2).sum())

    found = run(score, (0.0, 0.0, 0.0, 0.0), 120)
    np.testing.assert_allclose(found, top, atol=1e-2)


def test_is_the_same_for_the_same_seed():
    results = [run(lambda point: -float((point**2).sum()), (1.0, 1.0), 5) for _ in range(2)]
    np.testing.assert_array_equal(*results)
