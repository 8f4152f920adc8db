"""How long are a training step and an epoch, compared with other libraries?

    python -m benchmarks.peers
    python -m benchmarks.peers --what step --models conv4 --batch 64 --rounds 8

`pip install -e '.[peers]'` installs the other libraries. Every contestant trains the same model on
the same images (uint8 in memory, divided by 255 inside the step): forward, backward, Adam, dropout,
mean loss and accuracy, float32. Each runs in a separate process, in alternation; before timing, its
loss and gradients (without dropout) must agree with jcnn's to 1e-4.

A step uses a prepared batch. An epoch shuffles, and is written as in the library's documentation;
its time is given per step. A table, a plot and JSON for each are written to `benchmarks/results/`.
By default the slowest cases are omitted; with --models or --batch, all selected cases run.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.contestants import of_epoch, of_step
from benchmarks.peers.measure import measure
from benchmarks.peers.task import MODELS, Task
from benchmarks.save import exit_if_wrong, save_and_print
from jcnn.bench.record import Row, new_result

WHAT = ("step", "epoch")
BATCHES = (64, 512)
PACKAGES = ("jax", "jaxlib", "flax", "torch", "keras", "tensorflow")
QUESTIONS = {
    "step": "How long is a training step, against other libraries?",
    "epoch": "How long is an epoch, per step, against other libraries?",
}


class Plan(NamedTuple):
    """The number of turns, of runs per turn, and of steps in an epoch."""

    rounds: int
    runs: int
    steps: int = 1
    default: bool = True


STEPS = {
    ("conv1", 64): Plan(8, 20),
    ("conv1", 512): Plan(4, 6),
    ("conv2pool", 64): Plan(5, 6),
    ("conv2pool", 512): Plan(2, 2),
    ("conv4", 64): Plan(8, 6),
    ("conv4", 512): Plan(2, 2),
    ("creatures", 64): Plan(2, 2),
    ("creatures", 512): Plan(1, 3, default=False),
}
EPOCHS = {
    ("conv1", 64): Plan(2, 3, 96),
    ("conv1", 512): Plan(2, 2, 16, default=False),
    ("conv2pool", 64): Plan(1, 3, 32),
    ("conv2pool", 512): Plan(1, 3, 8, default=False),
    ("conv4", 64): Plan(1, 3, 32),
    ("conv4", 512): Plan(1, 3, 8, default=False),
    ("creatures", 64): Plan(1, 3, 4, default=False),
    ("creatures", 512): Plan(1, 3, 2, default=False),
}

# Goals: largest ratio of jcnn's time to that of the best peer whose name has this prefix.
GOALS = {
    ("conv4", "batch 64"): {
        "PyTorch": 0.85,
        "Keras, TensorFlow": 0.8,
        "Keras, JAX": 0.35,
        "Flax NNX": 0.5,
    },
    ("conv1", "batch 64"): {"": 1.0},
    ("conv1", "batch 512"): {"": 1.0},
    ("conv2pool", "batch 64"): {"": 1.0},
    ("conv2pool", "batch 512"): {"": 1.0},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the selected cases; print and save the tables."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--models", nargs="+", choices=MODELS)
    parser.add_argument("--batch", nargs="+", type=int, choices=BATCHES)
    parser.add_argument("--rounds", type=int, help="number of turns of each contestant")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args(arguments)
    results = []
    for what in chosen.what:
        rows = []
        for (model, batch), plan in (STEPS if what == "step" else EPOCHS).items():
            named = model in (chosen.models or MODELS) and batch in (chosen.batch or BATCHES)
            if named and (plan.default or chosen.models or chosen.batch):
                rows += measure_case(what, Task(model, batch, plan.steps), plan, chosen.rounds)
        words = " ".join(sys.argv[1:] if arguments is None else arguments)
        result = new_result(
            f"peers_{what}",
            QUESTIONS[what],
            rows,
            command=f"python -m benchmarks.peers {words}".strip(),
            findings=findings(rows) if what == "step" else [],
            packages=PACKAGES,
        )
        save_and_print(result, chosen.out)
        results.append(result)
    exit_if_wrong(results)


def measure_case(what: str, task: Task, plan: Plan, rounds: int | None) -> list[Row]:
    """Measure the rows of one case."""
    single = what == "step"
    return measure(
        of_step(task) if single else of_epoch(task),
        task,
        steps=1 if single else task.steps,
        rounds=rounds or plan.rounds,
        runs=plan.runs,
    )


def findings(rows: Sequence[Row]) -> list[str]:
    """The measured ratios next to the goals."""
    found = []
    for case, goals in GOALS.items():
        for peer, goal in goals.items():
            ratios = [
                row.figures["jcnn / it"]
                for row in rows
                if (row.case, row.group) == case
                and row.contestant.startswith(peer)
                and not row.contestant.startswith("jcnn")
                and "jcnn / it" in row.figures
            ]
            if ratios:
                text = f"{case[0]}, {case[1]}: jcnn / the best of {peer or 'all'}"
                found.append(f"{text}: {max(ratios):.2f} (goal: at most {goal})")
    return found


if __name__ == "__main__":
    main()
