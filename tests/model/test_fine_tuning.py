import pytest
from maquette.core.model.data import load_split
from maquette.core.model.network import ReconstructionNetwork
from maquette.core.model.training import Trainer, TrainingConfig, train, validate
from maquette.core.work import run_to_end


def scores(run, tiny, folder, split):
    trainer = Trainer(TrainingConfig(), tiny)
    trainer.load(run)
    assert isinstance(trainer.average, ReconstructionNetwork)
    return validate(trainer.average, load_split([folder], split))


@pytest.mark.slow
def test_a_new_kind_is_learned_from_a_few_and_the_others_are_kept(dataset, coins, tiny, tmp_path):
    """A flat thing's depth cannot be seen from its front: what knew none learns it, for things that look like it."""
    config = TrainingConfig(steps=80, rate=5e-3, every=80, warmup=10, average=0.9, validation=2, imagenet=False)
    base = run_to_end(train([dataset], tmp_path / "base", config, tiny))
    before = scores(base, tiny, coins, "test")[0], scores(base, tiny, dataset, "test")
    config = TrainingConfig(steps=80, rate=2e-3, every=80, warmup=5, average=0.9, validation=2)
    tuned = run_to_end(train([coins, dataset], tmp_path / "tuned", config, start=base))
    after = scores(tuned, tiny, coins, "test")[0], scores(tuned, tiny, dataset, "test")
    assert after[0] > before[0] + 0.05
    assert min(b - a for a, b in zip(before[1], after[1], strict=True)) > -0.05
