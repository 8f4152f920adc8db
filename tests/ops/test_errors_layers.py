"""Every error message of pooling, dense, dropout and the activations, word for word."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jcnn import ops
from tests.ops.conv.refusals import FLOATS, PADS, PAIR, refusal

X = jnp.ones((2, 5, 6, 4))
KEY = jax.random.key(0)

POOLING: dict[str, tuple[Callable[..., Any], str]] = {
    "rank": (
        lambda pool: pool(X[0], 2),
        "x: got shape (5, 6, 4); expected 4 axes (N, H, W, C)",
    ),
    "integers": (
        lambda pool: pool(X.astype("uint8"), 2),
        f"x: got dtype uint8; {FLOATS}",
    ),
    "window": (lambda pool: pool(X, 0), f"kernel: got 0; accepted: {PAIR}"),
    "stride": (lambda pool: pool(X, 2, stride=0), f"stride: got 0; accepted: {PAIR}"),
    "padding": (lambda pool: pool(X, 2, padding="full"), f"padding: got 'full'; {PADS}"),
    "padding of a whole window": (
        lambda pool: pool(X, (3, 2), padding=2),
        (
            "padding: got 2 for window (3, 2); it must be smaller than the window, or some windows "
            "would hold nothing but padding"
        ),
    ),
    "too large": (
        lambda pool: pool(X, 6),
        (
            "kernel: a window of 6x6 (kernel 6x6, dilation 1x1) does not fit an input of 5x6 with "
            "padding ((0, 0), (0, 0))"
        ),
    ),
}

ROWS, LABELS = jnp.ones((3, 10)), jnp.zeros(3, "int32")
DENSE: dict[str, tuple[Callable[[], Any], str]] = {
    "dense x rank": (
        lambda: ops.dense(X, jnp.ones((4, 8))),
        "x: got shape (2, 5, 6, 4); expected 2 axes (N, D)",
    ),
    "dense kernel rank": (
        lambda: ops.dense(ROWS, jnp.ones(10)),
        "kernel: got shape (10,); expected 2 axes (D, U)",
    ),
    "dense sizes": (
        lambda: ops.dense(ROWS, jnp.ones((9, 8))),
        "kernel: got shape (9, 8) for x (3, 10); its first axis must be D = 10",
    ),
    "dense bias": (
        lambda: ops.dense(ROWS, jnp.ones((10, 8)), jnp.ones(10)),
        "bias: got shape (10,) for kernel (10, 8); expected (8,)",
    ),
    "dense integers": (
        lambda: ops.dense(ROWS.astype("int32"), jnp.ones((10, 8), "int32")),
        f"x: got dtype int32; {FLOATS}",
    ),
    "dense mixed": (
        lambda: ops.dense(ROWS, jnp.ones((10, 8), "float16")),
        "kernel: got dtype float16 for x of dtype float32",
    ),
    "flatten": (
        lambda: ops.flatten(jnp.array(1.0)),
        "x: got shape (); expected at least one axis (N, ...)",
    ),
    "dropout of all": (
        lambda: ops.dropout(X, 1.0, key=KEY),
        "rate: got 1.0; accepted: 0 <= rate < 1",
    ),
    "dropout negative": (
        lambda: ops.dropout(X, -0.1, key=KEY),
        "rate: got -0.1; accepted: 0 <= rate < 1",
    ),
    "dropout of NaN": (
        lambda: ops.dropout(X, float("nan"), key=KEY),
        "rate: got nan; accepted: 0 <= rate < 1",
    ),
    "dropout integers": (
        lambda: ops.dropout(LABELS, 0.5, key=KEY),
        f"x: got dtype int32; {FLOATS}",
    ),
    "cross_entropy scalar": (
        lambda: ops.cross_entropy(jnp.array(1.0), jnp.array(0)),
        "logits: got shape (); expected at least one axis (..., K)",
    ),
    "cross_entropy integers": (
        lambda: ops.cross_entropy(ROWS.astype("int32"), LABELS),
        f"logits: got dtype int32; {FLOATS}",
    ),
    "cross_entropy class numbers": (
        lambda: ops.cross_entropy(ROWS, jnp.zeros((3, 10), "int32")),
        "labels: got shape (3, 10) for logits (3, 10); class numbers must have shape (3,)",
    ),
    "cross_entropy probabilities": (
        lambda: ops.cross_entropy(ROWS, jnp.ones(3)),
        (
            "labels: got shape (3,) for logits (3, 10); "
            "probabilities must have the shape of the logits"
        ),
    ),
    "cross_entropy bool": (
        lambda: ops.cross_entropy(ROWS, jnp.ones((3, 10), "bool")),
        f"labels: got dtype bool; {FLOATS}",
    ),
    "softmax scalar": (
        lambda: ops.softmax(jnp.array(1.0)),
        "logits: got shape (); expected at least one axis (..., K)",
    ),
}


@pytest.mark.parametrize("pool", [ops.max_pool2d, ops.avg_pool2d])
@pytest.mark.parametrize("name", POOLING)
def test_pooling(name: str, pool: Callable[..., Any]) -> None:
    call, expected = POOLING[name]
    assert refusal(lambda: call(pool)) == expected


@pytest.mark.parametrize("name", DENSE)
def test_dense(name: str) -> None:
    call, expected = DENSE[name]
    assert refusal(call) == expected


ACTIVATIONS = [
    *(ops.relu, ops.relu6, ops.leaky_relu, ops.elu, ops.selu, ops.hard_sigmoid, ops.hard_swish),
    *(ops.gelu, ops.silu, ops.mish, ops.softplus, ops.sigmoid, ops.tanh),
]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_of_integers(activation: Callable[[jax.Array], jax.Array]) -> None:
    assert refusal(lambda: activation(LABELS)) == f"x: got dtype int32; {FLOATS}"
