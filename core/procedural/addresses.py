"""The frozen table of what each family draws: ``addresses.json`` beside this file.

A test compares it with the generators, so that an edit which renames or removes a draw is noticed:
recorded draws of older training sets would no longer fit. After a change that is meant, rebuild
it::

    python -m maquette.core.procedural.addresses
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from ..atomic_files import write_bytes
from . import FAMILIES, make_object

Sites = dict[str, tuple[str, float, float, int]]

PATH = Path(__file__).with_name("addresses.json")
SEEDS = range(40)  # enough that rare branches are taken in nearly all families

_VISIT = re.compile(r"#\d+")


def read_table() -> dict[str, Sites]:
    """Return the frozen table: sites by family."""
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    table = {}
    for family, sites in stored.items():
        table[family] = {site: tuple(entry) for site, entry in sites.items()}
    return table


def sites_of(family: str) -> Sites:
    """Return what ``family`` draws over the seeds :data:`SEEDS`.

    A site is an address without the number of the visit. Its entry is (kind, lowest ``low``,
    highest ``high``, most visits in one object), the limits to five significant digits.
    """
    sites: Sites = {}
    for seed in SEEDS:
        visits: Counter[str] = Counter()
        for draw in make_object(family, seed).draws:
            site = _VISIT.sub("", draw.address)
            visits[site] += 1
            kind, low, high, most = sites.get(site, (draw.kind, draw.low, draw.high, 0))
            lowest = min(low, draw.low)
            highest = max(high, draw.high)
            sites[site] = (kind, lowest, highest, max(most, visits[site]))

    rounded = {}
    for site, (kind, low, high, most) in sorted(sites.items()):
        rounded[site] = (kind, float(f"{low:.5g}"), float(f"{high:.5g}"), most)
    return rounded


def main() -> None:
    """Write the table anew, one site a line."""
    families = []
    for family in sorted(FAMILIES):
        sites = sites_of(family).items()
        lines = []
        for site, entry in sites:
            lines.append(f"{json.dumps(site)}:{json.dumps(entry, separators=(',', ':'))}")
        families.append(f"{json.dumps(family)}:{{\n" + ",\n".join(lines) + "}")

    write_bytes(PATH, "{" + ",\n".join(families) + "}\n")


if __name__ == "__main__":
    main()
