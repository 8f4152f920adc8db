"""Is a training step as fast inside a loop, and for several models at once, as alone?

Times the same step of the same model, with jcnn's convolution and with `flax.nnx.Conv`: bare; in a
loop inside one program; in the epoch program that `fit` runs; and for a population, in a Python
loop, with `lax.map` (which jcnn uses on a CPU) and with `vmap` (which it uses on a GPU). All are
compiled with jcnn's options; `nnx.Conv`, bare and in a loop, is also compiled with plain
`jax.jit`, as in Flax's tutorials. Every time is that of one step of one model.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, ratio
from jcnn.bench.steps import (
    Convolution,
    Training,
    answer_of,
    in_a_loop,
    step_error,
    training_of,
)
from jcnn.compile import jit
from jcnn.train.programs import epoch_program, order_program
from jcnn.train.step import Carry

QUESTION = "Is a training step as fast inside a loop, and for several models, as alone?"
BASELINE = "jcnn, bare"
CONVOLUTIONS: tuple[Convolution, ...] = ("jcnn", "nnx.Conv")
# Steps of a loop.
_STEPS = 2
# A contestant is not timed if one run takes longer than this, in seconds.
_MOST = 20.0


def rows(
    models: tuple[str, ...] = ("conv1", "conv4"),
    members: tuple[int, ...] = (4, 16),
    *,
    batch: int = 64,
    rounds: int = 7,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measure each model by itself and in populations of each size.

    Args:
        models: names of zoo models.
        members: sizes of the populations.
        batch: images per step.
        rounds: largest number of timed runs of each.
        notify: called with a line for each measurement.
    """
    found: list[Row] = []
    for name in models:
        for count in (1, *members):
            notify(name if count == 1 else f"{count} x {name}")
            found += _measure(name, count, batch, rounds)
    return found


def findings(rows: list[Row]) -> list[str]:
    """The cost of a loop relative to the bare step, and of a population to a Python loop."""
    lines = []
    for row in rows:
        convolution, _, variant = row.contestant.partition(", ")
        base = {
            "loop": "bare",
            "epoch": "bare",
            "vmap": "Python loop",
            "lax.map": "Python loop",
        }.get(variant)
        share = ratio(rows, row, f"{convolution}, {base}")
        if share is not None:
            lines.append(f"{row.case}, {convolution}: {variant} / {base} {share:.2f}")
    return lines


def _measure(name: str, members: int, batch: int, rounds: int) -> list[Row]:
    contestants: dict[str, tuple[Callable[[], Any], int]] = {}
    answers: dict[str, list[np.ndarray]] = {}
    for convolution in CONVOLUTIONS:
        made = training_of(name, batch, models=members, convolution=convolution)
        variants = _alone(made, convolution) if members == 1 else _several(made)
        for variant, (first, run, steps) in variants.items():
            contestants[f"{convolution}, {variant}"] = (run, steps)
            answers[f"{convolution}, {variant}"] = first
    reference = next(iter(answers.values()))
    errors = {who: step_error(answer, reference) for who, answer in answers.items()}
    right = {who: run for who, (run, _) in contestants.items() if errors[who] <= 1}
    seconds = time_in_rounds(right, rounds=rounds, most=_MOST)
    case = f"{name}, batch {batch}" if members == 1 else f"{members} x {name}, batch {batch}"
    return [
        Row(
            case,
            who,
            tuple(taken / steps for taken in seconds.get(who, ())),
            group="one model" if members == 1 else f"{members} models",
            error=None if answers[who] is reference else errors[who],
            tolerance=None if answers[who] is reference else 1.0,
            note="" if seconds.get(who) or who not in right else f"over {_MOST:.0f} s a run",
        )
        for who, (_, steps) in contestants.items()
    ]


# For each variant: its result after one step, the call to time, and its number of model steps.
_Variants = dict[str, tuple[list[np.ndarray], Callable[[], Any], int]]


def _alone(made: Training, convolution: Convolution) -> _Variants:
    batch = (made.carries[0], made.images, made.labels, jax.random.key(0))
    variants: _Variants = {}
    compilers: dict[str, Callable[..., Any]] = {"": jit}
    if convolution == "nnx.Conv":
        compilers[", plain jax.jit"] = jax.jit
    for suffix, compiler in compilers.items():
        step = compiler(made.step).lower(*batch, jnp.int32(0)).compile()
        loop = compiler(in_a_loop(made.step)).lower(*batch, jnp.int32(1)).compile()
        variants[f"bare{suffix}"] = (*_first(step, *batch, jnp.int32(0)), 1)
        first, _ = _first(loop, *batch, jnp.int32(1))
        variants[f"loop{suffix}"] = (first, _first(loop, *batch, jnp.int32(_STEPS))[1], _STEPS)
    if convolution == "jcnn":
        variants["epoch"] = _epoch(made)
    return variants


def _epoch(made: Training) -> tuple[list[np.ndarray], Callable[[], Any], int]:
    """The program that `fit` runs: shuffling, batches, steps and metrics.

    Its data are copies of one batch, so its first step is the bare step.
    """
    images, labels = (jnp.concatenate([x] * _STEPS) for x in (made.images, made.labels))
    examples, key, rate = len(images), jax.random.key(0), jnp.float32(1e-3)
    program = epoch_program(
        made.parts.graphdef, made.config, examples=examples, classes=made.classes
    )
    order_of = order_program(examples, shuffle=True, population=False)

    def train(carry: Carry, order: jax.Array, steps: int) -> Carry:
        window, bounds = (images, labels, order, 0), (0, 0, steps)
        state, totals = carry
        end: Carry = program(state, made.parts.streams, totals, *window, key, rate, *bounds)
        return end

    # The program donates its arguments.
    kept = [train(jax.tree.map(jnp.copy, made.carries[0]), jnp.arange(examples), 1)]
    first = answer_of(kept[0])

    def run() -> Carry:
        kept[0] = train(kept[0], order_of(key, 1), _STEPS)
        return kept[0]

    return first, run, _STEPS


def _several(made: Training) -> _Variants:
    members = len(made.carries)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made.carries)
    keys = jax.random.split(jax.random.key(0), members)
    start = jnp.int32(0)
    one = (made.carries[0], made.images, made.labels, keys[0], start)
    step = jit(made.step).lower(*one).compile()

    def in_turn(carries: Any, images: jax.Array, labels: jax.Array, keys: Any, count: Any) -> Any:
        return lax.map(
            lambda row: made.step(row[0], images, labels, row[1], count), (carries, keys)
        )

    def python_loop() -> list[Any]:
        return [
            step(carry, made.images, made.labels, key, start)
            for carry, key in zip(made.carries, keys, strict=True)
        ]

    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *python_loop())
    variants: _Variants = {"Python loop": (answer_of(alone), python_loop, members)}
    at_once = jax.vmap(made.step, in_axes=(0, None, None, 0, None))
    for variant, function in (("lax.map", in_turn), ("vmap", at_once)):
        all_of_them = (stacked, made.images, made.labels, keys, start)
        program = jit(function).lower(*all_of_them).compile()
        variants[variant] = (*_first(program, *all_of_them), members)
    return variants


def _first(program: Any, *arguments: Any) -> tuple[list[np.ndarray], Callable[[], Any]]:
    """A program's result, and the call that computes it."""
    return answer_of(program(*arguments)), lambda: program(*arguments)
