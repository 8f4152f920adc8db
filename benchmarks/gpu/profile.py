"""Where a GPU spends the time of a call: seconds of each kernel, by JAX's profiler."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from benchmarks.gpu.compiling import reason_of
from jcnn.bench.record import Row

# Names of kernels, the first that fits counts. cuDNN's are named by what they compute.
KINDS = {
    "convolutions": r"cudnn|conv(?!ert)|fprop|dgrad|wgrad|implicit|xmma|winograd|nchwtonhwc|nhwcto",
    "matmuls": r"gemm|cutlass|cublas|dot|nvjet",
    "copies": r"memcpy|memset|copy|transpose",
    "reductions": r"reduce",
}


def row_of(case: str, contestant: str, group: str, call: Callable[[], Any], steps: int) -> Row:
    """A row with each kind's share of the kernels' time, and the largest kernels as its note.

    Args:
        case, contestant, group: of the row.
        call: compiled and called before.
        steps: training steps of a call, for milliseconds and kernels per step.
    """
    name = f"{contestant}, kernels"
    try:
        seconds, counts = kernels(call)
    except Exception as error:  # a profile is an extra
        return Row(case, name, group=group, note=f"no profile: {reason_of(error)}")
    if not seconds:
        return Row(case, name, group=group, note="needs an NVIDIA GPU: no kernels in the profile")
    total = sum(seconds.values())
    shares: dict[str, float] = {}
    for kernel, taken in seconds.items():
        kind = kind_of(kernel)
        shares[kind] = shares.get(kind, 0.0) + taken / total
    figures = {"kernels, ms": 1e3 * total / steps, "kernels": counts.total() / steps} | shares
    top = [
        f"{kernel[:48]} {taken / total:.0%} x{counts[kernel] / steps:.0f}"
        for kernel, taken in sorted(seconds.items(), key=lambda one: -one[1])[:10]
    ]
    return Row(case, name, group=group, figures=figures, note="; ".join(top))


def kernels(call: Callable[[], Any]) -> tuple[dict[str, float], Counter[str]]:
    """The seconds and the number of runs of each kernel on the first GPU, during one call."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(call())
        (file,) = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(file))
    seconds: dict[str, float] = {}
    counts: Counter[str] = Counter()
    lines = [line for plane in data.planes if plane.name == "/device:GPU:0" for line in plane.lines]
    # Other lines repeat the kernels, by XLA's operation or by module.
    for line in [line for line in lines if line.name.startswith("Stream")] or lines:
        for event in line.events:
            seconds[event.name] = seconds.get(event.name, 0.0) + event.duration_ns / 1e9
            counts[event.name] += 1
    return seconds, counts


def kind_of(kernel: str) -> str:
    """The kind of a kernel, by its name."""
    small = kernel.lower()
    return next((kind for kind, words in KINDS.items() if re.search(words, small)), "fusions")
