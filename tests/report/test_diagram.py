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
    assert len(rows) == 4


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
