"""Parameters that are not finite are refused by name, with their number."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.explore import page
from jcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, Sequential
from jcnn.layers.finite import check_finite, named_arrays

ACCEPTED = "accepted: finite numbers, as in a model that has not diverged"


def model() -> Sequential:
    rngs = nnx.Rngs(0)
    layers = [Conv2D(1, 2, rngs=rngs), BatchNormalization(2, rngs=rngs), Flatten()]
    return Sequential([*layers, Dense(40, 3, rngs=rngs)])


def spoilt(array: nnx.Variable[jax.Array], *numbers: float) -> None:
    """Replace the last numbers of an array."""
    changed = np.array(array[...])
    changed.ravel()[changed.size - len(numbers) :] = numbers
    array[...] = jnp.asarray(changed)


def test_a_page_names_the_layer_and_the_array_and_counts() -> None:
    one = model()
    spoilt(one.conv2d.kernel, np.nan, np.inf, -np.inf, np.nan, np.nan)
    images = np.zeros((1, 5, 4, 1), np.uint8)
    said = f"model: layer 'conv2d': its kernel has 3 NaN and 2 infinite of 18 numbers; {ACCEPTED}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        page(one, images, ["a", "b", "c"])
    two = model()
    spoilt(two.batch_normalization.var, np.inf)
    spoilt(two.dense.bias, np.nan)
    said = "layer 'batch_normalization': its variance has 1 infinite of 2 numbers (1 more array "
    with pytest.raises(ValueError, match=re.escape(said)):
        page(two, images, ["a", "b", "c"])


def test_large_numbers_and_zeros_are_accepted() -> None:
    one = model()
    spoilt(one.dense.bias, 3.4e38, -1e-45, 0.0)
    check_finite(named_arrays(one))
    spoilt(one.dense.bias, 0.0, np.nan, 0.0)
    with pytest.raises(ValueError, match=r"^model: layer 'dense': its bias has 1 NaN of 3 num"):
        check_finite(named_arrays(one))
