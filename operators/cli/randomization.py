"""Random variation on the command line: the arguments of ``maquette dataset`` for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.synthesis.randomization import BACKGROUNDS, MOST, TURNS, Randomization


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that :func:`from_arguments` reads."""
    group = parser.add_argument_group("randomization")
    group.add_argument(
        "--lamps",
        type=int,
        default=0,
        help=f"maximum number of area lights per view, 0 to {MOST} (default 0)",
    )
    group.add_argument(
        "--materials",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="probability of random materials (default 0)",
    )

    group.add_argument(
        "--textures",
        type=Path,
        metavar="FOLDER",
        help="images for random materials (default: procedural textures only)",
    )
    group.add_argument(
        "--backgrounds",
        default="transparent",
        metavar="KINDS",
        help=f"kinds of background, separated by commas: {', '.join(BACKGROUNDS)} (%(default)s)",
    )

    group.add_argument(
        "--background-pictures", type=Path, metavar="FOLDER", help="images for image backgrounds"
    )
    group.add_argument(
        "--turn",
        choices=TURNS,
        default="none",
        help="random rotation of each object about its center (%(default)s)",
    )

    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        default=(1.0, 1.0),
        metavar=("LEAST", "MOST"),
        help="minimum and maximum scale of each object about its center (1 1)",
    )

    group.add_argument(
        "--occluders",
        type=int,
        default=0,
        help=f"maximum number of occluders per view, 0 to {MOST} (default 0)",
    )
    group.add_argument(
        "--hidden",
        type=float,
        default=0.3,
        help="maximum fraction of the object hidden by occluders (%(default)s)",
    )


def from_arguments(arguments: argparse.Namespace) -> Randomization:
    """Return the settings of parsed arguments."""
    return Randomization(
        lamps=arguments.lamps,
        materials=arguments.materials,
        textures=arguments.textures,
        backgrounds=tuple(arguments.backgrounds.split(",")),
        pictures=arguments.background_pictures,
        turn=arguments.turn,
        scale=tuple(map(float, arguments.scale)),
        occluders=arguments.occluders,
        hidden=arguments.hidden,
    )
