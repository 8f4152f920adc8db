"""The training step of torchvision's ResNets in PyTorch, eager and compiled.

In its usual fast form: channels_last, autocast for bfloat16, TF32 for float32 as in JAX, cuDNN's
autotuning, SGD with momentum. In a process of its own, since both libraries take memory.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from typing import Any

from benchmarks.gpu.compiling import reason_of
from benchmarks.gpu.networks import CASES, SMALL, Case
from benchmarks.gpu.part import Options
from benchmarks.peers.task import on_gpu
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row

DEVICE = "cuda" if on_gpu() else "cpu"
NEEDS = ("torch", "torchvision")


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each case, eager and compiled; the first failure of one is its note."""
    absent = [name for name in NEEDS if find_spec(name) is None]
    cases = SMALL if options.small else CASES
    # Eager is quick to start; compiling takes about a minute for each shape.
    order = [(case, False) for case in cases[:2]] + [(case, True) for case in cases[:1]]
    order += [pair for pair in product(cases, (False, True)) if pair not in order]
    for case, compiled in order:
        name = "PyTorch, compiled" if compiled else "PyTorch, eager"
        row = Row(case.name, name, group=case.compute)
        if absent:
            yield replace(row, note=f"not installed: {', '.join(absent)}")
            continue
        try:
            yield timed(case, row, compiled=compiled, rounds=1 if options.small else 10)
        except Exception as error:  # the others are still measured
            yield replace(row, note=reason_of(error))


def timed(case: Case, row: Row, *, compiled: bool, rounds: int) -> Row:
    """The row with its times, pictures per second and peak memory."""
    import torch

    many = 1 if rounds == 1 else 5
    step = training(case, compiled=compiled)
    start = time.perf_counter()
    step(many)
    first = time.perf_counter() - start
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = time_in_rounds({"step": lambda: step(many)}, rounds=rounds, most=60)["step"]
    row = replace(row, seconds=tuple(seconds / many for seconds in taken))
    figures = {"first call, s": first}
    if DEVICE == "cuda":
        figures["peak, GiB"] = torch.cuda.max_memory_allocated() / 1024**3
    if row.median:
        figures["pictures/s"] = case.batch / row.median
    return replace(row, figures=figures)


def training(case: Case, *, compiled: bool) -> Callable[[int], None]:
    """A function that trains so many steps on one batch, and waits for the device."""
    import torch
    import torchvision

    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32
    model = getattr(torchvision.models, case.network)(num_classes=case.classes)
    model = model.to(DEVICE, memory_format=torch.channels_last).train()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    shape = (case.batch, 3, case.size, case.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, case.classes, (case.batch,), device=DEVICE)
    half = case.compute == "bfloat16"

    def loss_of(images: Any, labels: Any) -> Any:
        with torch.autocast(DEVICE, torch.bfloat16) if half else nullcontext():
            return torch.nn.functional.cross_entropy(model(images.float() / 255), labels)

    torch.compiler.reset()  # otherwise another shape is compiled as a dynamic one
    loss = torch.compile(loss_of) if compiled else loss_of

    def steps(count: int) -> None:
        for _ in range(count):
            sgd.zero_grad()
            loss(images, labels).backward()
            sgd.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return steps


def findings(rows: list[Row]) -> list[str]:
    """Milliseconds and pictures per second of each case."""
    found = [
        f"{row.case}, {row.group}: {row.contestant} {1e3 * row.median:.1f} ms "
        f"({row.figures['pictures/s']:.0f}/s)"
        for row in rows
        if row.median
    ]
    return found or sorted({row.note for row in rows})
