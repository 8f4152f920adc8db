"""Shapes of outputs by formulas are those of the traced layers; what is wrong is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jcnn.graph import INPUT, Node, graph
from jcnn.graph.shapes import shaped
from tests.graph.test_build import MODELS


@pytest.mark.parametrize("name", ["residual", "branches", "rare layers", "every layer"])
def test_shapes_are_those_of_the_model(name: str) -> None:
    make, shape = MODELS[name]
    found = graph(make(), shape)
    for node in found.nodes:
        inputs = [found.shape_of(one) for one in node.inputs]
        blank = replace(node, shape=(0, 0, node.shape[-1]))
        assert shaped(blank, inputs).shape == node.shape, node.name


PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def conv(*shape: int, kind: str = "conv", **settings: Any) -> Node:
    how = PLAIN | ({"groups": 1} if kind == "conv" else {}) | settings
    kernel: Any = np.zeros(shape, np.float32)
    return Node("a", kind, how, (INPUT,), {"kernel": kernel}, (0, 0, shape[-1]))


def norm(**settings: float) -> Node:
    return Node("n", "batch_norm", settings, (INPUT,), {}, ())


INTEGERS: Any = np.ones((3, 3, 3, 5), np.int32)


@pytest.mark.parametrize(
    ("node", "inputs", "said"),
    [
        (conv(3, 3, 4, 5), [(8, 8, 3)], "kernel: got shape"),
        (conv(3, 3, 1, 5, groups=3), [(8, 8, 3)], "groups"),
        (replace(conv(3, 3, 3, 5), arrays={"kernel": INTEGERS}), [(8, 8, 3)], "kernel: got dtype"),
        (conv(9, 9, 3, 5), [(8, 8, 3)], "does not fit an input of 8x8"),
        (conv(3, 3, 4, 1, kind="depthwise_conv"), [(8, 8, 3)], "kernel"),
        (Node("p", "max_pool", {"window": (9, 9), **PLAIN}, (INPUT,), {}, ()), [(8, 8, 3)], "fit"),
        (norm(epsilon=-1e30, momentum=0.9), [(8, 8, 3)], "epsilon: got -1e"),
        (norm(epsilon=1e-3, momentum=2.0), [(8, 8, 3)], "momentum: got 2"),
        (Node("s", "add", {}, (INPUT, INPUT), {}, ()), [(8, 8, 3), (7, 8, 3)], "shape"),
    ],
    ids=[
        "channels",
        "groups",
        "integers",
        "size",
        "depthwise",
        "pool",
        "epsilon",
        "momentum",
        "add",
    ],
)
def test_what_a_layer_refuses_is_refused(
    node: Node, inputs: list[tuple[int, ...]], said: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        shaped(node, inputs)
