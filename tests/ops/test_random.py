"""Dropout's random bits equal those of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.ops._random import less_than


@pytest.mark.parametrize("shape", [(64, 14, 14, 3), (7, 5), (1,), ()])
@pytest.mark.parametrize("bound", [1, 32768, 45875])
def test_the_bits_are_those_of_jax(shape: tuple[int, ...], bound: int) -> None:
    key = jax.random.fold_in(jax.random.key(7), bound)
    want = np.asarray(jax.random.bits(key, shape, jnp.uint16)) < bound
    np.testing.assert_array_equal(less_than(key, shape, bound), want)
    np.testing.assert_array_equal(less_than(key, shape, jnp.int32(bound)), want)


def test_they_are_those_of_jax_under_jit_scan_and_vmap() -> None:
    keys = jax.random.split(jax.random.key(3), 4)

    def one(key: jax.Array) -> jax.Array:
        return less_than(key, (5, 9), 30000)

    want = np.stack([np.asarray(jax.random.bits(k, (5, 9), jnp.uint16)) < 30000 for k in keys])
    np.testing.assert_array_equal(jax.jit(jax.vmap(one))(keys), want)
    np.testing.assert_array_equal(jax.lax.map(one, keys), want)


def test_a_key_of_another_generator_keeps_its_own_bits() -> None:
    key = jax.random.key(5, impl="rbg")
    want = np.asarray(jax.random.bits(key, (40, 3), jnp.uint16)) < 20000
    np.testing.assert_array_equal(less_than(key, (40, 3), 20000), want)
