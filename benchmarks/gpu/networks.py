"""The training step of ResNet-50 and -18 at 224 x 224, of jcnn and of plain Flax on `lax.conv`.

SGD with momentum, 1000 classes, random uint8 images on the device. Both programs of a
case are timed in turn. The first case is also profiled.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.gpu import flax_resnet, profile
from benchmarks.gpu.compiling import Failed, Program, compile_all, memory_gib
from benchmarks.gpu.part import Options
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, relative_error
from jcnn.compile import jit, run_once
from jcnn.config import Compute, TrainConfig
from jcnn.layers import eval_mode, train_mode
from jcnn.layers.model import split_model
from jcnn.models import build
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import compiled_part
from jcnn.train.step import init_state, training_step

# Of the logits of both libraries with the same weights, in float32 of full precision.
TOLERANCE = 1e-4


class Case(NamedTuple):
    """A network, its images and the dtype of its arithmetic."""

    network: str
    batch: int
    compute: Compute
    size: int = 224
    classes: int = 1000

    @property
    def name(self) -> str:
        """Network, size and batch."""
        return f"{self.network}, {self.size}, batch {self.batch}"


CASES = [
    Case("resnet50", 256, "bfloat16"),
    Case("resnet18", 256, "bfloat16"),
    Case("resnet50", 256, "float32"),
    Case("resnet50", 64, "bfloat16"),
    Case("resnet18", 64, "bfloat16"),
    Case("resnet18", 256, "float32"),
    Case("resnet50", 64, "float32"),
    Case("resnet18", 64, "float32"),
]
SMALL = [Case("resnet18", 2, "bfloat16", 32, 10)]


def measure(options: Options) -> Iterator[Row]:
    """Yield the rows of both libraries for each case, and the profile of the first."""
    cases, rounds = (SMALL, 1) if options.small else (CASES, 10)
    for case in cases:
        jobs: dict[str, Callable[[], Any]] = {
            "jcnn": partial(_compiled, jcnn_step, case),
            "Flax": partial(_compiled, flax_step, case),
        }
        if case is cases[0]:
            jobs["Flax, logits"] = partial(agreement, case)
        made = compile_all(jobs)
        calls = {
            name: program.run.call()
            for name, program in made.items()
            if isinstance(program, Program) and isinstance(program.run, Step)
        }
        taken = time_in_rounds(calls, rounds=rounds, most=30, least=0.1, queued=True)
        for name, program in made.items():
            if isinstance(program, Failed):
                yield Row(case.name, name, group=case.compute, note=program.reason)
            elif isinstance(program.run, Row):
                yield program.run
            else:
                yield timed(case, name, taken[name], program)
        if case is cases[0]:
            for name, call in calls.items():
                yield profile.row_of(case.name, name, case.compute, call, 1)


def _compiled(step: Callable[[Case], "Step"], case: Case) -> "Step":
    return step(case).compiled()


def timed(case: Case, name: str, taken: tuple[float, ...], program: Program) -> Row:
    """The row of a library, with pictures per second and memory."""
    row = Row(case.name, name, taken, case.compute)
    figures = {"compiling, s": program.seconds, "program, GiB": memory_gib(program.run.program)}
    if row.median:
        figures["pictures/s"] = case.batch / row.median
    return Row(case.name, name, taken, case.compute, figures=figures)


class Step(NamedTuple):
    """A training step, the first carry and the batch."""

    program: Any
    first: Any
    batch: tuple[Any, ...]

    def compiled(self) -> "Step":
        """The same with a compiled program."""
        return self._replace(program=self.program.lower(self.first, *self.batch).compile())

    def call(self) -> Callable[[], Any]:
        """One step, which goes on from the one before; it donates the first carry."""
        carry = [self.first]

        def run() -> Any:
            carry[0] = self.program(carry[0], *self.batch)
            return carry[0]

        return run


def jcnn_step(case: Case) -> Step:
    """The step that `fit` compiles."""
    config = TrainConfig(batch_size=case.batch, optimizer="momentum", compute_dtype=case.compute)
    config = compiled_part(config)
    parts = split_model(train_mode(jcnn_model(case)))
    made = training_step(parts.graphdef, parts.streams, config, steps=1, classes=case.classes)
    # In one program, not one for each array; and in buffers of its own, since steps donate them.
    own = jax.jit(lambda *of: jax.tree.map(jnp.copy, init_state(of[0], of[1], config)))
    carry = (own(parts.params, parts.rest), zero_totals())
    batch = (*random_batch(case), jax.random.key(0), jnp.int32(0), jnp.float32(1e-3))
    return Step(jit(made, donate_argnums=(0,)), carry, batch)


def flax_step(case: Case) -> Step:
    """The same in plain Flax."""
    step, first = flax_resnet.training(flax_model(case, case.compute))
    return Step(jax.jit(step, donate_argnums=(0,)), first, random_batch(case))


def jcnn_model(case: Case) -> nnx.Module:
    """The zoo's network."""
    return build(case.network, (case.size, case.size, 3), case.classes)


def flax_model(case: Case, dtype: str) -> flax_resnet.ResNet:
    """Flax's network, initialised by one program instead of one for each array."""
    model: flax_resnet.ResNet = nnx.merge(
        *run_once(
            lambda: nnx.split(flax_resnet.ResNet(case.network, 3, case.classes, jnp.dtype(dtype)))
        )
    )
    return model


def random_batch(case: Case) -> tuple[jax.Array, jax.Array]:
    """Images uint8 and labels on the device."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (case.batch, case.size, case.size, 3), np.uint8)
    return jnp.asarray(images), jnp.asarray(rng.integers(0, case.classes, case.batch, np.int32))


def agreement(case: Case) -> Row:
    """The difference of the logits of both libraries with the same weights, in eval mode."""
    ours = jcnn_model(case)
    theirs = flax_model(case, "float32")
    flax_resnet.copy_weights(ours, theirs)
    x = jax.random.uniform(jax.random.key(0), (2, case.size, case.size, 3))

    def logits(model: nnx.Module) -> np.ndarray:
        graphdef, state = nnx.split(model)
        run = jax.jit(lambda state, x: nnx.merge(graphdef, state)(x))
        return np.asarray(run(state, x))

    with jax.default_matmul_precision("highest"):
        error = relative_error(logits(eval_mode(theirs)), logits(eval_mode(ours)))
    return Row(case.name, "Flax, logits", group="float32", error=error, tolerance=TOLERANCE)


def findings(rows: list[Row]) -> list[str]:
    """Milliseconds, pictures per second and the ratio for each case, and the kinds of kernels."""
    found = []
    for case, group in dict.fromkeys((row.case, row.group) for row in rows):
        own = {row.contestant: row for row in rows if (row.case, row.group) == (case, group)}
        timed = {name: row for name, row in own.items() if row.median}
        texts = [
            f"{name} {1e3 * row.median:.1f} ms ({row.figures['pictures/s']:.0f}/s)"
            for name, row in timed.items()
            if row.median
        ]
        if {"jcnn", "Flax"} <= set(timed):
            ours, theirs = timed["jcnn"].median, timed["Flax"].median
            assert ours and theirs
            texts.append(f"jcnn / Flax {ours / theirs:.2f}")
        if texts:
            found.append(f"{case}, {group}: {', '.join(texts)}")
        for name, row in own.items():
            if "kernels" in row.figures:
                shares = [f"{kind} {value:.2f}" for kind, value in row.figures.items()]
                found.append(f"{case}, {group}, {name}: {', '.join(shares)}")
    return found
