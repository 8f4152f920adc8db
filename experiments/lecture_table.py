"""Reproduce a lecture's table on Fashion-MNIST, with several seeds.

    python -m experiments.lecture_table --data-dir DIR --epochs 50 --seeds 8 [--models mlp conv1]
    python -m experiments.lecture_table --quick

Trains six models (see README) with the lecture's settings: Adam, batches of 64, a fifth of the
training images for validation. All seeds of a model are trained as a population. Prints a Markdown
table with the lecture's accuracies and the measured ones, and writes it with a plot to --out.

Time: on two CPU cores an epoch of one seed takes 0.25 s (mlp) to 100 s (conv4); not yet
measured on a GPU. Expected: the dense networks (0.8836 ± 0.0042 and 0.8830 ± 0.0022) within two
standard deviations of the lecture's accuracies, which are one run each; the others have not been
run for 50 epochs yet. --quick: two seeds, one epoch, small digits, half a minute.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.command_line import machine_line, markdown, parser
from jcnn.data import Dataset, load
from jcnn.models import build, zoo_summary
from jcnn.system.files import write_text
from jcnn.train import TrainConfig, evaluate, fit_population

# The lecture's test accuracy and test loss: one unseeded run of 50 epochs each.
PRINTED = {
    "mlp": (0.8774, 0.5994),
    "mlp_dropout": (0.8855, 0.3331),
    "conv1": (0.9032, 0.3445),
    "conv2": (0.9117, 0.4967),
    "conv2pool": (0.9247, 0.2698),
    "conv4": (0.9290, 0.2022),
}


@dataclass(frozen=True)
class Row:
    """Test accuracies and losses of a model's seeds, and seconds per epoch and seed."""

    name: str
    params: int
    accuracy: list[float]
    loss: list[float]
    seconds: float


def measure(name: str, train: Dataset, test: Dataset, config: TrainConfig, seeds: int) -> Row:
    """Train all seeds of one model as a population, and test each."""
    shape, classes = train.image_shape, len(train.class_names)
    configs = [replace(config, seed=config.seed + i) for i in range(seeds)]
    models = [build(name, shape, classes, seed=c.seed) for c in configs]
    histories = fit_population(models, train, configs, verbose=0)
    scores = [evaluate(model, test) for model in models]
    return Row(
        name,
        zoo_summary(name, shape, classes).params,
        [score.accuracy for score in scores],
        [score.loss for score in scores],
        float(np.median(histories[0]["seconds"])) / seeds,
    )


def table(rows: list[Row]) -> str:
    """Format the lecture's and the measured numbers in Markdown."""
    header = ["model", "parameters", "printed", "measured", "deviation", "loss printed", "loss"]
    header += ["n", "s an epoch"]
    lines = []
    for row in rows:
        accuracy, loss = PRINTED[row.name]
        spread = np.std(row.accuracy, ddof=1) if len(row.accuracy) > 1 else float("nan")
        lines.append(
            [
                f"`{row.name}`",
                f"{row.params:,}",
                f"{accuracy:.4f}",
                f"{np.mean(row.accuracy):.4f}",
                f"{spread:.4f}",
                f"{loss:.4f}",
                f"{np.mean(row.loss):.4f}",
                len(row.accuracy),
                f"{row.seconds:.2f}",
            ]
        )
    return markdown(header, lines)


def plot(rows: list[Row], file: Path) -> None:
    """Plot every seed as a dot, and the lecture's accuracy as a line."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for i, row in enumerate(rows):
        axes.plot([i] * len(row.accuracy), row.accuracy, "o", color="#1f6f8b", alpha=0.6)
        printed = PRINTED[row.name][0]
        axes.plot([i - 0.3, i + 0.3], [printed, printed], color="#c8553d", linewidth=2)
    axes.set_xticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylabel("test accuracy")
    axes.set_title("dots: one seed each; lines: the lecture")
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(file, dpi=150)


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure the selected models; print and write the table."""
    options = parser(__doc__)
    options.add_argument("--data", default="fashion_mnist", help="as jcnn train --data")
    options.add_argument("--data-dir", help="folder with the data's files")
    options.add_argument("--models", nargs="+", choices=PRINTED, default=list(PRINTED))
    options.add_argument("--epochs", type=int, default=50)
    options.add_argument("--seeds", type=int, default=8)
    options.add_argument("--out", type=Path, default=Path("runs/lecture_table"))
    chosen = options.parse_args(arguments)
    if chosen.quick:
        train, test = load("digits")
        epochs, seeds = 1, 2
    else:
        train, test = load(chosen.data, chosen.data_dir)
        epochs, seeds = chosen.epochs, chosen.seeds
    config = TrainConfig(epochs=epochs, batch_size=64, validation_split=0.2)
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in chosen.models:
        rows.append(measure(name, train, test, config, seeds))
        text = table(rows)
        # Written after each model, so that an interrupted run keeps its results.
        head = f"{epochs} epochs, {seeds} seeds, {machine_line()}"
        write_text(chosen.out / "table.md", f"{head}\n\n{text}\n")
        plot(rows, chosen.out / "table.png")
        print(text.splitlines()[-1], flush=True)
    print(f"\n{text}\n\nwritten to {chosen.out}")
    return rows


if __name__ == "__main__":
    main()
