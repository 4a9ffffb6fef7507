import torch
from maquette.core.model.networks.reconstruction import ReconstructionNetwork
from maquette.core.model.networks.stored_keys import (
    ATTRIBUTES,
    STORED_NAMES,
    to_attribute_keys,
    to_stored_keys,
)


def test_the_table_is_one_to_one():
    assert len(STORED_NAMES) == len(ATTRIBUTES)


def test_every_name_of_the_table_is_one_of_the_network(tiny):
    stored_keys = list(ReconstructionNetwork(tiny).state_dict())
    attribute_keys = list(to_attribute_keys(dict.fromkeys(stored_keys)))
    for stored_name, attribute in ATTRIBUTES.items():
        assert any(f"{key}.".startswith(f"{stored_name}.") for key in stored_keys), stored_name
        assert any(f"{key}.".startswith(f"{attribute}.") for key in attribute_keys), attribute


def test_the_longest_name_is_replaced_and_only_at_dots():
    stored = ["tubes.across5.weight", "tubes.backbone.stem.0.conv.weight", "view.0.bias", "shift"]
    attributes = [
        "single_view.lateral5.weight",
        "single_view.backbone.stem.0.conv.weight",
        "view_mlp.0.bias",
        "threshold_shift",
    ]
    assert list(to_attribute_keys(dict.fromkeys(stored))) == attributes
    assert list(to_stored_keys(dict.fromkeys(attributes))) == stored
    assert list(to_attribute_keys({"viewer.bias": None})) == ["viewer.bias"]


def test_a_network_saves_and_loads_by_stored_keys(tiny):
    torch.manual_seed(0)
    network = ReconstructionNetwork(tiny)
    state = network.state_dict()
    assert torch.equal(state["occupied.weight"], network.occupancy_head.weight)
    assert torch.equal(state["tubes.depths.bias"], network.single_view.depth_head.bias)
    other = ReconstructionNetwork(tiny)
    assert not torch.equal(other.occupancy_head.weight, network.occupancy_head.weight)
    other.load_state_dict(state)
    for first, second in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(first, second)
