"""Paths of the files that come with the package."""

from __future__ import annotations

from pathlib import Path

_CORE = Path(__file__).parent
PACKAGE = _CORE.parent  # the folder of the extension
DOCUMENTATION = PACKAGE / "docs"
SAMPLES = _CORE / "samples"  # sample images
BUNDLED_WEIGHTS = _CORE / "weights" / "maquette.safetensors"
MEANING_WEIGHTS = _CORE / "weights" / "meaning.safetensors"  # of the heads and the shape space
