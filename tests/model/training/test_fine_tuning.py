import pytest
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference import weights
from maquette.core.model.training.config_file import TrainingConfig, TrainingRecipe
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.batches import SamplingConfig
from maquette.core.model.training.trainer import Trainer, train_network
from maquette.core.model.training.validation import validation_scores


def scores(model, folder):
    return validation_scores(model, load_split([folder], "test"))


# Small batches, mostly of single views, so that the test is quick.
SAMPLING = SamplingConfig(
    view_counts=(1, 2, 4), view_count_shares=(0.8, 0.1, 0.1), batch_sizes=(10, 4, 4)
)


@pytest.mark.slow
def test_a_new_category_is_learned_from_a_few_and_the_others_are_kept(others, coins, tmp_path):
    """Nobody can see the depth of a flat object from its front: the bundled weights learn it."""
    bundled, _ = weights.load_weights()
    coins_before = scores(bundled, coins)
    others_before = scores(bundled, others)

    config = TrainingConfig(
        steps=30, learning_rate=5e-4, eval_every=30, warmup=5, ema_decay=0.8, val_objects=2
    )
    work = train_network(
        [coins, others],
        tmp_path,
        config,
        start=weights.BUNDLED_WEIGHTS,
        recipe=TrainingRecipe(sampling=SAMPLING),
    )
    tuned = Trainer(config, bundled.config)
    tuned.load_checkpoint(run_to_end(work))

    assert scores(tuned.average, coins)[0] > coins_before[0] + 0.15
    others_after = scores(tuned.average, others)
    assert min(b - a for a, b in zip(others_before, others_after, strict=True)) > -0.05
