"""Run all GPU benchmarks; each part writes its result as soon as it is done.

    python -m benchmarks.gpu --data-dir DIR
    python -m benchmarks.gpu --parts rate step
    python -m benchmarks.gpu --small --out /tmp/small    # every part, tiny, on a CPU

Run `pip install -e '.[cuda,peers]'` first. DIR contains Fashion-MNIST's four IDX files; without it,
the part run uses random images. Each part is a separate process, so that it frees its memory and
its failure does not stop the others.

methods      correctness of every convolution method: values and gradients, float32 and bfloat16
algorithms   speed of every convolution method
rate         a 3x3 convolution of 256 channels relative to this device's matmul (goal: 60 %)
step         conv4's step and epoch; copies in the program, command buffers, random generator
peers        steps and epochs compared with Flax, Keras and PyTorch
run          lecture D's 50 epochs of conv4 (goal: under 6 s, ten times faster than PyTorch eager)
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.gpu import methods, rate, run, step
from benchmarks.peers.contestants import of_epoch, of_step
from benchmarks.peers.measure import measure
from benchmarks.peers.task import MODELS, Task
from benchmarks.save import exit_if_wrong, save_and_print
from jcnn.bench.algorithms import rows as algorithm_rows
from jcnn.bench.cases import CASES, Case
from jcnn.bench.record import Result, Row, new_result, write_json
from jcnn.config import Compute
from jcnn.system.machine import describe_machine

PARTS = {
    "methods": "Which convolution methods are right on this device?",
    "algorithms": "How fast is each convolution method on this device?",
    "rate": "What part of the matmul's rate does a 3x3 convolution of 256 channels reach?",
    "step": "What do a step and an epoch of conv4 cost, and what do XLA's options change?",
    "peers": "How long are a step and an epoch of training, against other libraries?",
    "run": "How long do 50 epochs of conv4 take, against other libraries?",
}
PACKAGES = ("jax", "jaxlib", "flax", "torch", "keras", "tensorflow")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the selected parts, each in a separate process."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--models", nargs="+", choices=MODELS, help="models of the part peers")
    parser.add_argument("--data-dir", type=Path, help="folder of Fashion-MNIST's IDX files")
    parser.add_argument("--small", action="store_true", help="run tiny sizes, as a test on a CPU")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu"))
    chosen = parser.parse_args(arguments)
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Contestants share the device's memory, so none may preallocate all of it.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    if len(chosen.parts) == 1:
        one(chosen.parts[0], chosen, words)
        return
    failed = []
    for part in chosen.parts:
        command = [sys.executable, "-m", "benchmarks.gpu", *words, "--parts", part]
        if subprocess.run(command, check=False).returncode:
            failed.append(part)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def one(part: str, chosen: argparse.Namespace, words: Sequence[str]) -> None:
    """Measure one part; its JSON is written after every row, since a run may be interrupted.

    Args:
        part: name in `PARTS`.
        chosen, words: the parsed and the original command line.
    """
    small, data_dir = chosen.small, chosen.data_dir
    measured: dict[str, Callable[[], Iterator[Row]]] = {
        "methods": partial(methods.measure, small=small),
        "algorithms": partial(algorithms, small=small),
        "rate": partial(rate.measure, small=small),
        "step": partial(step.measure, small=small),
        "peers": partial(peers, chosen.models, small=small),
        "run": partial(run.measure, data_dir=data_dir, small=small),
    }
    findings = {"rate": rate.findings, "run": run.findings}
    command = f"python -m benchmarks.gpu {' '.join(words)}".strip()
    device = describe_machine()["device"]
    rows: list[Row] = []

    def result() -> Result:
        return new_result(
            part,
            PARTS[part],
            rows,
            command=command,
            findings=findings[part](rows) if part in findings else [],
            packages=PACKAGES,
            device=device,
        )

    chosen.out.mkdir(parents=True, exist_ok=True)
    for row in measured[part]():
        rows.append(row)
        write_json(result(), chosen.out / f"{part}.json")
    save_and_print(result(), chosen.out)
    exit_if_wrong([result()])


def algorithms(*, small: bool) -> Iterator[Row]:
    """Every method by shape, direction and dtype, as in `jcnn bench`, one case at a time."""
    cases = {"tiny": Case((2, 8, 6, 4), (3, 3, 4, 8))} if small else CASES
    rounds, size = (1, 128) if small else (7, 8192)
    for dtype, (name, case) in product(("bfloat16", "float32"), cases.items()):
        found = algorithm_rows({name: case}, {dtype: None}, rounds=rounds, matmul_size=size)
        first = name == next(iter(cases))
        yield from (row for row in found if first or row.contestant != "matmul")


def peers(models: Sequence[str] | None, *, small: bool) -> Iterator[Row]:
    """Steps and epochs in both dtypes, or only bfloat16 if `small`."""
    computes: tuple[Compute, ...] = ("float32", "bfloat16")
    for model in models or (("conv1",) if small else ("conv4", "conv2pool", "conv1", "creatures")):
        for batch, compute in product((4,) if small else (64, 512), computes[small:]):
            task = Task(model, batch, 2 if small else 64, compute)
            once = partial(measure, task=task, rounds=1, runs=2 if small else 10)
            for what, contestants, steps in (
                ("step", of_step(task), 1),
                ("epoch, per step", of_epoch(task), task.steps),
            ):
                for row in once(contestants, steps=steps):
                    yield replace(row, group=f"{what}, {row.group}")


if __name__ == "__main__":
    main()
