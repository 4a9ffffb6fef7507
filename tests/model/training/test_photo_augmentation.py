"""Photograph-like images that the foreground network learns from."""

from dataclasses import replace

import numpy as np
from maquette.core.model.networks.foreground import SIDE
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.photo_augmentation import PhotoAugmentationConfig, augment_photo

PANORAMAS = [np.full((64, 128, 3), value, np.uint8) for value in (40, 90)]


def test_what_is_learned_from_has_its_mask(dataset):
    objects = load_split([dataset], "train")
    photos = [augment_photo(objects, PANORAMAS, np.random.default_rng(seed)) for seed in range(30)]
    for photo, mask in photos:
        assert photo.shape == (3, SIDE, SIDE) and mask.shape == (1, SIDE, SIDE)
        assert photo.min() >= 0 and photo.max() <= 1 and 0 < mask.mean() < 1
    again, _ = augment_photo(objects, PANORAMAS, np.random.default_rng(3))
    assert (again == photos[3][0]).all()


def test_the_shares_of_the_configuration_are_used(dataset):
    """White backgrounds without noise, shadows and distractors are white where the mask is 0."""
    objects = load_split([dataset], "train")
    config = PhotoAugmentationConfig(
        white_share=1.0, distractor_odds=0, texture_odds=0, grain_std=0
    )
    compositing = replace(
        config.compositing, shadow_odds=0, tint_odds=0, noise_odds=0, compression_odds=0
    )
    config = replace(config, compositing=compositing)
    for seed in range(5):
        photo, mask = augment_photo(objects, (), np.random.default_rng(seed), config)
        assert (photo[:, mask[0] == 0] == 1).all()
