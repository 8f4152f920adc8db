"""SpatialDropout2D and StochasticDepth: their ops in train mode, the identity in eval mode."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Dropout,
    Sequential,
    SpatialDropout2D,
    StochasticDepth,
    eval_mode,
    train_mode,
)
from jcnn.layers.basic import DropoutRate
from tests.ops.conv.cases import draw
from tests.ops.conv.refusals import refusal

X = draw("x", (20, 3, 2, 8))
LAYERS = [(SpatialDropout2D, ops.spatial_dropout2d), (StochasticDepth, ops.stochastic_depth)]


@pytest.mark.parametrize(("kind", "op"), LAYERS)
def test_each_is_its_op_with_the_keys_of_its_stream(kind: Any, op: Any) -> None:
    layer = kind(0.25, rngs=nnx.Rngs(dropout=3))
    keys = nnx.Rngs(dropout=3)["dropout"].fork()
    first, second = layer(X), layer(X)
    np.testing.assert_array_equal(first, op(X, 0.25, key=keys()))
    np.testing.assert_array_equal(second, op(X, 0.25, key=keys()))
    assert (first != second).any()


@pytest.mark.parametrize(("kind", "op"), LAYERS)
def test_modes_and_rates(kind: Any, op: Any) -> None:
    model = Sequential([kind(0.5, rngs=nnx.Rngs(0))])
    np.testing.assert_array_equal(eval_mode(model)(X), X)
    assert (train_mode(eval_mode(model))(X) != X).any()
    assert refusal(lambda: kind(1.0, rngs=nnx.Rngs(0))) == "rate: got 1.0; accepted: 0 <= rate < 1"
    two = nnx.Rngs(0)
    assert (kind(0.5, rngs=two)(X) != kind(0.5, rngs=two)(X)).any()


def test_a_population_may_differ_in_the_rate_of_spatial_dropout() -> None:
    layer = SpatialDropout2D(0.5, rngs=nnx.Rngs(0))
    assert isinstance(layer, Dropout)
    layer.rate = nnx.data(DropoutRate(jnp.float32(0.0)))
    np.testing.assert_array_equal(layer(X), X)
