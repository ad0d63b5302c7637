"""Figures from arrays: each function takes `ax=None` and returns the axes; none trains anything."""
from __future__ import annotations

import numpy as np

from .extras import extra
from .schedules import Schedule
from .stats import band

with extra("plot"):
    import matplotlib.pyplot as plt

__all__ = ["schedules", "bands", "intervals", "images", "label_ends"]


def _axes(ax):
    return plt.subplots()[1] if ax is None else ax


def schedules(named, steps, ax=None):
    """The rate of every update, one line a schedule, each with its name at its end.

    Args:
        named: dict of name to Schedule.
        steps: number of updates to draw; 1 or more.
        ax: matplotlib axes; None for new ones.

    Returns:
        the axes.

    Raises:
        TypeError: a value that is no Schedule.
        ValueError: nothing to draw, `steps` below 1.

    Examples:
        >>> from lrlib import Cosine, Linear
        >>> ax = schedules({"linear": Linear(0.1, 0, 100), "cosine": Cosine(0.1, 0, 100)}, 100)
        >>> len(ax.lines), ax.get_xlabel()
        (2, 'update')
        >>> plt.close(ax.figure)
    """
    if not named or steps < 1:
        raise ValueError(f"nothing to draw: {len(named)} schedules, {steps} steps")
    for name, schedule in named.items():
        if not isinstance(schedule, Schedule):
            raise TypeError(f"{name!r} must be a Schedule, got {schedule!r}")
    ax = _axes(ax)
    t = np.arange(steps)
    for name, schedule in named.items():
        ax.plot(t, schedule(t), label=name)
    ax.set(xlabel="update", ylabel="learning rate", ylim=(0, None))
    return label_ends(ax)


def bands(x, values, label, ax=None, low=0.0, high=1.0, **line):
    """The median over seeds as a line and the band around it as a shadow.

    Args:
        x: [points].
        values: [seeds, points], finite.
        label: name of the line; see `label_ends`.
        ax: matplotlib axes; None for new ones.
        low, high: quantiles of the band; by default the lowest and the highest seed.
        line: passed to `Axes.plot`, such as color or marker.

    Returns:
        the axes.

    Raises:
        ValueError: shapes that do not fit, a value that is not finite.

    Examples:
        >>> ax = bands([1, 2, 3], [[3, 2, 1], [4, 2, 0]], "constant")
        >>> ax.lines[0].get_ydata()
        array([3.5, 2. , 0.5])
        >>> plt.close(ax.figure)
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or values.shape[1] != len(x):
        raise ValueError(f"values must be [seeds, {len(x)}], got shape {values.shape}")
    middle = band(values, low, high)
    ax = _axes(ax)
    drawn, = ax.plot(x, middle.median, label=label, **line)
    ax.fill_between(x, middle.low, middle.high, color=drawn.get_color(), alpha=0.2, linewidth=0)
    return ax


def intervals(named, ax=None, reference=0.0):
    """One dot and bar a name, from the top down, with a line to compare them with.

    Args:
        named: dict of name to something that starts with value, low, high, such as
            `stats.Interval` or `stats.Paired`.
        ax: matplotlib axes; None for new ones.
        reference: where the vertical line stands; None for none.

    Returns:
        the axes.

    Raises:
        ValueError: nothing to draw, an interval whose ends are out of order.

    Examples:
        >>> ax = intervals({"linear": (0.4, 0.3, 0.5), "cosine": (0.3, 0.1, 0.5)})
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['linear', 'cosine']
        >>> plt.close(ax.figure)
    """
    if not named:
        raise ValueError("nothing to draw: no intervals")
    ax = _axes(ax)
    for row, (name, (value, low, high, *_)) in enumerate(named.items()):
        if not low <= value <= high:
            raise ValueError(f"{name}: the interval [{low}, {high}] does not hold {value}")
        ax.plot([low, high], [row, row], color="C0")
        ax.plot(value, row, "o", color="C0")
    if reference is not None:
        ax.axvline(reference, color="0.4", linewidth=1)
    ax.set_yticks(range(len(named)), named)
    ax.set_ylim(len(named) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax


def images(pictures, titles, rows=1):
    """A grid of grey pictures, each with a line of text above it.

    Args:
        pictures: [n, height, width]; each is scaled to its own darkest and brightest value.
        titles: n texts.
        rows: number of rows of the grid; 1 or more.

    Returns:
        the figure.

    Raises:
        ValueError: another number of titles than pictures, `rows` below 1.

    Examples:
        >>> figure = images(np.zeros((3, 8, 8)), ["a", "b", "c"])
        >>> len(figure.axes)
        3
        >>> plt.close(figure)
    """
    if len(pictures) != len(titles) or not len(pictures) or rows < 1:
        raise ValueError(f"{len(pictures)} pictures, {len(titles)} titles, {rows} rows")
    columns = -(-len(pictures) // rows)
    figure, grid = plt.subplots(rows, columns, squeeze=False,
                                figsize=(6.4, 6.4 / columns * rows + 0.25 * rows))
    for ax in grid.flat:
        ax.axis("off")
    for ax, picture, title in zip(grid.flat, pictures, titles, strict=False):
        ax.imshow(picture, cmap="gray")
        ax.set_title(title, fontsize=8, loc="center")
    return figure


def label_ends(ax, gap=0.055):
    """Writes each line's label at its right end, in its colour, instead of a legend.

    Args:
        ax: matplotlib axes with labelled lines whose scale is set already.
        gap: least distance of two labels, as a share of the height of the axes.

    Returns:
        the axes.

    Raises:
        ValueError: a `gap` below 0.

    Examples:
        >>> ax = bands([1, 2], [[3, 2], [4, 2]], "constant")
        >>> label_ends(ax).texts[0].get_text()
        'constant'
        >>> plt.close(ax.figure)
    """
    if gap < 0:
        raise ValueError(f"gap must be 0 or more, got {gap}")
    ax.figure.canvas.draw()                     # limits and transforms are final only now
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = []
    for line in ax.lines:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        shown = np.flatnonzero(np.isfinite(y))
        if not line.get_label().startswith("_") and shown.size:
            ends.append([*to_axes.transform((x[shown[-1]], y[shown[-1]])), line])
    ends.sort(key=lambda end: end[1])
    heights = np.clip([end[1] for end in ends], 0, 1)
    for i in range(1, len(heights)):            # from below: push up what is too close
        heights[i] = max(heights[i], heights[i - 1] + gap)
    heights -= max(0, heights[-1] - 1) if len(heights) else 0
    for (x, _, line), height in zip(ends, heights, strict=True):
        ax.annotate(line.get_label(), (x, height), xycoords="axes fraction", xytext=(5, 0),
                    textcoords="offset points", color=line.get_color(), va="center",
                    annotation_clip=False)
    return ax
