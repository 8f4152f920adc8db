"""conv4's step and epoch, with other compiler options and another random generator.

Times per step, in both dtypes: bare steps; the epoch as `fit` runs it; with the generator rbg
instead of threefry; without command buffers (CUDA graphs); and with the loop itself captured.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.peers.measure import Failed, guarded
from benchmarks.peers.task import Task
from jcnn.bench.processes import Setup, time_in_turn
from jcnn.bench.record import Row
from jcnn.config import Compute

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
DTYPES: tuple[Compute, ...] = ("float32", "bfloat16")


def measure(*, small: bool) -> Iterator[Row]:
    """Yield a row for each variant and dtype, and one for copies (`small`: only bfloat16)."""
    tasks = [Task("conv1", 4, 3)] if small else [Task("conv4", 64, 750), Task("conv4", 512, 94)]
    for batch_task in tasks:
        for dtype in DTYPES[small:]:
            task = replace(batch_task, compute=dtype)
            yield from variants(task, rounds=1 if small else 3, runs=1 if small else 3)
            yield copies(task)


def variants(task: Task, *, rounds: int, runs: int) -> list[Row]:
    """A row for each variant, with seconds per step."""
    contestants: dict[str, Setup] = {
        "steps, one by one": partial(steps, task),
        "epoch": partial(epoch, task),
        "epoch, rbg": partial(epoch, task, rng="rbg"),
        **{name: partial(epoch, task, options=options) for name, options in OPTIONS.items()},
    }
    guards: dict[str, Setup] = {name: partial(guarded, one) for name, one in contestants.items()}
    rows = []
    for name, timing in time_in_turn(guards, rounds=rounds, runs=runs).items():
        case, group = f"{task.model}, batch {task.batch}", task.compute
        if isinstance(timing.answer, Failed):
            rows.append(Row(case, name, group=group, note=timing.answer.reason))
            continue
        taken = tuple(s / task.steps for s in timing.seconds)
        rows.append(Row(case, name, taken, group))
    return rows


def steps(task: Task) -> tuple[Callable[[], None], Any]:
    """An epoch's number of bare steps."""
    from benchmarks.peers import jcnn_step

    one, answer = jcnn_step.step(task)

    def run() -> None:
        for _ in range(task.steps):
            one()

    return run, answer


def epoch(
    task: Task,
    *,
    options: dict[str, str | bool] | None = None,
    rng: str = "threefry2x32",
) -> tuple[Callable[[], None], Any]:
    """The epoch program with other compiler options or another generator."""
    import jax

    from benchmarks.peers import jcnn_step

    jax.config.update("jax_default_prng_impl", rng)
    return jcnn_step.epoch(task, options=options)


def copies(task: Task) -> Row:
    """The number of copies and transposes of more than 1 KiB in the compiled step."""
    from benchmarks.peers import jcnn_step

    found = moved(jcnn_step.compiled_step(task))
    names = [f"{count} x {what}" for what, count in found.most_common(8)]
    return Row(
        f"{task.model}, batch {task.batch}",
        "copies in the step",
        group=task.compute,
        figures={"copies": float(found.total())},
        note="; ".join(names),
    )


_SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4}
_MOVE = re.compile(r"= (\w+)\[([\d,]*)\]\S* (copy|transpose)\(")


def moved(hlo: str) -> Counter[str]:
    """Count the copies and transposes of more than 1 KiB in a compiled program.

    Args:
        hlo: text of `compiled.as_text()`, including the bodies of fusions.

    Returns:
        Number of each, such as "transpose f32[64,28,28,32]".
    """
    found: Counter[str] = Counter()
    for dtype, dims, kind in _MOVE.findall(hlo):
        size = _SIZES.get(dtype, 4)
        for dim in filter(None, dims.split(",")):
            size *= int(dim)
        if size > 1024:
            found[f"{kind} {dtype}[{dims}]"] += 1
    return found
