"""What does compiling gain, op by op and for a whole training step?

Times every public op with its arrays on the device, eagerly (each primitive is dispatched
separately) and under `jcnn.compile.jit`. Then times `conv4`'s training step in the same two ways,
and inside a loop in one program.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn import ops
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, ratio, relative_error
from jcnn.bench.steps import answer_of, in_a_loop, step_error, training_of
from jcnn.compile import jit

QUESTION = "What does compiling gain, op by op and for a whole training step?"
BASELINE = "eager"
TOLERANCE = 1e-5
_STEPS = 4


def rows(
    model: str = "conv4",
    *,
    batch: int = 64,
    rounds: int = 9,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measure every op, then the step.

    Args:
        model: name of the zoo model whose step is measured.
        batch: images.
        rounds: largest number of timed runs of each.
        notify: called with a line for each measurement.
    """
    found: list[Row] = []
    for name, (function, arrays) in cases(batch).items():
        notify(name)
        program = jit(function).lower(*arrays).compile()
        expected = np.asarray(function(*arrays))
        error = relative_error(np.asarray(program(*arrays)), expected)
        calls = {"eager": partial(function, *arrays), "compiled": partial(program, *arrays)}
        seconds = time_in_rounds(calls, rounds=rounds)
        found.append(Row(name, "eager", seconds["eager"], group="op"))
        taken = seconds["compiled"]
        found.append(Row(name, "compiled", taken, "op", error=error, tolerance=TOLERANCE))
    notify(f"{model}'s step")
    return found + _step_rows(model, batch, rounds)


def findings(rows: list[Row]) -> list[str]:
    """The speed-up by compilation."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        shares = {
            f"{row.case}, {row.contestant}" if group == "step" else row.case: 1 / share
            for row in rows
            if row.group == group
            and row.contestant != "eager"
            and (share := ratio(rows, row, "eager"))
        }
        texts = (f"{name} {share:.1f}" for name, share in shares.items())
        lines.append(f"times faster than eager: {'; '.join(texts)}")
    return lines


def cases(batch: int) -> dict[str, tuple[Callable[..., jax.Array], list[jax.Array]]]:
    """Every public op with arguments of `conv4`'s sizes."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    maps = normal(batch, 28, 28, 32)
    key = jax.random.key(0)
    labels = jnp.asarray(rng.integers(0, 10, batch), jnp.int32)
    table: dict[str, tuple[Callable[..., jax.Array], list[jax.Array]]] = {
        "conv2d": (ops.conv2d, [maps, normal(3, 3, 32, 64), normal(64)]),
        "conv2d_relu": (
            partial(ops.conv2d_relu, pool=True),
            [maps, normal(3, 3, 32, 64), normal(64)],
        ),
        "conv_transpose2d": (
            partial(ops.conv_transpose2d, stride=2),
            [maps, normal(3, 3, 16, 32), normal(16)],
        ),
        "depthwise_conv2d": (ops.depthwise_conv2d, [maps, normal(3, 3, 32, 1), normal(32)]),
        "separable_conv2d": (
            ops.separable_conv2d,
            [maps, normal(3, 3, 32, 1), normal(1, 1, 32, 64), normal(64)],
        ),
        "im2col": (partial(ops.im2col, kernel=3), [maps]),
        "max_pool2d": (partial(ops.max_pool2d, window=2), [maps]),
        "avg_pool2d": (partial(ops.avg_pool2d, window=2), [maps]),
        "global_average_pool2d": (ops.global_average_pool2d, [maps]),
        "global_max_pool2d": (ops.global_max_pool2d, [maps]),
        "zero_pad2d": (ops.zero_pad2d, [maps]),
        "crop2d": (partial(ops.crop2d, cropping=1), [maps]),
        "upsample2d": (ops.upsample2d, [maps]),
        "flatten": (ops.flatten, [maps]),
        "dense": (ops.dense, [normal(batch, 6272), normal(6272, 10), normal(10)]),
        "dropout": (lambda x, key: ops.dropout(x, 0.5, key=key), [maps, key]),
        "spatial_dropout2d": (lambda x, key: ops.spatial_dropout2d(x, 0.5, key=key), [maps, key]),
        "stochastic_depth": (lambda x, key: ops.stochastic_depth(x, 0.5, key=key), [maps, key]),
        "cross_entropy": (ops.cross_entropy, [normal(batch, 10), labels]),
        "softmax": (ops.softmax, [normal(batch, 10)]),
    }
    activations = (
        *(ops.relu, ops.relu6, ops.leaky_relu, ops.elu, ops.selu, ops.gelu, ops.silu, ops.mish),
        *(ops.sigmoid, ops.hard_sigmoid, ops.hard_swish, ops.tanh, ops.softplus),
    )
    return table | {function.__name__: (function, [maps]) for function in activations}


def _step_rows(model: str, batch: int, rounds: int) -> list[Row]:
    made = training_of(model, batch)
    arguments = (made.carries[0], made.images, made.labels, jax.random.key(0))
    step = jit(made.step).lower(*arguments, jnp.int32(0)).compile()
    loop = jit(in_a_loop(made.step)).lower(*arguments, jnp.int32(1)).compile()
    calls: dict[str, Callable[..., Any]] = {"eager": made.step, "compiled": step}
    answers = {name: answer_of(call(*arguments, jnp.int32(0))) for name, call in calls.items()}
    answers["in a loop"] = answer_of(loop(*arguments, jnp.int32(1)))
    timed = {name: partial(call, *arguments, jnp.int32(0)) for name, call in calls.items()}
    timed["in a loop"] = partial(loop, *arguments, jnp.int32(_STEPS))
    seconds = time_in_rounds(timed, rounds=rounds, most=30.0)
    each = {name: _STEPS if name == "in a loop" else 1 for name in timed}
    found = []
    for name in timed:
        taken = tuple(one / each[name] for one in seconds[name])
        case = f"step of {model}, batch {batch}"
        if name == "eager":
            found.append(Row(case, name, taken, "step"))
            continue
        error = step_error(answers[name], answers["eager"])
        found.append(Row(case, name, taken, "step", error=error, tolerance=1.0))
    return found
