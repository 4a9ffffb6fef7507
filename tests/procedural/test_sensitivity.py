from maquette.core.procedural.draw_targets import draw_targets
from maquette.core.procedural.sensitivity import measure_sensitivity, read_sensitivities


def target_of(family, address):
    return next(each for each in draw_targets()[family] if each.address == address)


def test_the_table_has_each_target():
    table = read_sensitivities()
    for family, targets in draw_targets().items():
        assert {target.address for target in targets} == set(table[family])
        assert all(0 <= change < 1 for change in table[family].values())


def test_the_table_is_what_is_measured_and_sizes_change_more_than_details():
    table = read_sensitivities()["mug"]
    for address in ("height", "cup"):
        assert round(measure_sensitivity("mug", target_of("mug", address)), 4) == table[address]
    assert table["height"] > 0.2 > 0.01 > table["cup"]
