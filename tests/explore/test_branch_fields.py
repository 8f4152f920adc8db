"""Receptive fields across branches, against gradients by JAX."""

import json
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from jax import lax
from playwright.sync_api import Page

from jcnn.explore._network import Network
from tests.explore.branches import MODELS
from tests.explore.branches_made import described, made
from tests.explore.kit import kit_page

Bools = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def kit(kit_tab: Page) -> Iterator[Page]:
    """A page with only the receptive fields."""
    with kit_page(kit_tab, "receptiveFields", "receptive_field.js") as page:
        yield page


def dependencies(found: Network) -> list[Bools]:
    """For every layer (units, H, W, C): which numbers of the picture each unit depends on.

    By gradients of a program with the same reads, all of whose terms are positive.
    """
    random = np.random.default_rng(0)
    kernels = [
        jnp.asarray(random.uniform(0.5, 1, layer.arrays["kernel"].shape), jnp.float32)
        if "kernel" in layer.arrays
        else None
        for layer in found.layers
    ]

    def run(x: jax.Array) -> list[jax.Array]:
        outputs = [x]
        for layer, kernel in zip(found.layers, kernels, strict=True):
            outputs.append(_positive(layer, kernel, *(outputs[one] for one in layer.inputs)))
        return [y.ravel() for y in outputs[1:]]

    shape = found.input_shape
    picture = jnp.asarray(random.uniform(0.5, 1, (1, *shape)), jnp.float32)
    slopes = jax.jit(jax.jacrev(run))(picture)
    return [np.asarray(one).reshape(-1, *shape) != 0 for one in slopes]


def _positive(layer: Any, kernel: Any, *xs: jax.Array) -> jax.Array:
    how, x = layer.settings, xs[0]
    dimensions = ("NHWC", "HWIO", "NHWC")
    match layer.kind:
        case "conv":
            return lax.conv_general_dilated(
                x,
                kernel,
                how["stride"],
                how["padding"],
                rhs_dilation=how["dilation"],
                dimension_numbers=dimensions,
                feature_group_count=how["groups"],
            )
        case "conv_transpose":
            taps, per = kernel.shape[:2], kernel.shape[3] // how["groups"]
            summed = []
            for group in range(how["groups"]):  # the gradient of a convolution by its input
                out = (1, *layer.out_shape[:2], layer.out_shape[2] // how["groups"])
                part = jnp.ones((*taps, out[3], per))
                forward = lambda y, part=part: lax.conv_general_dilated(  # noqa: E731
                    y, part, how["stride"], how["padding"], dimension_numbers=dimensions
                )
                piece = x[..., group * per : (group + 1) * per]
                summed += jax.linear_transpose(forward, jnp.zeros(out))(piece)
            return jnp.concatenate(summed, -1)
        case "max_pool" | "average_pool":
            window, stride = (1, *how["window"], 1), (1, *how["stride"], 1)
            pads = [(0, 0), *how["padding"], (0, 0)]
            pooled: jax.Array = lax.reduce_window(x, np.float32(0), lax.add, window, stride, pads)
            return pooled
        case "dense":
            return jnp.matmul(x, kernel)
        case "flatten" | "reshape":
            return x.reshape(1, *layer.out_shape)
        case "zero_pad":
            return jnp.pad(x, ((0, 0), *how["padding"], (0, 0)))
        case "crop":
            (top, bottom), (left, right) = how["cropping"]
            return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
        case "upsample":
            # jax.image resizes by the same rule.
            wide: jax.Array = jax.image.resize(x, (1, *layer.out_shape), how["interpolation"])
            return wide
        case "layer_norm" | "softmax":
            return x + x.sum(axis=-1, keepdims=True)
        case "group_norm":
            parts = x.reshape(*x.shape[:3], how["groups"], -1)
            return (parts + parts.sum(axis=(1, 2, 4), keepdims=True)).reshape(x.shape)
        case "concatenate":
            return jnp.concatenate(xs, -1)
        case "add" | "multiply" | "divide":
            return x + xs[1] if len(xs) == 2 else 2 * x
    return 2 * x


@pytest.mark.parametrize(
    "name",
    [n if n == "residual" else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_the_field_is_what_the_gradient_reaches(kit: Page, name: str) -> None:
    """Every unit of every layer; where branches join, the field is a union of boxes."""
    found, _ = made(name)
    layers = json.loads(json.dumps(described(found)))
    script = """([layers, index, count]) => Array.from({length: count}, (_, unit) => {
      const [field] = receptiveFields(layers, index, unit);
      const pixels = field.bands.map(({rows: [first, high], columns}) => [first, high, columns]);
      return [pixels, field.channels, field.pixels, field.numbers];
    })"""
    sizes = set()
    for index, wanted in enumerate(dependencies(found)):
        fields = kit.evaluate(script, [layers, index, len(wanted)])
        for (bands, channels, pixels, count), mask in zip(fields, wanted, strict=True):
            drawn_there = np.zeros(mask.shape[:2], int)
            for first, high, columns in bands:
                drawn_there[first : first + high, columns] += 1
            assert (drawn_there == mask.any(axis=2)).all(), (layers[index]["name"], bands)
            assert channels == np.flatnonzero(mask.any(axis=(0, 1))).tolist()
            assert (pixels, count) == (mask.any(axis=2).sum(), mask.sum())
            sizes.add(count)
    assert len(sizes) > 3
