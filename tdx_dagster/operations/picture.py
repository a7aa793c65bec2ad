"""A bar chart of days as a small PNG, which pages and mails show alike.

Belongs here: pixels. A PNG and no SVG: mail programs show no SVG.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 880, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 44, 36
INK, GRID = "#333333", "#dddddd"
GRID_LINES = 4
# Few colours: the file stays under 10 kB.
COLOURS = 64


@dataclass(frozen=True)
class Series:
    """One bar a day.

    Args:
        name: In the legend.
        colour: As `#rrggbb`.
        values: One for each day.
    """

    name: str
    colour: str
    values: Sequence[int]


def draw_days(days: Sequence[date], series: Sequence[Series]) -> bytes:
    """Draw one group of bars for each day; gives a PNG."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    top = _rounded_up(max((value for one in series for value in one.values), default=0))
    _draw_grid(canvas, font, top)
    _draw_legend(canvas, font, series)
    _draw_bars(canvas, font, days, series, top)
    made = BytesIO()
    image.quantize(COLOURS).save(made, "PNG", optimize=True)
    return made.getvalue()


Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def _rounded_up(value: int) -> int:
    """Give the next number of 1, 2 or 5 and zeros that the grid lines divide."""
    steps = (digit * int(10.0**power) for power in range(12) for digit in (1, 2, 5))
    return GRID_LINES * next(step for step in steps if step * GRID_LINES >= value)


def _draw_grid(canvas: ImageDraw.ImageDraw, font: Font, top: int) -> None:
    for line in range(GRID_LINES + 1):
        y = _y(line * top // GRID_LINES, top)
        canvas.line((LEFT, y, WIDTH - RIGHT, y), fill=GRID)
        canvas.text((LEFT - 8, y), f"{line * top // GRID_LINES:,}", INK, font, anchor="rm")


def _draw_legend(canvas: ImageDraw.ImageDraw, font: Font, series: Sequence[Series]) -> None:
    x = float(LEFT)
    for one in series:
        canvas.rectangle((x, 14, x + 10, 24), fill=one.colour)
        said = f"{one.name} ({sum(one.values):,})"
        canvas.text((x + 16, 19), said, INK, font, anchor="lm")
        x += 40 + canvas.textlength(said, font)


def _draw_bars(
    canvas: ImageDraw.ImageDraw,
    font: Font,
    days: Sequence[date],
    series: Sequence[Series],
    top: int,
) -> None:
    group = (WIDTH - LEFT - RIGHT) / len(days)
    bar = group * 0.8 / len(series)
    for place, day in enumerate(days):
        x = LEFT + group * (place + 0.1)
        for number, one in enumerate(series):
            if value := one.values[place]:
                left = x + number * bar
                box = (left, _y(value, top), left + bar - 1, HEIGHT - BOTTOM)
                canvas.rectangle(box, fill=one.colour)
        middle = LEFT + group * (place + 0.5)
        canvas.text((middle, HEIGHT - BOTTOM + 8), f"{day:%d %b}", INK, font, anchor="mt")


def _y(value: int, top: int) -> float:
    """Give the height of a value on the canvas."""
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)
