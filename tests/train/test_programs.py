"""The compiled programs: their convolutions have the fast form, also inside the epoch's loop."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jcnn.compile import jit
from jcnn.layers import take_apart, training
from jcnn.metrics import zero_totals
from jcnn.models import build
from jcnn.programs import State, epoch_program, optimizer
from tests.hlo import convolutions, slow_convolutions

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the form is XLA:CPU's")


@on_cpu
@pytest.mark.parametrize(
    ("name", "shape", "per_step"),
    # Forward, by kernel and by input, but no gradient by the pictures.
    [("conv4", (28, 28, 1), 4 + 4 + 3), ("creatures", (20, 20, 3), 4 + 4 + 3)],
)
def test_every_convolution_of_an_epoch_is_in_the_fast_form(
    name: str, shape: tuple[int, int, int], per_step: int
) -> None:
    parts = take_apart(training(build(name, shape, 10)))
    state = State(parts.params, parts.rest, optimizer(1e-3).init(parts.params))
    images = jax.ShapeDtypeStruct((10, *shape), jnp.uint8)
    labels = jax.ShapeDtypeStruct((10,), jnp.int32)
    program = epoch_program(parts.graphdef, 1e-3, 4)
    lowered = program.lower(
        state, parts.streams, zero_totals(), images, labels, jax.random.key(0), 0, 3
    )
    text = lowered.compile().as_text()
    assert slow_convolutions(text) == []
    assert len(convolutions(text)) == 2 * per_step  # whole batches, and the last of another size


@on_cpu
def test_autodiff_of_lax_convolution_in_a_scan_would_be_flagged() -> None:
    def plain(kernel: jax.Array, xs: jax.Array) -> jax.Array:
        def step(kernel: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
            def loss(kernel: jax.Array) -> jax.Array:
                y: Any = lax.conv_general_dilated(
                    x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                return jnp.sum(y**2)

            return kernel - jax.grad(loss)(kernel), None

        return lax.scan(step, kernel, xs)[0]

    text = jit(plain).lower(jnp.ones((3, 3, 2, 4)), jnp.ones((5, 2, 8, 8, 2))).compile().as_text()
    assert len(slow_convolutions(text)) == 1
