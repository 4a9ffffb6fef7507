"""The log of a training run: ``log.csv``, and ``curve.png`` drawn from it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...atomic_files import (
    LineFile,
    read_complete_lines,
    report_write_errors,
    write_bytes,
    write_image,
)
from ...errors import MaquetteError
from .validation import VALIDATION_QUERIES

# Seconds between two drawings of the curve, which takes longer than a step of a small network.
_DRAW_SECONDS = 10.0

# Layout of the curve, pixels: boxes are left, top, right, bottom.
_SIZE = 512
_LOSS_BOX = (80, 38, 498, 216)
_IOU_BOX = (80, 260, 498, 370)
_LEGEND_TOP = 394
_LEGEND_LINE = 28
_TITLE_HEIGHT = 33
_FONT_SIZE = 25
_CHARACTER_WIDTH = 14
_THIN = 1
_THICK = 4

_FOREGROUND = (70, 70, 70)
_PALE = (190, 210, 235)
_BOLD = (30, 90, 170)
_COLORS = ((214, 96, 30), (60, 140, 60), (140, 80, 160), (190, 150, 20))

# Losses below this are drawn as this much: the axis is logarithmic.
_SMALLEST_LOSS = 1e-4
# Room above and below the curves: of IoU, and of the loss's common logarithm.
_IOU_MARGIN = 0.03
_LOSS_MARGIN = 0.02
# The bold curve averages over one in so many steps, and over this many at least.
_AVERAGED_PARTS = 30
_MIN_AVERAGED = 5

Color = tuple[int, int, int]
Points = NDArray[np.float64]


class RunLog:
    """Writer of ``log.csv``: each line is on disk at once, and now and then the curve is drawn.

    A line is: step, "train", losses, seconds; or: step, "validation", the IoU of each of
    ``VALIDATION_QUERIES``, NaN where it was not evaluated. Only the main process writes.
    """

    def __init__(self, run: Path, step: int, first: bool) -> None:
        """Open the log of a run that continues after ``step``; lines of later steps are dropped.

        Args:
            run: folder of the run.
            step: number of steps done.
            first: whether this is the main process.
        """
        self._run = run
        self._is_main = first
        self._drawn_at = 0.0
        self._file: LineFile | None = None
        if first:
            drop_later_lines(run / "log.csv", step)

    def __enter__(self) -> RunLog:
        if self._is_main:
            self._file = LineFile(self._run / "log.csv")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._file:
            return
        self._file.close()
        # After a failure, such as of a full disk, drawing would fail as well.
        if not (kind and issubclass(kind, MaquetteError)):
            draw_curve(self._run)

    def log_step(self, step: int, losses: Sequence[float], seconds: float) -> None:
        """Write the losses and the duration of a step."""
        if not self._file:
            return
        self._write_row(step, "train", [*losses, seconds])
        if time.monotonic() - self._drawn_at > _DRAW_SECONDS:
            draw_curve(self._run)
            self._drawn_at = time.monotonic()

    def log_validation(self, step: int, scores: Sequence[float]) -> None:
        """Write the scores of a validation after a step."""
        if self._file:
            self._write_row(step, "validation", scores)
            draw_curve(self._run)

    def flush_to_disk(self) -> None:
        """Return once all lines would survive a power failure."""
        if self._file:
            self._file.flush_to_disk()

    def _write_row(self, step: int, kind: str, values: Sequence[float]) -> None:
        assert self._file
        columns = [str(step), kind]
        columns += [f"{value:.5f}" for value in values]
        self._file.write_line(",".join(columns))


def log_lines(run: Path, kind: str) -> Iterator[tuple[int, list[float]]]:
    """Yield step and values of the lines of a kind in ``log.csv``; damaged ones are left out.

    Args:
        run: folder of the run.
        kind: "train" (losses and seconds) or "validation" (IoU).
    """
    for line in read_complete_lines(run / "log.csv"):
        step, line_kind, *columns = [*line.split(","), ""]
        if line_kind != kind:
            continue
        try:
            values = [float(column) for column in columns[:-1]]
            number = int(step)
        except ValueError:  # a power failure mixed up its bytes
            continue
        if values:
            yield number, values


def drop_later_lines(path: Path, step: int) -> None:
    """Drop the lines of a log that begin with a later step, or with none, as damaged ones do.

    Args:
        path: the log, which need not exist.
        step: last step to keep.

    Raises:
        OutputError: the disk is full.
    """
    if not path.exists():
        return
    with report_write_errors(path):
        lines = read_complete_lines(path)
    kept_lines = []

    for line in lines:
        number = line.partition(",")[0]
        if number.isascii() and number.isdecimal() and int(number) <= step:
            kept_lines.append(f"{line}\n")

    write_bytes(path, "".join(kept_lines))


def draw_curve(run: Path) -> None:
    """Draw ``curve.png``: the loss by step (bold: its average), and the IoU on unseen objects."""
    rows = [(step, values[0]) for step, values in log_lines(run, "train")]
    if not rows:
        return
    losses = np.array(rows, float)
    last_step = int(losses[-1, 0])
    step_range = (1.0, max(float(last_step), 2.0))
    image = Image.new("RGB", (_SIZE, _SIZE), "white")
    _draw_losses(image, losses, step_range)
    _draw_scores(image, list(log_lines(run, "validation")), step_range, last_step)

    write_image(run / "curve.png", image)


def _draw_losses(image: Image.Image, losses: Points, step_range: tuple[float, float]) -> None:
    """Draw the losses (K, 2) (step, loss) on a logarithmic axis."""
    steps = losses[:, 0]
    values = losses[:, 1]
    logarithms = np.log10(np.maximum(values, _SMALLEST_LOSS))
    average = _running_mean(values)

    # The axis covers all losses.
    low = logarithms.min() - _LOSS_MARGIN
    high = logarithms.max() + _LOSS_MARGIN
    chart = _Chart(image, _LOSS_BOX, step_range, (low, high))
    labels = [f"{10**value:.2g}" for value in chart.high_low]
    chart.draw_frame(labels, f"loss {average[-1]:.3g}", "")

    # The average on top of the single steps.
    chart.draw_line(np.c_[steps, logarithms], _PALE, _THIN)
    chart.draw_line(np.c_[steps, np.log10(average)], _BOLD, _THICK)


def _draw_scores(
    image: Image.Image,
    rows: Sequence[tuple[int, list[float]]],
    step_range: tuple[float, float],
    last_step: int,
) -> None:
    """Draw the IoU of each query, and the legend."""
    steps = [step for step, _ in rows]
    scores = np.array([values for _, values in rows]).reshape(len(rows), -1 if rows else 0)

    # The axis covers all scores.
    known = scores[~np.isnan(scores)]
    low = 0.0
    high = 1.0
    if len(known):
        low = max(0.0, float(known.min()) - _IOU_MARGIN)
        high = min(1.0, float(known.max()) + _IOU_MARGIN)

    chart = _Chart(image, _IOU_BOX, step_range, (low, high))
    labels = [f"{value:.2f}" for value in chart.high_low]
    chart.draw_frame(labels, "IoU on validation objects", f"step {last_step}")

    # A curve and a line of the legend for each query.
    names = list(VALIDATION_QUERIES)
    for index, color in enumerate(_COLORS[: scores.shape[1]]):
        curve = np.c_[steps, scores[:, index]]
        if np.isnan(curve).any():  # not evaluated
            continue
        chart.draw_line(curve, color, _THICK)
        name = names[index] if index < len(names) else ""
        legend = f"{name} {curve[-1, 1]:.2f}"
        chart.draw_text((8, _LEGEND_TOP + _LEGEND_LINE * index), legend, color)


class _Chart:
    """A plot in a rectangle of an image."""

    def __init__(
        self,
        image: Image.Image,
        box: tuple[int, int, int, int],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
    ) -> None:
        """Set up the axes.

        Args:
            image: to draw on.
            box: left, top, right, bottom of the rectangle, pixels.
            x_range: lowest and highest x.
            y_range: lowest and highest y; widened if they are equal.
        """
        if y_range[1] <= y_range[0]:
            y_range = (y_range[0] - 0.5, y_range[0] + 0.5)
        self._draw = ImageDraw.Draw(image)
        self._box = box
        self._x_range = x_range
        self._y_range = y_range
        self._font = ImageFont.load_default(_FONT_SIZE)
        self.high_low = (y_range[1], y_range[0])

    def draw_frame(self, labels: Sequence[str], title: str, below: str) -> None:
        """Draw the rectangle, labels of its two ends, a title, and a text below on the right."""
        left, top, right, bottom = self._box
        self._draw.rectangle(self._box, outline=_FOREGROUND)
        self.draw_text((left, top - _TITLE_HEIGHT), title, _FOREGROUND)

        # Labels of the axis at the left edge of the image.
        high_label, low_label = labels
        self.draw_text((4, top - 4), high_label, _FOREGROUND)
        self.draw_text((4, bottom - 24), low_label, _FOREGROUND)

        # Aligned with the right edge of the rectangle.
        below_width = _CHARACTER_WIDTH * len(below)
        self.draw_text((right - below_width, bottom + 2), below, _FOREGROUND)

    def draw_line(self, points: Points, color: Color, width: int) -> None:
        """Draw a line through ``points`` (K, 2), with a dot at its end."""
        left, top, right, bottom = self._box
        x_low, x_high = self._x_range
        y_low, y_high = self._y_range

        # From values to shares of the axes to pixels, whose y runs downwards.
        x_share = (points[:, 0] - x_low) / (x_high - x_low)
        y_share = (points[:, 1] - y_low) / (y_high - y_low)
        x_pixels = left + x_share * (right - left)
        y_pixels = bottom - y_share * (bottom - top)
        pixels = np.c_[x_pixels, y_pixels].tolist()

        # A single point has no line.
        if len(pixels) > 1:
            self._draw.line([tuple(pixel) for pixel in pixels], color, width)
        x, y = pixels[-1]
        self._draw.ellipse((x - width, y - width, x + width, y + width), color)

    def draw_text(self, position: tuple[int, int], text: str, color: Color) -> None:
        """Draw a text from its upper left corner on."""
        self._draw.text(position, text, color, self._font)


def _running_mean(values: Points) -> Points:
    """Return the moving average (K,) of ``values`` over about a thirtieth of them."""
    weight = 1 / max(len(values) / _AVERAGED_PARTS, _MIN_AVERAGED)
    mean = 0.0
    total_weight = 0.0
    result = []

    for value in values:
        mean = mean + weight * (value - mean)
        total_weight = total_weight + weight * (1 - total_weight)
        result.append(mean / total_weight)

    return np.array(result)
