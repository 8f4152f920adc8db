"""conv4's step and epoch, with other loops, compiler options and another random generator.

The programs of a case are timed in turn, in milliseconds per step:
bare steps; the epoch as `fit` runs it, a loop with dynamic bounds; the same as a `lax.scan` of
static length; the generator rbg instead of threefry; without command buffers (CUDA graphs); and
with the loop itself captured. Then come the kernels of an epoch, and the copies in the step.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.gpu import profile
from benchmarks.gpu.compiling import Failed, Program, compile_all
from benchmarks.gpu.hlo import moves
from benchmarks.gpu.part import Options
from benchmarks.peers import jcnn_step
from benchmarks.peers.task import MODELS, Task, random_images
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row
from jcnn.compile import jit
from jcnn.config import Compute
from jcnn.data.batches import Window, step_key, take_batch
from jcnn.layers import train_mode
from jcnn.layers.model import split_model
from jcnn.models import build
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import epoch_program, order_program
from jcnn.train.step import Carry, training_step

# Captured commands: XLA's defaults, and the loop with the commands that its body needs.
CAPTURED = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE"
OPTIONS: dict[str, dict[str, str | bool]] = {
    "epoch, no command buffers": {"xla_gpu_enable_command_buffer": ""},
    "epoch, loop captured": {"xla_gpu_enable_command_buffer": CAPTURED},
    "epoch, loop captured, unrolled": {
        "xla_gpu_enable_command_buffer": CAPTURED,
        "xla_gpu_command_buffer_unroll_loops": True,
    },
}
DTYPES: tuple[Compute, ...] = ("bfloat16", "float32")


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each program and dtype, one for kernels and one for copies."""
    small = options.small
    tasks = [Task("conv1", 4, 3)] if small else [Task("conv4", 64, 750), Task("conv4", 512, 94)]
    for batch_task in tasks:
        for dtype in DTYPES[:1] if small else DTYPES:
            yield from case(replace(batch_task, compute=dtype), rounds=1 if small else 3)


def case(task: Task, *, rounds: int) -> Iterator[Row]:
    """The rows of one task, with seconds per step."""
    name, group = f"{task.model}, batch {task.batch}", task.compute
    steps, other = Steps(task), Steps(task, rng="rbg")
    made = compile_all(steps.programs() | {"epoch, rbg": other.programs()["epoch"]})
    calls = {
        one: (other if one == "epoch, rbg" else steps).call(one, program)
        for one, program in made.items()
        if isinstance(program, Program)
    }
    taken = time_in_rounds(calls, rounds=rounds, most=20, queued=True)
    for one, program in made.items():
        if isinstance(program, Failed):
            yield Row(name, one, group=group, note=program.reason)
            continue
        figures = {"compiling, s": program.seconds}
        each = tuple(seconds / task.steps for seconds in taken[one])
        yield Row(name, one, each, group, figures=figures)
    # A CUDA graph may hide its kernels from the profiler.
    epoch = made["epoch, no command buffers"]
    if isinstance(epoch, Program):
        stop = min(task.steps, 20)
        yield profile.row_of(name, "epoch", group, steps.call("epoch", epoch, stop), stop)
    bare = made["steps, one by one"]
    if isinstance(bare, Program):
        yield copies(name, group, bare.run.as_text())


class Steps:
    """The programs of a task, and their arguments on the device.

    Args:
        task: the training.
        rng: generator of the keys.
    """

    def __init__(self, task: Task, rng: str = "threefry2x32") -> None:
        self.task, self.rng = task, rng
        self.shape = MODELS[task.model]
        with jax.default_prng_impl(rng):
            model = build(task.model)
            self.parts = split_model(train_mode(model))
            self.bare, self.first, self.batch = jcnn_step.program_and_arguments(model, task)
        self.config = jcnn_step.settings(task)
        self.examples = task.steps * task.batch
        images, labels = map(jnp.asarray, random_images(self.shape, self.examples))
        order = order_program(self.examples, shuffle=True, population=False)
        self.window = (images, labels, order(jax.random.key(0), 1), 0)

    def programs(self) -> dict[str, Callable[[], Any]]:
        """Functions that compile the programs, by name."""
        whole = epoch_program(
            *(self.parts.graphdef, self.config),
            examples=self.examples,
            classes=self.shape.classes,
        )
        scan = jit(self.scan, donate_argnums=(0, 2))

        def epoch(program: Any = whole, options: Any = None) -> Callable[[], Any]:
            def compiled() -> Any:
                with jax.default_prng_impl(self.rng):
                    return program.lower(*self.arguments()).compile(compiler_options=options)

            return compiled

        return {
            "epoch": epoch(),
            "epoch, static scan": epoch(scan),
            "steps, one by one": lambda: self.bare.lower(self.first, *self.batch).compile(),
            **{name: epoch(options=options) for name, options in OPTIONS.items()},
        }

    def scan(self, state: Any, streams: Any, totals: Any, *rest: Any) -> Carry:
        """An epoch as a `lax.scan` over all steps, with the arguments of the epoch program."""
        images, labels, order, first, key, learning_rate, done, _start, _stop = rest
        step = training_step(
            *(self.parts.graphdef, streams, self.config),
            steps=self.task.steps,
            classes=self.shape.classes,
        )
        window, size = Window(images, labels, order, first), self.task.batch

        def body(carry: Carry, i: jax.Array) -> tuple[Carry, None]:
            batch = take_batch(window, i, size, batch_size=size)
            key_of_step = jax.random.fold_in(key, i)
            return step(carry, *batch, key_of_step, done + i, learning_rate), None

        carry: Carry = lax.scan(body, (state, totals), jnp.arange(self.task.steps))[0]
        return carry

    def arguments(self, stop: int | None = None) -> tuple[Any, ...]:
        """New arguments of the epoch program, for all steps or those before `stop`."""
        key = step_key(jax.random.key(0, impl=self.rng), 1)
        bounds = (0, 0, self.task.steps if stop is None else stop)
        state = jcnn_step.begin(self.parts, self.task)
        rate = jnp.float32(1e-3)
        return state, self.parts.streams, zero_totals(), *self.window, key, rate, *bounds

    def call(self, name: str, program: Program, stop: int | None = None) -> Callable[[], Any]:
        """An epoch's steps by one of the programs, which go on from where they ended."""
        if name == "steps, one by one":
            carry = [jax.tree.map(jnp.copy, self.first)]

            def one_by_one() -> Any:
                for _ in range(self.task.steps):
                    carry[0] = program.run(carry[0], *self.batch)
                return carry[0]

            return one_by_one
        state, streams, _, *rest = self.arguments(stop)
        states = [state]

        def epoch() -> Any:
            states[0], totals = program.run(states[0], streams, zero_totals(), *rest)
            # Not the state: the next call donates its buffers.
            return totals

        return epoch


def findings(rows: list[Row]) -> list[str]:
    """Milliseconds per step of each program, a line for each case, and the convolutions' share."""
    found = []
    for case, group in dict.fromkeys((row.case, row.group) for row in rows):
        own = [row for row in rows if (row.case, row.group) == (case, group)]
        times = [
            f"{row.contestant.removeprefix('epoch, ')} {1e3 * row.median:.3f}"
            for row in own
            if row.median
        ]
        shares = [
            f"convolutions {row.figures.get('convolutions', 0):.0%} of the kernels' time"
            for row in own
            if "kernels" in row.figures
        ]
        found.append(f"{case}, {group}, ms a step: {'; '.join([*times, *shares])}")
    return found


def copies(case: str, group: str, hlo: str) -> Row:
    """The number of copies and transposes of more than 1 KiB in the compiled step."""
    found = moved(hlo)
    names = [f"{count} x {what}" for what, count in found.most_common(8)]
    figures = {"copies": float(found.total())}
    return Row(case, "copies in the step", group=group, figures=figures, note="; ".join(names))


def moved(hlo: str) -> Counter[str]:
    """Count the copies and transposes of more than 1 KiB in a compiled program.

    Args:
        hlo: text of `compiled.as_text()`, including the bodies of fusions.

    Returns:
        Number of each, such as "transpose f32[64,28,28,32]".
    """
    return Counter(one.text for one in moves(hlo) if one.size > 1024)
