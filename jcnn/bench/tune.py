"""Measure the fastest lowering of each convolution on this machine, for method "auto".

All lowerings that support a convolution are timed in alternating rounds, with the compiler options
of `jcnn.compile`. A lowering other than "lax" is chosen only if both its median and its fastest run
are at least a tenth lower: a smaller difference may be noise.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jcnn.bench.processes import machine
from jcnn.bench.tune_cases import default_cases
from jcnn.compile import jit
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.explain import Computed, directions
from jcnn.ops.conv.table.file import text, tuned_file
from jcnn.ops.conv.table.lookup import Conv, Measured
from jcnn.system.caches import PRIVATE, make_private
from jcnn.system.files import write_text

# A lowering must be this much faster than "lax" to be chosen.
GAIN = 0.9
# Used only by name: they round more, and on a CPU "native" is the faster Winograd.
_BY_NAME = ("winograd2", "winograd4")
# A lowering this many times slower than the fastest is not run again.
_HOPELESS = 3.0
# Largest difference of two lowerings, relative to the largest number of the result.
_AGREE = {"float64": 1e-10, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
# Accelerators multiply float32 with ten bits of mantissa by default (TF32), or with eight.
_AGREE_ON_ACCELERATORS = _AGREE | {"float32": 2e-2}
# Calls of a timed run on an accelerator, which then does not wait for Python between them.
_CALLS = 10


def tune(
    cases: dict[str, Conv] | None = None,
    out: Path | None = None,
    *,
    rounds: int = 11,
    progress: Callable[[str], None] = print,
) -> Path:
    """Measure the lowerings of each convolution and of its gradients, and write the table.

    Args:
        cases: forward convolutions by name; None is `default_cases()`.
        out: file to write; None is the user's table, which method "auto" reads first. A running
            process does not reload the table.
        rounds: number of timed runs of each lowering.
        progress: called with one line for each direction of each case.

    Returns:
        Path of the table.

    Raises:
        RuntimeError: two lowerings of one convolution disagree.
    """
    mode = 0o666
    if out is None:
        out, mode = tuned_file(), PRIVATE
        make_private(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines: dict[Conv, Measured] = {}
    for name, forward in (default_cases() if cases is None else cases).items():
        for direction, one in directions(forward).items():
            if one.conv in lines or (direction == "by input" and forward.x[3] <= 3):
                continue  # training does not need the gradient of the images
            line = _measure(f"{name}, {direction}", forward, direction, rounds)
            lines[one.conv] = line
            times = ", ".join(
                f"{lowering} {ms:.3g} ms" for lowering, ms in line.milliseconds.items()
            )
            progress(f"{line.name}: {line.lowering} ({times})")
            write_text(out, text(machine("jax", "jaxlib"), lines.values()), mode=mode)
    return out


def _measure(name: str, forward: Conv, direction: str, rounds: int) -> Measured:
    conv = directions(forward)[direction].conv
    able = [
        lowering
        for lowering, how in LOWERINGS.items()
        if lowering not in _BY_NAME and how.unsupported(conv) is None
    ]
    runs = {lowering: _prepared(directions(forward, lowering)[direction]) for lowering in able}
    wanted = runs["lax"]()
    for lowering, run in runs.items():
        _check(f"{name}: {lowering}", run(), wanted, conv.platform)
    seconds: dict[str, list[float]] = {lowering: [] for lowering in able}
    for number in range(rounds):
        order = able if number % 2 == 0 else able[::-1]
        medians = {
            lowering: statistics.median(taken) for lowering, taken in seconds.items() if taken
        }
        for lowering in order:
            hopeless = len(medians) == len(able) and number > 1
            if hopeless and medians[lowering] > _HOPELESS * min(medians.values()):
                continue
            seconds[lowering].append(_seconds(runs[lowering], conv.platform))
    medians = {lowering: 1e3 * statistics.median(taken) for lowering, taken in seconds.items()}
    rounded = {lowering: float(f"{ms:.4g}") for lowering, ms in medians.items()}
    return Measured(conv, pick(seconds), rounded, name)


def _seconds(run: Callable[[], Any], platform: str) -> float:
    """Seconds of a call; on an accelerator the mean of several, queued at once."""
    calls = 1 if platform == "cpu" else _CALLS
    start = time.perf_counter()
    jax.block_until_ready([run() for _ in range(calls)])
    return (time.perf_counter() - start) / calls


def pick(seconds: dict[str, list[float]]) -> str:
    """Choose a lowering, given the seconds of each lowering's runs."""
    medians = {lowering: statistics.median(taken) for lowering, taken in seconds.items()}
    best = min(medians, key=medians.__getitem__)
    gains = medians[best] <= GAIN * medians["lax"]
    return best if gains and min(seconds[best]) <= GAIN * min(seconds["lax"]) else "lax"


def _prepared(direction: Computed) -> Callable[[], Any]:
    """A call of the compiled direction with random arrays."""
    rng = np.random.default_rng(0)
    arrays = [
        jax.numpy.asarray(rng.standard_normal(shape), direction.conv.dtype)
        for shape in direction.shapes
    ]
    program = jit(direction.function).lower(*arrays).compile()
    return lambda: program(*arrays)


def _check(name: str, got: jax.Array, wanted: jax.Array, platform: str) -> None:
    agree = _AGREE if platform == "cpu" else _AGREE_ON_ACCELERATORS
    one, other = (np.asarray(array).astype(np.float64) for array in (got, wanted))
    difference = np.abs(one - other).max() / np.abs(other).max()
    if not difference <= agree[str(wanted.dtype)]:
        raise RuntimeError(f"{name} differs from lax by {difference:.1e}")
