"""A random generator that records what a family draws, and can replay it with values replaced.

Every family draws from a :class:`RecordingGenerator`, which is a ``numpy.random.Generator``: the
values are those of a plain generator, bit for bit. Each scalar becomes one :class:`Draw`.

An address names the statement that drew, not the position in the stream, so that it means the same
whether or not an earlier branch was taken::

    width                    drawn by the family itself and assigned to ``width``
    legs.thick               drawn in the helper ``_legs`` and assigned to ``thick``
    seat.any_material.choice the material of the part "seat"; the name assigned to is "choice"
    slat#2                   the third visit of that statement
    size[1]                  the second element of an array

An element of the path is the name that the result is assigned to, else the label of the part or the
keyword that it is passed to, else the name of the called function. Several of one name in a
function are numbered (``uniform``, ``uniform2``). Names come from the source text, by the position
of the call (PEP 657). Without that (``PYTHONNODEBUGRANGES``) they are those of the called functions
alone.

Left out is surface noise: what is drawn inside :data:`NOISE_FUNCTIONS`, and arrays of more than
:data:`LARGEST_ARRAY` elements. Replaying keeps it, too.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any

import numpy as np

NOISE_FUNCTIONS = frozenset({"displace_mesh", "roughen_field"})
LARGEST_ARRAY = 16
NORMAL_SPREAD = 3.0  # standard deviations that the stated range of a normal draw covers

_VAGUE_NAMES = frozenset({"parts", "meshes", "mesh"})  # the called function's name is better
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


@dataclass(frozen=True, slots=True)
class Draw:
    """One scalar that a family drew.

    Args:
        address: which statement drew it, see this module.
        kind: "uniform", "random" (uniform in 0..1), "normal", "integers" or "choice".
        low: the smallest possible value; of "normal" three standard deviations below the mean.
        high: the largest possible value, inclusive; of "normal" three above the mean.
        value: that was drawn; of "choice" the index of the option.
        options: of "choice", all that there were.
    """

    address: str
    kind: str
    low: float
    high: float
    value: float
    options: tuple[Any, ...] = ()


class RecordingGenerator(np.random.Generator):
    """A ``numpy.random.Generator`` that records its draws.

    Args:
        bit_generator: the source of random bits.
        fixed: values by address that replace those drawn, clipped to the range of their draw. The
            source advances as if nothing were replaced.
    """

    def __init__(
        self, bit_generator: np.random.BitGenerator, fixed: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(bit_generator)
        self._plain = np.random.Generator(bit_generator)  # its choice() would call our random()
        self.draws: list[Draw] = []
        self.values: dict[str, float] = {}  # of all draws, of noise as well
        self._fixed = dict(fixed or {})
        self._visits: Counter[str] = Counter()

    def random(self, size: Any = None, *args: Any, **options: Any) -> Any:
        """Draw uniformly from 0..1, as the method of a plain generator."""
        value = self._plain.random(size, *args, **options)
        return self._record("random", value, 0.0, 1.0)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Draw uniformly from ``low`` to ``high``, as the method of a plain generator."""
        value = self._plain.uniform(low, high, size)
        return self._record("uniform", value, low, high)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draw from a normal distribution, as the method of a plain generator."""
        value = self._plain.normal(loc, scale, size)
        spread = NORMAL_SPREAD * np.asarray(scale)
        return self._record("normal", value, loc - spread, loc + spread)

    def integers(  # type: ignore[override]
        self, low: Any, high: Any = None, size: Any = None, **options: Any
    ) -> Any:
        """Draw whole numbers, as the method of a plain generator."""
        value = self._plain.integers(low, high, size, **options)
        if high is None:
            high = low
            low = 0
        last = high if options.get("endpoint") else np.asarray(high) - 1
        return self._record("integers", value, low, last)

    def choice(self, a: Any, size: Any = None, *args: Any, **options: Any) -> Any:
        """Choose of ``a`` or of the numbers below it, as the method of a plain generator."""
        # numpy chooses an index, too, so this draws the same bits.
        choices = np.arange(a) if np.ndim(a) == 0 else np.asarray(a)
        index = self._plain.choice(len(choices), size, *args, **options)
        index = self._record("choice", index, 0, len(choices) - 1, tuple(choices.tolist()))
        return index if np.ndim(a) == 0 else choices[index]

    def _record(
        self, kind: str, value: Any, low: Any, high: Any, options: tuple[Any, ...] = ()
    ) -> Any:
        """Record the scalars of ``value`` and return it, with those that are fixed replaced.

        Args:
            kind: of :class:`Draw`.
            value: a scalar or an array, which is changed.
            low: lowest possible value, or an array of them.
            high: highest possible value, or an array of them.
            options: of a choice.
        """
        path, is_noise = _address_of(sys._getframe(2))
        visit = self._visits[path]
        self._visits[path] += 1
        address = f"{path}#{visit}" if visit else path

        if np.ndim(value) == 0:
            return self._record_scalar(Draw(address, kind, low, high, value, options), is_noise)

        is_noise = is_noise or np.size(value) > LARGEST_ARRAY
        lows = np.broadcast_to(low, value.shape).ravel()
        highs = np.broadcast_to(high, value.shape).ravel()
        for index, drawn in enumerate(value.ravel()):
            draw = Draw(f"{address}[{index}]", kind, lows[index], highs[index], drawn, options)
            value.flat[index] = self._record_scalar(draw, is_noise)
        return value

    def _record_scalar(self, draw: Draw, is_noise: bool) -> Any:
        """Record one scalar and return its value, of the type that was drawn."""
        value = draw.value
        is_integer = draw.kind in ("integers", "choice")
        if draw.address in self._fixed:
            fixed = self._fixed[draw.address]
            if draw.kind != "normal":
                fixed = max(fixed, min(draw.low, draw.high))
                fixed = min(fixed, max(draw.low, draw.high))
            value = type(draw.value)(round(fixed) if is_integer else fixed)

        to_number = int if is_integer else float
        self.values[draw.address] = to_number(value)
        if not is_noise:
            recorded = replace(
                draw,
                low=to_number(draw.low),
                high=to_number(draw.high),
                value=to_number(value),
            )
            self.draws.append(recorded)

        return value


def run(family: Callable[[np.random.Generator], Any], generator: RecordingGenerator) -> Any:
    """Call ``family``; the addresses of its draws begin below this call."""
    return family(generator)


def _address_of(frame: FrameType) -> tuple[str, bool]:
    """Return the address of the draw that ``frame`` makes, and whether it is surface noise."""
    names: list[str] = []
    is_noise = False
    current: FrameType | None = frame

    # From the innermost function outwards: the name of the call's result, and of the function.
    while current is not None and current.f_code is not run.__code__:
        names.append(_call_name(current.f_code, current.f_lasti))
        while current.f_code.co_name in _COMPREHENSIONS and current.f_back is not None:
            current = current.f_back  # Python 3.12 has no such frame
        is_noise = is_noise or current.f_code.co_name in NOISE_FUNCTIONS
        names.append(current.f_code.co_name.strip("_"))
        current = current.f_back

    # Without the name of the family, and without repetitions.
    names.pop()
    names.reverse()
    kept = []

    for i, name in enumerate(names):
        is_repeated = i > 0 and name == names[i - 1]
        if name and not is_repeated:
            kept.append(name)

    return ".".join(kept), is_noise


@cache
def _call_name(code: CodeType, instruction: int) -> str:
    """Return the name of the result of the call at ``instruction``; empty without the source."""
    position = next(islice(code.co_positions(), instruction // 2, None))
    _, end_line, _, end_column = position
    return _names_in(code.co_filename).get((end_line, end_column), "")


@cache
def _names_in(path: str) -> dict[tuple[int | None, int | None], str]:
    """Return the name of each call that involves ``rng``, by the position where the call ends."""
    names: dict[tuple[int | None, int | None], str] = {}
    tree = ast.parse("".join(linecache.getlines(path)))
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            seen: Counter[str] = Counter()
            for call, role in _calls(function, ""):
                name = _name_of(call, role)
                seen[name] += 1
                count = seen[name]
                position = (call.end_lineno, call.end_col_offset)
                names[position] = f"{name}{count}" if name and count > 1 else name

    return names


def _calls(node: ast.AST, role: str) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls below ``node`` that involve ``rng``, each with the name of its use."""
    if isinstance(node, ast.Assign):
        yield from _assigned_calls(node.targets[0], node.value)
        return

    if isinstance(node, ast.Call):
        if _involves_rng(node):
            yield node, role
        role = _label_in(node) or role

    for child in ast.iter_child_nodes(node):
        keyword = child.arg if isinstance(child, ast.keyword) else None
        yield from _calls(child, keyword or role)


def _assigned_calls(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls in an assignment; in that of a tuple each has the name of its target."""
    targets = target.elts if isinstance(target, ast.Tuple) else []
    values = value.elts if isinstance(value, ast.Tuple) else []
    if targets and len(targets) == len(values):
        for element_target, element_value in zip(targets, values, strict=True):
            yield from _assigned_calls(element_target, element_value)
        return

    names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
    if isinstance(target, ast.Subscript):
        names = names[:1]
    role = "_".join(name for name in names if name != "_")
    yield from _calls(value, "" if role in _VAGUE_NAMES else role)


def _involves_rng(call: ast.Call) -> bool:
    """Return whether ``call`` is of a method of ``rng``, or has ``rng`` among its arguments."""
    function = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return any(isinstance(node, ast.Name) and node.id == "rng" for node in (function, *call.args))


def _label_in(call: ast.Call) -> str:
    """Return the label of the part that ``call`` makes; empty if it makes none."""
    texts = [node.value for node in call.args if isinstance(node, ast.Constant)]
    labels = [text for text in texts if isinstance(text, str) and len(text) > 1]
    return labels[0].replace(" ", "_") if labels else ""


def _name_of(call: ast.Call, role: str) -> str:
    """Return ``role``, or else the name of the called function."""
    if role:
        return role
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id.strip("_") if isinstance(call.func, ast.Name) else ""
