"""Streams that are fast to trace draw the keys of Flax's."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.layers import BatchNormalization, Dropout
from jcnn.layers.streams import Streams


def test_the_keys_are_those_of_flax() -> None:
    key = jax.random.key(5)
    for ours, theirs in (
        (Streams(key), nnx.Rngs(key)),
        (Streams(key)["dropout"].fork(), nnx.Rngs(key)["dropout"].fork()),
    ):
        draws = [(ours(), theirs()) for _ in range(3)]
        for a, b in draws:
            np.testing.assert_array_equal(jax.random.key_data(a), jax.random.key_data(b))
    assert type(Dropout(0.5, rngs=Streams(key)).rngs) is not nnx.RngStream


def test_each_draw_of_a_traced_program_is_the_same_effort() -> None:
    """The calls of functions grow with the draws, not with their square as Flax's with JAX 0.10."""

    def calls(draws: int) -> int:
        count = 0

        def traced() -> None:
            nonlocal count
            rngs = Streams(jax.random.key(0))
            rngs.params()  # compiles what is needed for every draw

            def counted(_frame: object, event: str, _arg: object) -> None:
                nonlocal count
                count += event == "call"

            sys.setprofile(counted)
            try:
                for _ in range(draws):
                    rngs.params()
            finally:
                sys.setprofile(None)

        jax.eval_shape(traced)
        return count

    calls(1)
    assert calls(90) < 3.3 * calls(30)


def test_running_statistics_are_assigned_while_jax_traces() -> None:
    model = BatchNormalization(2, momentum=0.5, rngs=nnx.Rngs(0))
    x = jnp.asarray([[1.0, 2.0], [3.0, 6.0]])

    @nnx.jit
    def step(model: BatchNormalization, x: jax.Array) -> jax.Array:
        return model(x)

    step(model, x)
    np.testing.assert_allclose(model.mean[...], [1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(model.var[...], [1.0, 2.5], rtol=1e-6)
