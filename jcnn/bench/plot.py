"""Plot a result: medians with bars for the quartiles.

Cases with an x value are plotted as lines; others as dots, a row for each case.
"""

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from jcnn.bench.record import Result, Row
from jcnn.bench.table import TIME_UNITS, unit_of
from jcnn.report.figure import INK, LINE, literal, new_figure, picture, quiet

# Okabe and Ito's palette, which is safe for colour-blind readers; each colour has its own marker.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#a0522d")
_MARKERS = "osD^vPX*<>hp"
# In inches: width of a panel, height of its title and axis, height of a row for a case and for each
# contestant in it, height of a panel with lines.
_WIDTH, _AROUND, _TEXT, _DOT, _LINES_HEIGHT = 4.6, 0.7, 0.26, 0.07, 3.4
# In inches: approximate width of a 9-point character, and least width of a figure.
_CHARACTER, _LEAST_WIDTH = 0.075, 7.5
_MOST_COLUMNS = 4


def png(result: Result) -> bytes:
    """Draw a result; rows without a timing are omitted.

    Returns:
        The bytes of a PNG.

    Raises:
        ValueError: no row was timed.
    """
    return picture(result.name, drawing(result), result.question).png


def drawing(result: Result) -> Figure:
    """The figure of `png`."""
    rows = [row for row in result.rows if row.seconds]
    if not rows:
        raise ValueError(f"{result.name}: nothing was timed, so there is nothing to plot")
    groups = list(dict.fromkeys(row.group for row in rows))
    looks = _looks(result.rows)
    lines = all(row.x is not None for row in rows)
    figure = (_draw_lines if lines else _draw_dots)(rows, groups, looks)
    width = figure.get_figwidth()
    fits = int(width / (1.1 * _CHARACTER))
    lines_of_title = [textwrap.fill(text, fits) for text in (result.question, result.machine)]
    title = figure.suptitle("\n".join(lines_of_title), fontsize=10, color=INK, x=0.01, ha="left")
    literal(title)
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    labels = [name for name in looks if name in handles]
    if len(labels) > 1:
        legend = figure.legend(
            [handles[name] for name in labels],
            labels,
            loc="outside lower left",
            ncols=max(1, min(len(labels), int(width / (0.6 + _CHARACTER * max(map(len, labels)))))),
            frameon=False,
            fontsize=9,
            labelcolor=INK,
        )
        for text in legend.get_texts():
            literal(text)
    return figure


def _looks(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys(row.contestant for row in rows)
    return {
        name: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(names)
    }


class _Panel(NamedTuple):
    """A group with its rows, and its cases from top to bottom."""

    group: str
    rows: list[Row]
    cases: list[str]


def _draw_dots(rows: list[Row], groups: list[str], looks: dict[str, tuple[str, str]]) -> Figure:
    """A panel for each group, with its cases from top to bottom and a logarithmic time axis.

    Rows have the same height in every panel; a panel with fewer cases is shorter.
    """
    panels = []
    for group in groups:
        own = [row for row in rows if row.group == group]
        panels.append(_Panel(group, own, list(dict.fromkeys(row.case for row in own))))
    most = max(len({row.contestant for row in panel.rows}) for panel in panels)
    pitch = max(_TEXT, _DOT * most)
    label = _CHARACTER * max(len(case) for panel in panels for case in panel.cases)
    for columns in range(1, min(len(panels), _MOST_COLUMNS) + 1):
        shelves = [panels[i : i + columns] for i in range(0, len(panels), columns)]
        named = sum(any(_is_named(shelf, i) for shelf in shelves) for i in range(columns))
        cases = [max(len(panel.cases) for panel in shelf) for shelf in shelves]
        width = max(_WIDTH * columns + label * named, _LEAST_WIDTH)
        height = pitch * sum(cases) + _AROUND * len(shelves) + 1.3
        if height <= 1.2 * width:
            break
    figure = new_figure(width, height)
    grid = figure.add_gridspec(len(shelves), columns, height_ratios=cases)
    for number, shelf in enumerate(shelves):
        for i, panel in enumerate(shelf):
            axes = figure.add_subplot(grid[number, i])
            _draw_panel(axes, panel, looks)
            axes.tick_params(labelleft=_is_named(shelf, i))
            share = len(panel.cases) / cases[number]
            axes.set_axes_locator(partial(_upper_part, share))
    return figure


def _is_named(shelf: list[_Panel], i: int) -> bool:
    """Whether panel `i` labels its cases: not if its left neighbour has the same ones."""
    return i == 0 or (i < len(shelf) and shelf[i].cases != shelf[i - 1].cases)


def _upper_part(share: float, axes: Any, renderer: Any) -> Bbox:
    """The bounding box of axes that use this share of their slot, from its top."""
    place = axes.get_position(original=True)
    height = share * place.height
    return Bbox.from_bounds(place.x0, place.y1 - height, place.width, height)


def _draw_panel(axes: Axes, panel: _Panel, looks: dict[str, tuple[str, str]]) -> None:
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.set_xscale("log")
    for number in range(0, len(panel.cases), 2):
        axes.axhspan(number - 0.5, number + 0.5, color=LINE, alpha=0.35, linewidth=0)
    # The contestants of a case are stacked in the order of the legend.
    present = {row.contestant for row in panel.rows}
    names = [name for name in looks if name in present]
    for i, name in enumerate(names):
        mine = [row for row in panel.rows if row.contestant == name]
        shift = (i + 0.5) / len(names) - 0.5
        places = [panel.cases.index(row.case) + 0.8 * shift for row in mine]
        _bars(axes, mine, places, name, looks[name], across=True)
    axes.set_yticks(range(len(panel.cases)), panel.cases)
    for label in axes.get_yticklabels():
        literal(label)
    axes.set_ylim(len(panel.cases) - 0.5, -0.5)
    _time_axis(axes.xaxis, panel.rows)
    literal(axes.set_title(panel.group, fontsize=10, color=INK, loc="left", fontweight="bold"))


def _draw_lines(rows: list[Row], groups: list[str], looks: dict[str, tuple[str, str]]) -> Figure:
    """A panel for each group; the group's name labels the x axis."""
    columns = min(len(groups), 2)
    high = -(-len(groups) // columns)
    figure = new_figure(max(_WIDTH * columns, _LEAST_WIDTH), _LINES_HEIGHT * high + 1.0)
    panels = figure.subplots(high, columns, squeeze=False).ravel()
    for axes, group in zip(panels, groups, strict=False):
        quiet(axes)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        own = [row for row in rows if row.group == group]
        for name, (colour, _) in looks.items():
            mine = [row for row in own if row.contestant == name]
            places = [row.x for row in mine if row.x is not None]
            medians = [row.median for row in mine]
            axes.plot(places, medians, color=colour, linewidth=1.4, zorder=2)
            _bars(axes, mine, places, name, looks[name], across=False)
        axes.set_xticks(sorted({row.x for row in own if row.x is not None}))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        literal(axes.set_xlabel(group, fontsize=10, color=INK))
        _time_axis(axes.yaxis, own)
    for axes in panels[len(groups) :]:
        axes.set_visible(False)
    return figure


def _bars(
    axes: Axes,
    rows: list[Row],
    places: Sequence[float],
    name: str,
    look: tuple[str, str],
    *,
    across: bool,
) -> None:
    """A point and a bar for each row; time is the x axis if `across`, else the y axis."""
    if not rows:
        return
    medians = [row.median or 0.0 for row in rows]
    bounds = [row.quartiles or (0.0, 0.0) for row in rows]
    below = [m - low for m, (low, _) in zip(medians, bounds, strict=True)]
    above = [high - m for m, (_, high) in zip(medians, bounds, strict=True)]
    axes.errorbar(
        medians if across else places,
        places if across else medians,
        xerr=[below, above] if across else None,
        yerr=None if across else [below, above],
        linestyle="",
        marker=look[1],
        markersize=4.5,
        color=look[0],
        elinewidth=1.4,
        label=name,
        zorder=3,
    )


def _time_axis(axis: Axis, rows: list[Row]) -> None:
    """Name the times of a logarithmic axis with their units, few enough to be read."""
    times = [bound for row in rows for bound in row.quartiles or ()]
    decades = math.log10(max(times) / min(times)) if min(times) > 0 else 6
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: _tick(seconds)))
    axis.set_minor_formatter(NullFormatter())


def _tick(seconds: float) -> str:
    unit = unit_of(seconds)
    return f"{seconds * dict(TIME_UNITS)[unit]:.3g} {unit}"
