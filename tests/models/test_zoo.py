"""The zoo: layers, shapes and parameter counts of the lectures, and `build`."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Dropout, eval_mode
from jcnn.models import ZOO, build, count_params, zoo_summary
from jcnn.models.zoo import LECTURES, trace

PARAMS = {
    "mlp": 101_770,
    "mlp_dropout": 101_770,
    "conv1": 251_210,
    "conv2": 520_586,
    "conv2pool": 144_266,
    "conv4": 192_330,
    "mnist_cnn": 1_199_882,
    "creatures": 17_403_430,
    "tiny_vgg": 19_920,
}

# Each layer under Keras's name, with its output for one image of the lecture.
LAYERS: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "mlp": [("flatten", (784,)), ("dense", (128,)), ("dense_1", (10,))],
    "mlp_dropout": [
        ("flatten", (784,)),
        ("dense", (128,)),
        ("dropout", (128,)),
        ("dense_1", (10,)),
    ],
    "conv1": [
        ("conv2d", (28, 28, 32)),
        ("flatten", (25088,)),
        ("dropout", (25088,)),
        ("dense", (10,)),
    ],
    "conv2": [
        ("conv2d", (28, 28, 32)),
        ("conv2d_1", (28, 28, 64)),
        ("flatten", (50176,)),
        ("dropout", (50176,)),
        ("dense", (10,)),
    ],
    "conv2pool": [
        ("conv2d", (28, 28, 32)),
        ("conv2d_1", (28, 28, 64)),
        ("max_pooling2d", (14, 14, 64)),
        ("flatten", (12544,)),
        ("dropout", (12544,)),
        ("dense", (10,)),
    ],
    "conv4": [
        ("conv2d", (28, 28, 32)),
        ("conv2d_1", (28, 28, 64)),
        ("max_pooling2d", (14, 14, 64)),
        ("dropout", (14, 14, 64)),
        ("conv2d_2", (14, 14, 64)),
        ("conv2d_3", (14, 14, 128)),
        ("max_pooling2d_1", (7, 7, 128)),
        ("dropout_1", (7, 7, 128)),
        ("flatten", (6272,)),
        ("dropout_2", (6272,)),
        ("dense", (10,)),
    ],
    "mnist_cnn": [
        ("conv2d", (26, 26, 32)),
        ("conv2d_1", (24, 24, 64)),
        ("max_pooling2d", (12, 12, 64)),
        ("dropout", (12, 12, 64)),
        ("flatten", (9216,)),
        ("dense", (128,)),
        ("dropout_1", (128,)),
        ("dense_1", (10,)),
    ],
    "creatures": [
        ("conv2d", (100, 100, 32)),
        ("conv2d_1", (98, 98, 32)),
        ("max_pooling2d", (49, 49, 32)),
        ("conv2d_2", (49, 49, 64)),
        ("conv2d_3", (47, 47, 64)),
        ("max_pooling2d_1", (23, 23, 64)),
        ("flatten", (33856,)),
        ("dense", (512,)),
        ("dense_1", (6,)),
    ],
    "tiny_vgg": [
        ("conv2d", (62, 62, 10)),
        ("conv2d_1", (60, 60, 10)),
        ("max_pooling2d", (30, 30, 10)),
        ("conv2d_2", (28, 28, 10)),
        ("conv2d_3", (26, 26, 10)),
        ("max_pooling2d_1", (13, 13, 10)),
        ("flatten", (1690,)),
        ("dense", (10,)),
    ],
}


def test_the_table_holds_the_lectures_models() -> None:
    assert list(LECTURES) == list(PARAMS) == list(LAYERS)


@pytest.mark.parametrize("name", LECTURES)
def test_a_model_is_the_lectures(name: str) -> None:
    found = zoo_summary(name)
    assert found.params == PARAMS[name] == sum(layer.params for layer in found.layers)
    assert [(layer.name, layer.output_shape) for layer in found.layers] == LAYERS[name]


@pytest.mark.parametrize("name", ZOO)
def test_the_table_holds_the_counts_of_the_summary(name: str) -> None:
    entry, found = ZOO[name], zoo_summary(name)
    assert (entry.params, entry.multiply_adds) == (found.params, found.multiply_adds)
    # Also the parameters of no layer, as the layer scale of ConvNeXt's blocks.
    assert sum(layer.params for layer in found.layers) == entry.params


def test_creatures_has_the_parameters_that_its_lecture_prints() -> None:
    counts = [layer.params for layer in zoo_summary("creatures").layers if layer.params]
    assert counts == [896, 9_248, 18_496, 36_928, 17_334_784, 3_078]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "params"),
    [
        ("mlp", (8, 8, 1), 10, 65 * 128 + 129 * 10),
        ("conv1", (6, 5, 3), 4, 28 * 32 + (6 * 5 * 32 + 1) * 4),
        ("conv2pool", (7, 6, 2), 3, 19 * 32 + 289 * 64 + (3 * 3 * 64 + 1) * 3),
        ("tiny_vgg", (16, 17, 1), 2, 10 * 10 + 3 * 91 * 10 + (10 + 1) * 2),
    ],
)
def test_other_images_and_classes(
    name: str, shape: tuple[int, int, int], classes: int, params: int
) -> None:
    model = build(name, shape, classes)
    assert count_params(model) == params
    x = jnp.zeros((3, *shape))
    assert jax.eval_shape(eval_mode(model), x).shape == (3, classes)


@pytest.mark.parametrize("function", [build, zoo_summary, trace])
def test_an_unknown_name_is_refused(function: Callable[..., object]) -> None:
    with pytest.raises(ValueError) as caught:
        function("conv3")
    names = ", ".join(ZOO)
    assert str(caught.value) == f"model: got 'conv3'; accepted: {names}; did you mean 'conv4'?"


@pytest.mark.parametrize("function", [build, zoo_summary])
@pytest.mark.parametrize(
    ("name", "shape", "layer"),
    [
        ("conv4", (3, 3, 1), "max_pooling2d_1"),
        ("tiny_vgg", (4, 9, 3), "conv2d_1"),
        ("mnist_cnn", (9, 2, 1), "conv2d"),
    ],
)
def test_too_small_images_are_refused(
    function: Callable[..., object], name: str, shape: tuple[int, int, int], layer: str
) -> None:
    start = f"model: {name!r} cannot take images of shape {shape}: layer {layer!r}: kernel: "
    with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
        function(name, shape)


# --- parameters -----------------------------------------------------------------------------------


def kernels(model: nnx.Module) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def test_one_seed_gives_one_model() -> None:
    one, same, other = (kernels(build("conv1", (8, 8, 1), seed=seed)) for seed in (3, 3, 4))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    differs = [bool((a != b).any()) for a, b in zip(one, other, strict=True)]
    assert differs == [a.ndim > 1 for a in one]  # all but the biases, which start at zero


def test_many_seeds_at_once_are_those_that_build_draws() -> None:
    def draw(key: jax.Array) -> Any:
        return nnx.state(trace("conv1", (8, 8, 1), seed=key), nnx.Param)

    keys = jnp.stack([jax.random.key(seed) for seed in (3, 4)])
    stacked = jax.tree.leaves(jax.vmap(draw)(keys))
    for number, seed in enumerate((3, 4)):
        for many, one in zip(stacked, kernels(build("conv1", (8, 8, 1), seed=seed)), strict=True):
            np.testing.assert_allclose(many[number], one, rtol=1e-6)


@pytest.mark.parametrize("name", LECTURES)
def test_kernel_init_reaches_every_layer(name: str) -> None:
    shapes = []

    def init(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> jax.Array:
        shapes.append(shape)
        return jnp.zeros(shape, dtype)

    jax.eval_shape(lambda: nnx.state(trace(name, kernel_init=init)))
    assert len(shapes) == sum(layer.params > 0 for layer in zoo_summary(name).layers)


@pytest.mark.parametrize("rate", [0.0, 0.7])
def test_a_dropout_rate_is_that_of_every_dropout_layer(rate: float) -> None:
    model = build("mnist_cnn", (12, 12, 1), 3, dropout=rate)
    rates = [layer.rate for _, layer in nnx.iter_modules(model) if isinstance(layer, Dropout)]
    assert rates == [rate] * 2
