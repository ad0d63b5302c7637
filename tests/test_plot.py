"""What a figure holds: the numbers it was given, labels that stay apart, both styles."""
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import lrlib

mpl.use("Agg")
import matplotlib.pyplot as plt

from lrlib import plot

STYLES = Path(lrlib.__file__).parent


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_a_schedule_is_drawn_as_it_is():
    named = {"a": lrlib.Cosine(0.1, 0, 50), "b": lrlib.Step(0.1, 0.5, 9)}
    ax = plot.schedules(named, 60)
    for line, (name, schedule) in zip(ax.lines, named.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xdata(), np.arange(60))
        np.testing.assert_array_equal(line.get_ydata(), schedule(np.arange(60)))


def test_a_band_is_the_median_and_all_seeds():
    values = np.random.default_rng(0).normal(size=(9, 5))
    ax = plot.bands(np.arange(5), values, "x")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.median(values, axis=0))
    shadow = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert shadow.min() == values.min()
    assert shadow.max() == values.max()


def test_given_axes_are_used():
    figure, ax = plt.subplots()
    assert plot.bands([0, 1], [[1, 2]], "x", ax=ax) is ax
    assert plot.schedules({"a": lrlib.Constant(0.1)}, 5, ax=ax) is ax
    assert plot.intervals({"a": (1, 0, 2)}, ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_labels_at_the_ends_keep_their_distance_and_colours():
    ax = plt.subplots()[1]
    for i in range(5):
        ax.plot([0, 1], [0, 0.5 + i / 1_000], label=f"line {i}")
    plot.label_ends(ax, gap=0.07)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert min(np.diff(heights)) >= 0.07 - 1e-9
    assert {text.get_text(): text.get_color() for text in ax.texts} == {
        line.get_label(): line.get_color() for line in ax.lines}


def test_a_reference_line_is_drawn_where_it_was_asked():
    ax = plot.intervals({"a": (1, 0, 2)}, reference=0.5)
    assert [line.get_xdata()[0] for line in ax.lines][-1] == 0.5
    assert len(plot.intervals({"a": (1, 0, 2)}, reference=None).lines) == 2


def luminance(colour):
    rgb = np.array(mpl.colors.to_rgb(colour))
    rgb = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return rgb @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("style", ["book", "dark"])
def test_every_line_stands_out_from_its_ground(style):
    # WCAG 2.2, 1.4.11: 3 to 1 for graphics, 1.4.3: 4.5 to 1 for text
    layers = [STYLES / "book.mplstyle"] + ([STYLES / "dark.mplstyle"] if style == "dark" else [])
    with plt.style.context(layers):
        ground = luminance(mpl.rcParams["axes.facecolor"])
        def contrast(colour):
            light, dark = sorted([luminance(colour), ground], reverse=True)
            return (light + 0.05) / (dark + 0.05)
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        assert len(colours) >= 6
        assert min(map(contrast, colours)) >= 3
        assert contrast(mpl.rcParams["text.color"]) >= 4.5
        assert contrast(mpl.rcParams["xtick.color"]) >= 4.5


# Machado, Oliveira and Fernandes 2009: severity 1.0, linear RGB
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("eye", BLINDNESS)
@pytest.mark.parametrize("style", ["book", "dark"])
def test_the_first_five_lines_differ_to_a_colour_blind_eye(eye, style):
    with plt.style.context(STYLES / f"{style}.mplstyle"):
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"][:5]
    linear = np.array([mpl.colors.to_rgb(colour) for colour in colours]) ** 2.2
    seen = np.clip(linear @ np.transpose(BLINDNESS[eye]), 0, 1) ** (1 / 2.2)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(5, 1)]
    assert apart.min() > 0.25


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: plot.schedules({}, 5), ValueError, "0 schedules"),
    (lambda: plot.schedules({"a": lrlib.Constant(1.0)}, 0), ValueError, "0 steps"),
    (lambda: plot.schedules({"a": 0.1}, 5), TypeError, r"'a' must be a Schedule, got 0\.1"),
    (lambda: plot.bands([0, 1], [[1, 2, 3]], "x"), ValueError, r"\[seeds, 2\], got shape \(1, 3\)"),
    (lambda: plot.bands([0, 1], [[1, np.nan]], "x"), ValueError, "nan"),
    (lambda: plot.intervals({}), ValueError, "no intervals"),
    (lambda: plot.intervals({"a": (3, 0, 2)}), ValueError, r"a: the interval \[0, 2\]"),
    (lambda: plot.images(np.zeros((2, 3, 3)), ["a"]), ValueError, "2 pictures, 1 titles"),
    (lambda: plot.label_ends(plt.subplots()[1], gap=-1), ValueError, "-1"),
])
def test_bad_input_is_refused_and_no_figure_is_left(call, error, message):
    with pytest.raises(error, match=message):
        call()
