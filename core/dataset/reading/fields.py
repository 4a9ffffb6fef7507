"""Entries of a JSON dictionary, whose types are checked when they are read.

Each function returns the entry, or raises ValueError with the place: ``views[3].kind is no text``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import limits

_NUMBER_TYPES = {int, float}  # not bool
_SHOWN = 60  # characters of a wrong value in an error text


class Fields:
    """A JSON dictionary.

    Args:
        data: Its content.
        place: Where it is in the file, such as "views[3]"; "" for the file itself.

    Raises:
        ValueError: It is no dictionary.
    """

    def __init__(self, data: object, place: str = "") -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{place or 'the JSON'} is no dictionary")
        self.data: Mapping[str, Any] = data
        self._place = place

    def place(self, key: str) -> str:
        """Return where the entry ``key`` is in the file."""
        return f"{self._place}.{key}" if self._place else key

    def get(self, key: str) -> Any:
        """Return the entry ``key`` of any type, which must exist."""
        if key not in self.data:
            raise ValueError(f"{self.place(key)} is missing")
        return self.data[key]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; ``default`` if there is none, unless that is None."""
        if default is not None and key not in self.data:
            return default
        return require_text(self.get(key), self.place(key))

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.data.get(key)
        if value is not True and value is not False:
            self.get(key)
            raise ValueError(f"{self.place(key)} is {_shown(value)}, not true or false")
        return value

    def integer(self, key: str, least: int, most: int) -> int:
        """Return a whole number in ``least..most``."""
        value = self.data.get(key)
        if type(value) is not int or not least <= value <= most:
            self.get(key)
            raise ValueError(
                f"{self.place(key)} is {_shown(value)}, not a whole number in {least}..{most}"
            )
        return value

    def numbers(self, key: str, shape: Sequence[int | None]) -> NDArray[np.float64]:
        """Return finite numbers, see :func:`require_numbers`."""
        return require_numbers(self.get(key), shape, self.place(key))

    def section(self, key: str, required: bool = False) -> Fields:
        """Return a dictionary in this one; an empty one if there is none."""
        if not required and key not in self.data:
            return Fields({}, self.place(key))
        return Fields(self.get(key), self.place(key))

    def sections(self, key: str, required: bool = False) -> list[Fields]:
        """Return a list of dictionaries; an empty one if there is none."""
        if not required and key not in self.data:
            return []
        values = self.get(key)
        if not isinstance(values, list):
            raise ValueError(f"{self.place(key)} is no list")
        place = self.place(key)
        return [Fields(value, f"{place}[{index}]") for index, value in enumerate(values)]

    def choices(self, key: str, allowed: Collection[str]) -> tuple[str, ...]:
        """Return a list of texts, each of which is one of ``allowed``."""
        values = self.get(key)
        if not isinstance(values, list):
            raise ValueError(f"{self.place(key)} is no list")
        for value in values:
            if not isinstance(value, str) or value not in allowed:
                raise ValueError(f"{self.place(key)} has {_shown(value)}")
        return tuple(values)


def require_text(value: object, place: str) -> str:
    """Return ``value`` if it is a text that every file and console can hold."""
    if not isinstance(value, str):
        raise ValueError(f"{place} is {_shown(value)}, not a text")
    if len(value) > limits.TEXT_LENGTH or "\0" in value:
        raise ValueError(f"{place} is too long a text, or has a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{place} has half of a character") from error

    return value


def require_numbers(value: object, shape: Sequence[int | None], place: str) -> NDArray[np.float64]:
    """Return nested lists of finite numbers as an array.

    Args:
        value: The lists.
        shape: Lengths of the axes; None for any length but 0.
        place: For the error text.
    """
    array = to_numbers(value, len(shape))
    if array is None or any(
        length == 0 if expected is None else length != expected
        for length, expected in zip(array.shape, shape, strict=True)
    ):
        lengths = " x ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{place} is not {lengths} finite numbers")

    return array


def to_numbers(value: object, axes: int) -> NDArray[np.float64] | None:
    """Return nested lists of numbers as an array with ``axes`` axes; None if they are not that."""
    # numpy takes texts and None for numbers, too.
    flat: Any = value
    try:
        for _ in range(axes - 1):
            flat = chain.from_iterable(flat)
        if not _NUMBER_TYPES.issuperset(map(type, flat)):
            return None
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return None

    if array.ndim != axes:
        return None
    if not array.size:
        return array

    # NaN compares false.
    if not (array.min() >= -limits.COORDINATE and array.max() <= limits.COORDINATE):
        return None
    return array


def _shown(value: object) -> str:
    """Return the beginning of a wrong value."""
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    if type(value) is int and value.bit_length() > _SHOWN:
        return "a huge number"
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
