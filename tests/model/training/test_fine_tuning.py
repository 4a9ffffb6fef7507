import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference import weights
from maquette.core.model.training import batches
from maquette.core.model.training.config_file import TrainingConfig
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.trainer import Trainer, train_network
from maquette.core.model.training.validation import validation_scores


def scores(model, folder):
    return validation_scores(model, load_split([folder], "test"))


@pytest.mark.slow
def test_a_new_kind_is_learned_from_a_few_and_the_others_are_kept(
    others, coins, tmp_path, monkeypatch
):
    """A flat thing's depth cannot be seen from its front: the bundled weights learn it for things of that look."""
    monkeypatch.setattr(batches, "_VIEWS", ((1, 0.8), (2, 0.1), (4, 0.1)))
    monkeypatch.setattr(batches, "_BATCH", {1: 10, 2: 4, 4: 4})
    bundled, _ = weights.load_weights()
    before = scores(bundled, coins), scores(bundled, others)
    config = TrainingConfig(
        steps=40, learning_rate=1e-3, eval_every=40, warmup=5, ema_decay=0.8, val_objects=2
    )
    tuned = Trainer(config, bundled.config)
    tuned.load_checkpoint(
        run_to_end(train_network([coins, others], tmp_path, config, start=weights.BUNDLED_WEIGHTS))
    )
    after = scores(tuned.average, coins), scores(tuned.average, others)
    assert after[0][0] > before[0][0] + 0.15
    assert min(b - a for a, b in zip(before[1], after[1], strict=True)) > -0.05
