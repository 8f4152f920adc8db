"""The models of `branches`, their layers and their pages, each made once in a process."""

from functools import cache
from typing import Any

from jcnn.explore import page
from jcnn.explore._network import Network, network
from tests.explore.branches import MODELS
from tests.explore.models import drawn
from tests.explore.test_page import pictures


@cache
def made(name: str) -> tuple[Network, str]:
    """The layers of a model, and its page with one picture."""
    build, shape = MODELS[name]
    model = drawn(build)
    html = page(model, pictures(1, *shape), ["ant", "bee", "cat"]).html
    return network(model, shape), html


def described(found: Network) -> list[dict[str, Any]]:
    """The layers as the page has them, with arrays as lists."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": layer.inputs,
            "in": layer.in_shape,
            "out": layer.out_shape,
            **layer.settings,
            "arrays": {
                key: {"data": array.ravel().tolist(), "shape": array.shape}
                for key, array in layer.arrays.items()
            },
        }
        for layer in found.layers
    ]


def as_oracle(found: Network) -> list[dict[str, Any]]:
    """The same with arrays as arrays, for `tests.explore.oracle`."""
    layers = described(found)
    return [one | {"arrays": v.arrays} for one, v in zip(layers, found.layers, strict=True)]
