"""The level of a single view is calibrated on unseen objects."""

import numpy as np
import torch
from maquette.core.model.inference.occupancy_field import expected_iou_threshold
from maquette.core.model.metrics import iou
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.training.calibration import calibrate_level
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.placement import ViewQuery
from maquette.core.model.training.validation import OUTSIDE_LOGIT, object_logits


def mean_iou(model, objects):
    scores = []
    for training_object in objects:
        for unposed in (False, True):
            with torch.inference_mode():
                logits = object_logits(model, training_object, ViewQuery(1, unposed))
            level = expected_iou_threshold(logits[logits > OUTSIDE_LOGIT]) + float(
                model.threshold_shift
            )
            scores.append(iou(logits > level, training_object.uniform_inside))
    return np.mean(scores)


def test_calibration_lifts_iou_on_what_it_sees(dataset, tiny):
    objects = load_split([dataset], "validation")
    torch.manual_seed(0)
    model = ReconstructionNetwork(tiny).eval()
    torch.nn.init.constant_(model.occupancy_head.bias, -0.8)
    before = mean_iou(model, objects)
    calibrate_level(model, objects)
    assert model.threshold_shift != 0
    assert mean_iou(model, objects) > before
