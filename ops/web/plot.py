"""Plots as small SVG pictures, drawn here, coloured by the style sheet.

No style attribute, which the content security policy forbids: geometry is in attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.web.template import Tag

WIDTH: Final = 600
HEIGHT: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A curve: values from left to right, None where nothing is known."""

    name: str
    values: Sequence[float | None]
    kind: str = "a"
    """Its colour in the style sheet: a, b, c or d."""


def svg(*children: Tag, **attributes: str) -> Tag:
    """A picture."""
    known: Any = {"xmlns": "http://www.w3.org/2000/svg", **attributes}
    return Tag("svg", attributes=known)(*children)


def area(
    title: str,
    series: Sequence[Series],
    *,
    show: Callable[[float], str],
    begins: str,
    ends: str,
    least_top: float = 1.0,
) -> Tag:
    """Curves over time on one scale, with their areas. `title` says all of it to whoever does not
    see it; `show` writes a value of the scale."""
    most = max((v for one in series for v in one.values if v is not None), default=0.0)
    top = nice_top(max(most, least_top))
    drawing = svg(
        *(_line(HEIGHT * part, "grid") for part in (0.0, 0.5, 1.0)),
        *(shape for one in series for shape in _curve(one, top)),
        viewBox=f"0 -2 {WIDTH} {HEIGHT + 4}",
        preserveAspectRatio="none",
        role="img",
        **{"class": "plot", "aria-label": title},
    )
    scale = Tag("div", attributes={"class": "scale", "aria-hidden": "true"})(
        Tag("span")(show(top)), Tag("span")(show(top / 2)), Tag("span")("0")
    )
    times = Tag("div", attributes={"class": "times", "aria-hidden": "true"})(
        Tag("span")(begins), Tag("span")(ends)
    )
    return Tag("figure", attributes={"class": "figure"})(
        Tag("div", attributes={"class": "drawing"})(drawing, scale),
        times,
        legend(series) if len(series) > 1 else "",
    )


def legend(series: Sequence[Series]) -> Tag:
    """Which colour is which."""
    return Tag("figcaption", attributes={"class": "legend"})(
        *(Tag("span", attributes={"class": f"key {one.kind}"})(one.name) for one in series)
    )


def _line(y: float, kind: str) -> Tag:
    attributes: Any = {"x1": "0", "x2": str(WIDTH), "y1": f"{y:g}", "y2": f"{y:g}", "class": kind}
    return Tag("line", attributes=attributes)


def _curve(series: Series, top: float) -> list[Tag]:
    step = WIDTH / max(1, len(series.values) - 1)
    shapes = []
    for first, run in _runs(series.values):
        points = [
            (x * step, HEIGHT - HEIGHT * min(value, top) / top)
            for x, value in enumerate(run, start=first)
        ]
        if len(points) == 1:  # a line has two ends
            points = [(max(0.0, points[0][0] - step), points[0][1]), points[0]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        under = f"{points[0][0]:.1f},{HEIGHT} {path} {points[-1][0]:.1f},{HEIGHT}"
        shapes.append(Tag("polygon", attributes={"points": under, "class": f"under {series.kind}"}))
        shapes.append(Tag("polyline", attributes={"points": path, "class": f"curve {series.kind}"}))
    return shapes


def _runs(values: Sequence[float | None]) -> list[tuple[int, list[float]]]:
    """Stretches without a gap, each with the place of its first value."""
    runs: list[tuple[int, list[float]]] = []
    is_open = False
    for place, value in enumerate(values):
        if value is None:
            is_open = False
        elif is_open:
            runs[-1][1].append(value)
        else:
            runs.append((place, [value]))
            is_open = True
    return runs


def nice_top(most: float) -> float:
    """The end of a scale: a round number not below `most`."""
    power = 1.0
    while power * 10 <= most:
        power *= 10
    while power > most and power > 1e-9:
        power /= 10
    return next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * step >= most)


def bar(share: float, kind: str = "") -> Tag:
    """A bar that is filled from 0 to 1; it says nothing to whoever does not see it."""
    return svg(
        Tag("rect", attributes={"class": "rail", "width": "100", "height": "4"}),
        Tag("rect", attributes={"class": "fill", "width": f"{100 * share:.1f}", "height": "4"}),
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        **{"class": f"bar {kind}".strip(), "aria-hidden": "true"},
    )
