"""The guide as pages of the web browser."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from maquette.core.resources import DOCUMENTATION


def test_all_links_between_the_pages_and_to_images_lead_somewhere(addon, tmp_path):
    from maquette.operators.open_guide import write_pages

    write_pages(DOCUMENTATION, tmp_path)
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}
    assert "guide.html" in pages and "photographs.html" in pages
    targets = 0
    for text in pages.values():
        for target in re.findall(r"(?:href|src)=\"([^\"]+)\"", text):
            if target.startswith("file:"):
                assert Path(unquote(urlsplit(target).path)).exists(), target
            elif "://" not in target:
                name, _, place = target.partition("#")
                page = pages[name] if name else text
                assert not place or f"id=\"{place}\"" in page, target
            targets += 1
    assert targets > 20
