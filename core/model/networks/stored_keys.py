"""Names of parameters in files, which stay when attributes of the networks are renamed.

Weights and checkpoints of earlier versions keep their keys, so that every file can be read by
every version. This table is the one place that relates a stored name to the attribute that holds
it today.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

# Stored name of a module or tensor of ``ReconstructionNetwork`` -> its attribute.
ATTRIBUTES = {
    "encoder.whole": "encoder.global_context",
    "encoder.across5": "encoder.lateral5",
    "encoder.across4": "encoder.lateral4",
    "encoder.across3": "encoder.lateral3",
    "encoder.across2": "encoder.lateral2",
    "encoder.join4": "encoder.merge4",
    "encoder.join3": "encoder.merge3",
    "encoder.narrow": "encoder.reduce_channels",
    "encoder.join2": "encoder.merge2",
    "encoder.pixel": "encoder.pixel_head",
    "encoder.bins": "encoder.bin_head",
    "encoder.depth": "encoder.depth_head",
    "encoder.fine": "encoder.fine_head",
    "volume.enter": "volume.stem",
    "volume.across2": "volume.lateral2",
    "volume.join2": "volume.merge2",
    "volume.across1": "volume.lateral1",
    "volume.join1": "volume.merge1",
    "view": "view_mlp",
    "point": "point_mlp",
    "tubes": "single_view",
    "tubes.whole": "single_view.global_context",
    "tubes.across5": "single_view.lateral5",
    "tubes.join5": "single_view.merge5",
    "tubes.join4": "single_view.merge4",
    "tubes.join3": "single_view.merge3",
    "tubes.join2": "single_view.merge2",
    "tubes.depths": "single_view.depth_head",
    "tubes.upright": "single_view.up_head",
    "occupied": "occupancy_head",
    "own_colour": "color_head",
    "trust": "view_weight_head",
    "shift": "threshold_shift",
    "curves": "calibration_curves",
}
STORED_NAMES = {attribute: stored for stored, attribute in ATTRIBUTES.items()}


def to_stored_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state``, by attribute, with the keys of files."""
    return _rename_keys(state, STORED_NAMES)


def to_attribute_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state``, with the keys of files, by attribute."""
    return _rename_keys(state, ATTRIBUTES)


def _rename_keys(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    return {_rename_key(key, names): value for key, value in state.items()}


def _rename_key(key: str, names: Mapping[str, str]) -> str:
    """Return ``key`` with its longest dotted beginning that is one of ``names`` replaced."""
    parts = key.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if name in names:
            return ".".join((names[name], *parts[count:]))
    return key
