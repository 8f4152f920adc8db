"""What the primitive becomes for GPUs and TPUs, on a machine that has none."""

import dataclasses
import re
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.gpu.programs import METHODS, step_of
from jcnn import layers, ops
from jcnn.config import TrainConfig
from jcnn.models import ZOO
from jcnn.ops.conv.canonical import Direction, as_convolution, from_convolution
from jcnn.ops.conv.lowerings import lax as lax_lowering
from jcnn.ops.conv.lowerings.lowering import Params, out_size
from jcnn.train.programs import compiled_part
from tests.ops.conv.cases import draw, together

DIRECTIONS: tuple[Direction, ...] = ("forward", "by input", "by kernel")


@st.composite
def convolutions(draw_one: Any) -> tuple[Any, Any, Params]:
    """Shapes and parameters, with every parameter that the primitive has."""
    few = st.integers(1, 3)
    groups = draw_one(few)
    per_group, filters = draw_one(few), draw_one(few)
    x = (draw_one(few), draw_one(st.integers(5, 8)), draw_one(st.integers(5, 8)))
    kernel = (draw_one(few), draw_one(few), per_group, groups * filters)
    pair = st.tuples(st.integers(1, 2), st.integers(1, 2))
    pads = st.tuples(st.integers(-1, 2), st.integers(-1, 2))
    params = Params(
        draw_one(pair),
        (draw_one(pads), draw_one(pads)),
        draw_one(pair),
        draw_one(pair),
        groups,
    )
    return (*x, per_group * groups), kernel, params


@settings(max_examples=40)
@given(convolutions(), st.sampled_from(DIRECTIONS))
def test_a_gradient_written_by_lax_is_the_canonical_one(
    convolution: tuple[Any, Any, Params], direction: Direction
) -> None:
    x_shape, kernel_shape, params = convolution
    out = out_size(x_shape, kernel_shape, params)
    assume(min(out) > 0)
    with jax.enable_x64(True):
        x, kernel = draw("x", x_shape, "float64"), draw("kernel", kernel_shape, "float64")
        g = draw("g", (x_shape[0], *out, kernel_shape[3]), "float64")
        operands, size = {
            "forward": ((x, kernel), None),
            "by input": ((g, kernel), x_shape[1:3]),
            "by kernel": ((x, g), kernel_shape[:2]),
        }[direction]

        def canonical(a: jax.Array, b: jax.Array) -> jax.Array:
            x, kernel, form = as_convolution(direction, a, b, size, params)
            y = lax_lowering.convolve(x, kernel, None, form)
            return from_convolution(direction, y)

        def transposed(a: jax.Array, b: jax.Array) -> jax.Array:
            return lax_lowering.transposed(direction, a, b, size, None, params)

        got, want = together([transposed, canonical], [operands] * 2)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def traced(name: str, method: str) -> Any:
    """A training step of the zoo in bfloat16, traced."""
    config = compiled_part(TrainConfig(batch_size=2, compute_dtype="bfloat16"))
    step, arguments = step_of(name, method, 2, config)
    return step.trace(*arguments)


def convolutions_of(program: Any) -> Counter[str]:
    """The convolutions of a lowered program: dimension numbers, window and shapes."""
    found = re.findall(r"stablehlo\.convolution(.*)", program.as_text())
    return Counter(re.sub(r"%\w+", "", one) for one in found)


class Small(nnx.Sequential):
    """Of what `conv4` lacks: strides, depthwise and 1x1 convolutions, squeeze-and-excitation."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, rngs: nnx.Rngs, **_: Any
    ) -> None:
        super().__init__(
            layers.Conv2D(input_shape[2], 8, 7, stride=4, rngs=rngs),
            layers.LayerNormalization(8),
            layers.DepthwiseConv2D(8, 7, rngs=rngs),
            layers.Conv2D(8, 16, 1, activation=ops.gelu, rngs=rngs),
            layers.BatchNormalization(16, rngs=rngs),
            layers.DepthwiseConv2D(16, 3, stride=2, padding=1, activation=ops.relu6, rngs=rngs),
            layers.SqueezeExcitation(16, 4, rngs=rngs),
            layers.Conv2D(16, 8, 1, stride=2, padding="VALID", use_bias=False, rngs=rngs),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, classes, rngs=rngs),
        )


# Strides, a stem of 7x7 and the other kinds of layers are in the small model below.
DEFAULT = ("conv4",)
EVERY = [pytest.param(name, marks=[] if name in DEFAULT else pytest.mark.slow) for name in ZOO]


@pytest.mark.parametrize("name", EVERY)
def test_a_step_for_a_gpu_has_the_convolutions_that_jax_writes(name: str) -> None:
    """XLA makes cuDNN's backward functions of these, and of no other form."""
    check_step(name)


def test_a_step_of_a_small_model_has_the_convolutions_that_jax_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = dataclasses.replace(ZOO["conv4"], build=Small, input_shape=(32, 28, 3))
    monkeypatch.setitem(ZOO, "small", entry)
    check_step("small")


def check_step(name: str) -> None:
    ours, theirs = (traced(name, method) for method in METHODS)
    found = convolutions_of(ours.lower(lowering_platforms=("cuda",)))
    assert found == convolutions_of(theirs.lower(lowering_platforms=("cuda",)))
    assert found or name.startswith("mlp")
    ours.lower(lowering_platforms=("rocm", "tpu"))
