"""Numbers and descriptions as text, Markdown and HTML."""

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn import trace
from jcnn.trace.numbers import show_sum
from jcnn.trace.parts import block
from tests.report.pages import read_page

NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18),
    st.fractions(-1000, 1000),
    st.floats(-1e20, 1e20).map(Fraction),
    st.decimals(-1000, 1000, places=3).map(Fraction),
)


@given(NUMBERS)
def test_a_number_is_exact_or_marked_as_rounded(number: trace.Number) -> None:
    shown = trace.show_number(number)
    if shown.startswith("≈"):
        rounded = Fraction(shown[1:])
        assert rounded != number
        assert abs(rounded - number) <= abs(Fraction(number)) * Fraction(51, 10**7)
        assert len(Decimal(shown[1:]).as_tuple().digits) <= 6
    else:
        assert Fraction(shown) == number


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (10485760, "10485760"),
        (12345678901, "12345678901"),
        (1 - 10**15, "-999999999999999"),  # beyond, six digits
        (10**15 + 1, "≈1e+15"),
        (-7, "-7"),
        (1234567891, "1234567891"),
        (-98765432109876, "-98765432109876"),
        (10**15 - 1, "999999999999999"),
        (Fraction(10**15 - 1), "999999999999999"),
        (10**15 + 1, "≈1e+15"),
        (1 - 10**15, "-999999999999999"),
        (2 * 10**20, "2e+20"),
        (Fraction(1, 4), "0.25"),
        (Fraction(-5, 2), "-2.5"),
        (Fraction(6, 2), "3"),
        (Fraction(1, 3), "≈0.333333"),
        (Fraction(2, 3), "≈0.666667"),
        (Fraction(123456, 1000), "123.456"),
        (Fraction(1234567, 1000), "≈1234.57"),
        (Fraction(0.1), "≈0.1"),  # the float is not a tenth
    ],
)
def test_numbers(number: trace.Number, shown: str) -> None:
    assert trace.show_number(number) == shown


def test_a_sum_has_its_signs() -> None:
    assert show_sum([2, 0, -3, Fraction(1, 2)]) == "2 + 0 - 3 + 0.5"
    assert show_sum([-1, -2]) == "-1 - 2"
    assert show_sum([Fraction(-1, 3), 1]) == "-≈0.333333 + 1"
    assert show_sum([1] * 40).endswith(" + 1 + ... (10 more)")


PARTS: list[trace.Part] = [
    trace.Line("a <b> & 'c' | d*e_f", "title"),
    trace.Row(
        (
            block("x <i>", ((1, None), (-20, 3)), chosen=[(1, 1)]),
            "*",
            trace.Block("y", ((trace.Cell("7", "wrong"), trace.Cell("<?>", "open")),), "kernel"),
        )
    ),
]


def test_html_is_escaped_closed_and_of_itself(tmp_path: Path) -> None:
    html = trace.to_html(PARTS)
    file = tmp_path / "a.html"
    file.write_text(html, encoding="utf-8")
    page = read_page(file)
    (section,) = page.root.children
    assert (section.tag, section.attributes) == ("section", {"class": "jcnn-trace"})
    first, second = section.all("table")
    assert first.rows() == [["1", "0"], ["-20", "3"]]
    assert [cell.attributes.get("class") for cell in first.all("td")] == [
        None,
        "padding",
        None,
        "chosen",
    ]
    assert [cell.attributes["class"] for cell in second.all("td")] == ["wrong", "open"]
    assert second.attributes == {"class": "kernel"}
    assert second.rows() == [["7", "<?>"]]
    assert [c.text for c in section.all("caption")] == ["x <i>", "y"]
    assert section.all("p")[0].text == "a <b> & 'c' | d*e_f"
    assert {x.tag for x in section.everything()}.isdisjoint({"script", "img", "link", "i", "b"})
    assert not re.search(r"https?:|url\(|@import| on\w+=| style=", html)
    (style,) = section.all("style")
    for line in re.findall(r"^[^\s{][^{]*", style.text, re.MULTILINE):
        assert line.startswith(".jcnn-trace")  # nothing else on the slide is touched


def test_every_mark_and_kind_has_its_style() -> None:
    html = trace.to_html(PARTS)
    for name in ("td.padding", "td.chosen", "td.wrong", "td.right", "td.open"):
        assert f".jcnn-trace {name} {{" in html
    for name in (".kernel td", ".product td", ".output td"):
        assert f".jcnn-trace {name} {{" in html


def test_markdown() -> None:
    assert trace.to_markdown(PARTS) == (
        "**a \\<b\\> \\& 'c' \\| d\\*e\\_f**\n\n"
        "| x \\<i\\> |  |  | y |  |\n"
        "| --: | --: | --: | --: | --: |\n"
        "| 1 | (0) | \\* | **!7** | \\<?\\> |\n"
        "| -20 | **[3]** |  |  |  |\n\n"
        "( ) padding, [ ] the maximum, ! wrong\n"
    )


@given(st.integers(1, 5), st.integers(1, 40), st.integers(30, 120), st.integers(0, 2**32 - 1))
def test_lines_keep_to_any_width(rows: int, columns: int, width: int, seed: int) -> None:
    """No number is lost."""
    grid = np.random.default_rng(seed).integers(-999, 999, (rows, columns)).tolist()
    wide, small = block("left", grid), block("right", [[1, None]] * rows, "kernel")
    lines = trace.lay_out([trace.Row((wide, "*", small, "=", small))], width)
    assert max(line.cell_len for line in lines) <= width
    text = "\n".join(line.plain for line in lines)
    assert text.count("right") == 2
    shown = sorted(int(number) for number in re.findall(r"-?\d+", re.sub("col.*? to .*", "", text)))
    found = [x for row in grid for x in row] + [1, 0] * 2 * rows
    assert shown == sorted(found)
