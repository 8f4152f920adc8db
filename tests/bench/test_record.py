"""Results of benchmarks: medians, checks, JSON, tables and plots."""

import io
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from jcnn.bench.plot import drawing, png
from jcnn.bench.record import Result, Row, new_result, ratio, read_json, relative_error, write_json
from jcnn.bench.save import save
from jcnn.bench.table import cells, markdown, time_text

SECONDS = (0.004, 0.001, 0.003, 0.002, 0.010)
ROWS = [
    Row("a", "ours", SECONDS, "forward", figures={"GFLOP/s": 51.25}, error=2e-6, tolerance=1e-4),
    Row("a", "theirs", (0.006, 0.006), "forward", error=0.5, tolerance=1e-4),
    Row("b | c", "ours", (), "forward", note="3x3 kernels only"),
    Row("b | c", "theirs", (1.5,), "forward", error=math.inf, tolerance=1e-4),
]


def made(rows: list[Row] = ROWS, name: str = "first") -> Result:
    found = ["a finding"]
    return new_result(name, "How long?", rows, command="x", findings=found, baseline="ours")


def test_median_and_quartiles_are_numpys() -> None:
    row = ROWS[0]
    assert (row.n, row.median) == (5, 0.003)
    assert row.quartiles == tuple(np.quantile(SECONDS, [0.25, 0.75]))
    assert (ROWS[2].n, ROWS[2].median, ROWS[2].quartiles) == (0, None, None)


@pytest.mark.parametrize(
    ("answer", "reference", "error"),
    [
        (2.0, 2.0, 0.0),
        ([1.0, -4.5], [1.0, -4.0], None),
        (np.array([1.0, -4.5]), np.array([1.0, -4.0]), 0.125),
        ([np.ones(2), np.array([3.0, 1.0])], [np.ones(2), np.array([4.0, 1.0])], 0.25),
        (np.ones((2, 1)), np.ones((1, 2)), math.inf),
        ([np.ones(2)], [np.ones(2), np.ones(2)], math.inf),
        (np.array([1.0, np.nan]), np.array([1.0, 1.0]), math.inf),
        (np.array([1.0, np.inf]), np.array([1.0, np.inf]), math.inf),
        (np.zeros(3), np.zeros(3), 0.0),
        (np.array([0.0, 1e-9]), np.zeros(2), math.inf),
    ],
)
def test_the_relative_error(answer: object, reference: object, error: float | None) -> None:
    # Lists are compared pair by pair: 0.5 relative to 4.0 is also 0.125.
    assert relative_error(answer, reference) == (0.125 if error is None else error)


def test_an_answer_is_wrong_above_its_tolerance_only() -> None:
    at = Row("a", "ours", error=1e-4, tolerance=1e-4)
    assert not at.wrong
    assert replace(at, error=1.1e-4).wrong
    assert replace(at, error=math.inf).wrong
    assert replace(at, error=math.nan).wrong
    assert not replace(at, error=1.0, tolerance=None).wrong
    assert not replace(at, error=None).wrong
    assert [row.contestant for row in made().wrong] == ["theirs", "theirs"]
    assert replace(at, error=0.3).agreement() == "WRONG: 3.0e-01 > 1e-04"


def test_a_ratio_is_that_of_the_medians_of_one_case() -> None:
    assert ratio(ROWS, ROWS[1], "ours") == pytest.approx(2.0)
    assert ratio(ROWS, ROWS[3], "ours") is None
    assert ratio(ROWS, ROWS[1], "nobody") is None
    elsewhere = replace(ROWS[1], group="backward")
    assert ratio([*ROWS, elsewhere], elsewhere, "ours") is None


def test_json_comes_back_whole(tmp_path: Path) -> None:
    result = made()
    file = tmp_path / "first.json"
    write_json(result, file)
    assert read_json(file) == result
    kept = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    first = kept["rows"][0]
    assert (first["n"], first["median"]) == (5, 0.003)
    assert first["seconds"] == list(SECONDS)
    assert "python 3" in kept["machine"]
    assert kept["date"].endswith("UTC")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [{"case": 1}]}', "null"])
def test_what_is_no_result_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.json: no result of a benchmark"):
        read_json(file)


def test_the_table_says_each_case_once_and_drops_empty_columns() -> None:
    head, body = cells(made())
    assert head == [
        *("group", "case", "contestant", "median", "quartiles", "n", "/ ours", "GFLOP/s"),
        *("agrees", "note"),
    ]
    assert [line[1] for line in body] == ["a", "", "b | c", ""]
    assert body[0][2:8] == ["ours", "3.00 ms", "2.00 to 4.00 ms", "5", "1.00", "51.2"]
    assert body[1][6] == "2.00"
    assert body[3][8] == "WRONG: inf > 1e-04"
    plain = [Row("a", "ours", SECONDS)]
    assert cells(made(plain))[0] == ["case", "contestant", "median", "quartiles", "n", "/ ours"]


def test_markdown_is_a_table_of_equally_many_cells() -> None:
    lines = markdown(made()).splitlines()
    table = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(ROWS)
    assert len({line.count("|") for line in table}) == 1
    assert "- a finding" in lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34, "12.3 s"),
        (0.9999, "1.00 s"),
        (0.5, "500 ms"),
        (1.23e-3, "1.23 ms"),
        (2e-7, "0.200 us"),
    ],
)
def test_times_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_the_plot_is_a_picture_with_everything_in_it() -> None:
    rng = np.random.default_rng(0)
    rows = [
        Row(f"case {c} of $money$", f"method {m}", tuple(rng.uniform(0.001, 0.1, 5)), group)
        for group in ("forward", "gradient")
        for c in range(4)
        for m in range(3)
    ]
    dots = Image.open(io.BytesIO(png(made(rows))))
    dots.load()
    assert dots.width > 1000
    colours = {colour for _, colour in dots.convert("RGB").getcolors(1 << 24) or []}
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0, 0x9E, 0x73)} <= colours
    more = [replace(row, case=f"{row.case} again") for row in rows]
    assert Image.open(io.BytesIO(png(made(rows + more)))).height > dots.height


def test_each_panel_has_its_own_cases_equally_high_and_none_covers_another() -> None:
    long = "a case whose name is far longer than that of any"
    cases = {"forward": [f"case {i}" for i in range(20)], "gradient": ["case 3", "case 5"]}
    cases |= {"step": [long], "by kernel": ["case 3", "case 5"]}
    rows = [
        Row(case, f"method {m}", (0.001 * (m + 1), 0.002), group)
        for group, own in cases.items()
        for case in own
        for m in range(9)
    ]
    for chosen in (rows, [row for row in rows if row.group != "forward"]):
        figure = drawing(made(chosen))
        FigureCanvasAgg(figure).draw()
        panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
        assert list(panels) == list(dict.fromkeys(row.group for row in chosen))
        whole = figure.get_window_extent()
        (legend,) = figure.legends
        pitches, boxes = [], [text.get_window_extent() for text in legend.get_texts()]
        for group, axes in panels.items():
            assert [label.get_text() for label in axes.get_yticklabels()] == cases[group]
            pitches.append(axes.get_window_extent().height / len(cases[group]))
            shown = [label for label in axes.get_yticklabels() if label.get_visible()]
            boxes += [label.get_window_extent() for label in shown]
        np.testing.assert_allclose(pitches, pitches[0], rtol=0.02)
        assert pitches[0] >= 0.05 * 9 * figure.dpi  # enough height for nine dots
        for box in boxes:
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1
        for a, b in itertools.combinations(boxes, 2):
            assert not a.overlaps(b)
        for box, axes in itertools.product(boxes, panels.values()):
            assert not axes.get_window_extent().overlaps(box)


def test_cases_on_an_axis_become_lines() -> None:
    rows = [Row(f"{x}", "ours", (x / 100, x / 90), "batch size", x=x) for x in (1.0, 2.0, 4.0)]
    picture = Image.open(io.BytesIO(png(made(rows))))
    picture.load()
    blue = np.all(np.asarray(picture.convert("RGB")) == (0, 0x72, 0xB2), axis=-1)
    # A line, unlike a dot, leaves few columns of pixels empty between its ends.
    columns = np.flatnonzero(blue.any(axis=0))
    assert len(columns) > 0.9 * (columns[-1] - columns[0])


def test_nothing_timed_is_nothing_plotted(tmp_path: Path) -> None:
    untimed = made([ROWS[2]], "untimed")
    with pytest.raises(ValueError, match="untimed: nothing was timed"):
        png(untimed)
    assert [file.suffix for file in save(untimed, tmp_path)] == [".json", ".md"]
    files = save(made(), tmp_path / "new")
    assert [file.name for file in files] == ["first.json", "first.md", "first.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        file.name for file in files
    )
