"""Optimizers against their formulas in NumPy float64, with a changing learning rate."""

from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.config import Optimizer, TrainConfig
from jcnn.train.optimizers import optimizer
from tests.train.updates import UPDATES, Arrays, drawn, gradients, learning_rate, trained

NAMES = get_args(Optimizer)


# Each oracle is a generator: it is sent (gradient, t, learning rate) and yields what w moves by.
def adam(shape: tuple[int, ...]) -> Any:
    m = v = np.zeros(shape)
    g, t, lr = yield np.zeros(shape)
    while True:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        alpha = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        g, t, lr = yield -alpha * m / (np.sqrt(v) + 1e-7)


def sgd(shape: tuple[int, ...]) -> Any:
    g, _, lr = yield np.zeros(shape)
    while True:
        g, _, lr = yield -lr * g


def momentum(shape: tuple[int, ...]) -> Any:
    velocity = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        velocity = 0.9 * velocity - lr * g
        g, _, lr = yield velocity


def nesterov(shape: tuple[int, ...]) -> Any:
    velocity = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        velocity = 0.9 * velocity - lr * g
        g, _, lr = yield 0.9 * velocity - lr * g


def rmsprop(shape: tuple[int, ...]) -> Any:
    v = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        v = 0.9 * v + 0.1 * g**2
        g, _, lr = yield -lr * g / np.sqrt(v + 1e-7)


def nadam(shape: tuple[int, ...]) -> Any:
    m = v = np.zeros(shape)

    def u(t: int) -> float:
        return 0.9 * (1 - 0.5 * 0.96**t)

    g, t, lr = yield np.zeros(shape)
    while True:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        so_far = np.prod([u(i) for i in range(1, t + 1)])
        ahead = u(t + 1) * m / (1 - so_far * u(t + 1)) + (1 - u(t)) * g / (1 - so_far)
        g, t, lr = yield -lr * ahead / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)


def adagrad(shape: tuple[int, ...]) -> Any:
    total = np.full(shape, 0.1)
    g, _, lr = yield np.zeros(shape)
    while True:
        total = total + g**2
        g, _, lr = yield -lr * g / np.sqrt(total + 1e-7)


def adadelta(shape: tuple[int, ...]) -> Any:
    square = moved = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        square = 0.95 * square + 0.05 * g**2
        step = -np.sqrt(moved + 1e-7) / np.sqrt(square + 1e-7) * g
        moved = 0.95 * moved + 0.05 * step**2
        g, _, lr = yield lr * step


def lion(shape: tuple[int, ...]) -> Any:
    m = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        step = -lr * np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        g, _, lr = yield step


def muon(shape: tuple[int, ...]) -> Any:
    """Compare singular values: the polynomial of Jordan's iteration acts on each of them."""
    if len(shape) < 2:
        yield from adam(shape)
    m = np.zeros(shape)
    g, _, lr = yield np.zeros(shape)
    while True:
        m = 0.95 * m + g
        matrix = (g + 0.95 * m).reshape(-1, shape[-1])
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        s = s / (np.linalg.norm(matrix) + 1e-7)
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        step = -lr * 0.2 * np.sqrt(max(matrix.shape)) * (u * s) @ v
        g, _, lr = yield step.reshape(shape)


ORACLES: dict[str, Callable[[tuple[int, ...]], Any]] = {
    "adam": adam,
    "adamw": adam,
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "nadam": nadam,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "lion": lion,
    "muon": muon,
}


def expected(
    name: Optimizer,
    *,
    decay: Callable[[str], float] = lambda array: 0.0,
    clip: Callable[[Arrays], Arrays] = lambda g: g,
) -> Arrays:
    """The arrays after UPDATES updates, in float64."""
    params = {array: w.astype(np.float64) for array, w in drawn().items()}
    rules = {array: ORACLES[name](w.shape) for array, w in params.items()}
    for rule in rules.values():
        next(rule)
    for t in range(1, UPDATES + 1):
        lr = float(np.float32(learning_rate(t)))
        clipped = clip({array: g.astype(np.float64) for array, g in gradients(t).items()})
        for array, w in params.items():
            step = rules[array].send((clipped[array], t, lr))
            params[array] = w + step - lr * decay(array) * w
    return params


def assert_close(actual: Arrays, wanted: Arrays) -> None:
    """Compare within the float32 rounding of the updates; the arrays change by about 0.5.

    Adam's 1 - 0.999^t carries the rounding of 0.999, a relative 1.3e-5 at t = 1, as in Keras.
    """
    assert actual.keys() == wanted.keys()
    for array, w in wanted.items():
        np.testing.assert_allclose(actual[array], w, rtol=2e-6, atol=2e-6, err_msg=array)


def default_decay(name: Optimizer) -> float:
    return {"adamw": 0.004, "muon": 0.004}.get(name, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_follows_its_formula(name: Optimizer) -> None:
    wanted = expected(name, decay=lambda array: default_decay(name))
    assert_close(trained(TrainConfig(optimizer=name)), wanted)


@pytest.mark.parametrize("name", ["sgd", "adamw", "momentum"])
@pytest.mark.parametrize("mask", ["all", "kernels"])
def test_weight_decay_takes_its_share_of_the_weight_before(name: Optimizer, mask: Any) -> None:
    def decay(array: str) -> float:
        return 0.3 if mask == "all" or array in ("conv", "dense", "wide") else 0.0

    config = TrainConfig(optimizer=name, weight_decay=0.3, weight_decay_mask=mask)
    assert_close(trained(config), expected(name, decay=decay))


def test_no_weight_decay_may_be_asked_for() -> None:
    assert_close(trained(TrainConfig(optimizer="adamw", weight_decay=0.0)), expected("adam"))


def clipped_by_value(g: Arrays) -> Arrays:
    return {name: np.clip(array, -0.4, 0.4) for name, array in g.items()}


def clipped_by_norm(g: Arrays) -> Arrays:
    return {name: array * min(1, 1.5 / np.linalg.norm(array)) for name, array in g.items()}


def clipped_together(g: Arrays) -> Arrays:
    norm = np.sqrt(sum(np.linalg.norm(array) ** 2 for array in g.values()))
    return {name: array * min(1, 1.5 / norm) for name, array in g.items()}


CLIPS: dict[str, tuple[float, Callable[[Arrays], Arrays]]] = {
    "clip_value": (0.4, clipped_by_value),
    "clip_norm": (1.5, clipped_by_norm),
    "global_clip_norm": (1.5, clipped_together),
}


@pytest.mark.parametrize("setting", CLIPS)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_gradients_are_clipped_before_the_rule(name: Optimizer, setting: str) -> None:
    limit, clip = CLIPS[setting]
    changes: Any = {setting: limit}
    assert_close(trained(TrainConfig(optimizer=name, **changes)), expected(name, clip=clip))


@pytest.mark.parametrize("setting", CLIPS)
def test_clipping_keeps_zeros_and_lets_nan_through(setting: str) -> None:
    changes: Any = {setting: 0.5}
    rule = optimizer(TrainConfig(optimizer="sgd", **changes))
    params = {"w": jnp.ones(3)}
    for given in (0.0, np.nan):
        g = {"w": jnp.full(3, given)}
        updates, _ = rule.update(g, rule.init(params), params, learning_rate=jnp.float32(1))
        np.testing.assert_array_equal(jax.tree.leaves(updates)[0], np.full(3, given))


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("sgd", "adam", "nadam") else pytest.param(n, marks=pytest.mark.slow)
        for n in NAMES
    ],
)
def test_a_population_of_learning_rates_is_each_alone(name: Optimizer) -> None:
    rule = optimizer(TrainConfig(optimizer=name, clip_norm=2.0))
    rates = jnp.asarray([1e-3, 3e-2, 0.5])
    names = ("dense", "bias")  # few, and two updates: compiling is what takes the time
    params = [{array: jnp.asarray(drawn(seed)[array]) for array in names} for seed in range(3)]

    def train(params: Any, rate: jax.Array) -> Any:
        state = rule.init(params)
        for t in (1, 2):
            g = {array: jnp.asarray(gradients(t)[array]) for array in names}
            updates, state = rule.update(g, state, params, learning_rate=rate / t)
            params = jax.tree.map(jnp.add, params, updates)
        return params, state

    together = jax.jit(jax.vmap(train))(jax.tree.map(lambda *a: jnp.stack(a), *params), rates)
    alone = [jax.jit(train)(p, rate) for p, rate in zip(params, rates, strict=True)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *alone)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-6, 2e-6), together, stacked)


@pytest.mark.parametrize("name", NAMES)
def test_the_state_is_arrays_that_keep_their_shape_and_share_no_buffer(name: Optimizer) -> None:
    rule = optimizer(TrainConfig(optimizer=name))
    params = jax.tree.map(jnp.asarray, drawn())
    state = rule.init(params)

    def step(params: Any, state: Any) -> tuple[Any, Any]:
        g = jax.tree.map(jnp.asarray, gradients(1))
        return rule.update(g, state, params, learning_rate=jnp.float32(0.1))

    updates, after = jax.eval_shape(step, params, state)
    for before, now in ((params, updates), (state, after)):
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(before))
        assert jax.eval_shape(lambda tree: tree, before) == now
    # Two leaves in one buffer could not both be given to a compiled program.
    jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)(state)
