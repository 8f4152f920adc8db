"""The network diagram, parsed as XML: the text of every layer, and its box to scale."""

import math
import re
from xml.etree import ElementTree

import pytest
from flax import nnx

from jcnn.models import LayerRow, Summary, summary, zoo_summary
from jcnn.models.zoo import LECTURES
from jcnn.report import network_diagram
from jcnn.report.diagram import draw_summary
from jcnn.report.wiring import Box, lanes, rows_of
from tests.graph.models import ResNet
from tests.train.small import PlainNet

TIMES = "\N{MULTIPLICATION SIGN}"
SVG = "{http://www.w3.org/2000/svg}"


def places(svg: str) -> list[ElementTree.Element]:
    """The group of each place, the input's first."""
    return ElementTree.fromstring(svg).findall(f"{SVG}g")


def words(place: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in place.findall(f"{SVG}text")]


def expected_words(row: LayerRow) -> list[str]:
    shape = TIMES.join(map(str, row.output_shape))
    return [row.name, shape] + ([f"{row.params:,} parameters"] if row.params else [])


@pytest.mark.parametrize("name", LECTURES)
def test_every_layer_of_a_chain_has_its_name_shape_and_parameters(name: str) -> None:
    found = zoo_summary(name)
    svg = draw_summary(found)
    head, *layers = places(svg)
    assert words(head) == ["input", TIMES.join(map(str, found.input_shape))]
    assert [words(layer) for layer in layers] == [expected_words(row) for row in found.layers]
    assert f">{found.params:,} parameters<" in svg


def test_a_users_module() -> None:
    model = PlainNet(nnx.Rngs(0))
    rows = summary(model, (6, 5, 2)).layers
    _, *layers = places(network_diagram(model, (6, 5, 2)))
    assert [words(layer) for layer in layers] == [expected_words(row) for row in rows]
    assert len(rows) == 6


def test_boxes_are_to_one_scale_and_stay_in_the_picture() -> None:
    found = zoo_summary("conv4", (40, 20, 3))
    svg = draw_summary(found)
    root = ElementTree.fromstring(svg)
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    units = []
    shapes = [found.input_shape, *(row.output_shape for row in found.layers)]
    for place, shape in zip(places(svg), shapes, strict=True):
        rect = place.find(f"{SVG}g/{SVG}rect")
        assert rect is not None
        x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        deep, channels = (shape[1], shape[2]) if len(shape) == 3 else (1, 1)
        units += [h / math.log2(1 + shape[0]), w / math.log2(1 + channels)]
        lid = place.findall(f"{SVG}g/{SVG}path")[0].attrib["d"]
        right, up = map(float, re.findall(r"l([\d.]+) -([\d.]+)h", lid)[0])
        units += [right / math.log2(1 + deep) / 0.5, up / math.log2(1 + deep) / 0.35]
        assert 0 <= x < x + w + right <= width
        assert 60 < y - up < y + h <= height - 60
    assert units == pytest.approx([units[0]] * len(units), rel=0.03)


def test_a_hostile_name_is_only_text() -> None:
    name = "<script>&\"'\x00\ud800"
    row = LayerRow(name, "T<b>", (3, 4, 5), 1234, 0, 0, None)
    svg = draw_summary(Summary((3, 4, 5), (row,), 1234, 0, 0))
    _, layer = places(svg)
    assert words(layer) == ["<script>&\"'��", TIMES.join("345"), "1,234 parameters"]
    assert layer.findtext(f"{SVG}title") == "<script>&\"'�� (T<b>)"
    assert "<script" not in svg
    svg.encode()


def test_it_takes_the_colour_of_the_text_around_it() -> None:
    root = ElementTree.fromstring(draw_summary(zoo_summary("mlp")))
    assert root.attrib["fill"] == "currentColor"
    paints = {element.get("fill") for element in root.iter()} - {None, "none", "currentColor"}
    assert paints == {"#1f5f99", "#e0813a"}
    strokes = {element.get("stroke") for element in root.iter()} - {None}
    assert strokes == {"currentColor"}
    learning = [
        place.findall(f"{SVG}g")[0].attrib["fill"]
        for place in places(draw_summary(zoo_summary("mlp")))
    ]
    assert learning == ["#1f5f99", "#1f5f99", "#e0813a", "#e0813a"]


def test_an_input_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(ValueError, match="head"):
        network_diagram(PlainNet(nnx.Rngs(0)), (7, 5, 2))


def box(place: ElementTree.Element) -> tuple[float, float, float]:
    """Left, right and upper end of a box with its lid."""
    rect = place.find(f"{SVG}g/{SVG}rect")
    assert rect is not None
    x, y, w = (float(rect.attrib[name]) for name in ("x", "y", "width"))
    lid = place.findall(f"{SVG}g/{SVG}path")[0].attrib["d"]
    right, up = map(float, re.findall(r"l([\d.]+) -([\d.]+)h", lid)[0])
    return x, x + w + right, y - up


def lines(svg: str) -> list[tuple[list[float], list[float]]]:
    """The numbers of each line above the boxes: to the last level, and its end."""
    paths = [path.attrib["d"] for path in ElementTree.fromstring(svg).findall(f"{SVG}path")]
    found = []
    for path in paths:
        numbers = [float(number) for number in re.findall(r"[\d.]+", path.split("m-5")[0])]
        found.append((numbers[:-2], numbers[-2:]))
    return found


def test_lines_above_the_boxes_join_the_branches() -> None:
    svg = network_diagram(ResNet(), (8, 6, 3))
    names = [words(place)[0] for place in places(svg)]
    boxes = dict(zip(names, map(box, places(svg)), strict=True))
    assert "then relu" in words(places(svg)[names.index("blocks/0 add")])
    first, second, third = lines(svg)
    for (_, (x, y)), target in (
        (first, "blocks/0 add"),
        (second, "blocks/1/skip"),
        (third, "blocks/1 add"),
    ):
        left, right, top = boxes[target]
        assert left <= x <= right
        assert y == pytest.approx(top - 4, abs=0.1)
    # Within a row, a line begins above its source; else at the row's left edge.
    for start, source in ((first[0], "stem"), (third[0], "blocks/1/norm2")):
        left, right, top = boxes[source]
        assert (start[0] < 10) if source == "stem" else (left <= start[0] <= right)
        assert source == "stem" or start[1] == pytest.approx(top - 2, abs=0.1)
    assert second[0][0] < 10
    # The two lines of the second block overlap, and are at different levels.
    assert second[0][2] != third[0][2]
    # No arrow goes from the end of one branch to the begin of the other.
    arrows = [place.find(f"{SVG}path") is not None for place in places(svg)]
    assert [name for name, arrow in zip(names, arrows, strict=True) if not arrow] == [
        "input",
        "blocks/1/skip",
    ]


def boxes_reading(*inputs: tuple[int, ...]) -> list[Box]:
    return [Box(str(i), "", (1,), 0, one) for i, one in enumerate(inputs)]


def test_rows_hold_whole_blocks() -> None:
    chain = [(i - 1,) if i else () for i in range(12)]
    assert rows_of(boxes_reading(*chain)) == [range(5), range(5, 10), range(10, 12)]
    block = [*chain[:10], (9, 3), *chain[11:]]
    assert rows_of(boxes_reading(*block)) == [range(4), range(4, 11), range(11, 12)]
    long = [*chain[:11], (10, 0)]
    assert rows_of(boxes_reading(*long)) == [range(1), range(1, 10), range(10, 12)]


def test_lines_that_overlap_have_different_lanes() -> None:
    spans = [(0.0, 9.0), (1.0, 3.0), (2.0, 4.0), (5.0, 6.0), (3.5, 5.5)]
    found = lanes(spans)
    for i, (start, end) in enumerate(spans):
        for k, (other_start, other_end) in enumerate(spans):
            if i != k and start <= other_end and other_start <= end:
                assert found[i] != found[k]


def test_a_line_over_several_rows_passes_the_margin() -> None:
    """A long skip, such as of a U-Net: up from its source, left, down, and to its target."""
    inputs = [(i - 1,) if i else () for i in range(14)]
    names = [str(i) for i in range(14)]
    rows = [
        LayerRow(
            name, "L", (3, 4, 5), 9, 0, 0, None, tuple("input" if k == 0 else str(k) for k in one)
        )
        for name, one in zip(names[1:], inputs[1:], strict=True)
    ]
    last = rows[-1]
    rows[-1] = LayerRow("13", "add", last.output_shape, 9, 0, 0, None, ("12", "2"))
    svg = draw_summary(Summary((3, 4, 5), tuple(rows), 1, 0, 0))
    (line,) = lines(svg)
    source, target = (box(places(svg)[i]) for i in (2, 13))
    assert source[0] <= line[0][0] <= source[1]
    margin = line[0][3]
    assert 0 < margin < min(box(place)[0] for place in places(svg))
    assert target[0] <= line[1][0] <= target[1]
