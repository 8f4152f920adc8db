"""Train a small CNN to a target test accuracy as fast as possible on one accelerator.

    python -m experiments.speedrun --data fashion_mnist --runs 10 [--epochs 8] [--out runs.json]
    python -m experiments.speedrun --quick

The ingredients are those of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024
(arXiv 2404.00498): a whitening first layer, Muon, a triangular learning rate, label smoothing,
alternating flips, translations, and test-time augmentation. Images stay on the device as uint8, and
a whole training, from random parameters to the last step, is one compiled program. The time of a
run is that of this program, without its compilation. Images of three channels take the settings for
CIFAR-10 (goal 0.94), others those for Fashion-MNIST (goal 0.93).

Time: not yet measured on a GPU. On two CPU cores an epoch of Fashion-MNIST takes minutes. There,
networks of widths 16, 32 and 32 reached 0.911 to 0.914 in 3 epochs of batches of 1000 (n = 3,
settings that differ a little).
--quick: 4,000 real digits, a narrow network, one epoch, two runs, half a minute.
"""

import functools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command_line import machine_line, parser
from experiments.speedrun_parts.settings import CIFAR10, FASHION_MNIST, SMALL, Settings
from experiments.speedrun_parts.training import testing, training
from jcnn.compile import jit
from jcnn.data import Dataset, load
from jcnn.system.files import write_text


@dataclass(frozen=True)
class SpeedrunResult:
    """Seconds of training, and test accuracy with and without test-time augmentation."""

    seconds: float
    accuracy: float
    accuracy_plain: float


def warm_up(
    train: Dataset, test: Dataset, *, small: bool = False, epochs: float | None = None
) -> None:
    """Compile everything that `run_once` needs.

    Args:
        train, test: of images with one class each, at least 16x16.
        small: whether to train a narrow network for one epoch, for trials on a CPU.
        epochs: epochs of the training, may be a fraction; None means those of the settings.

    Raises:
        ValueError: the images have no classes, or `epochs` is not positive.
    """
    programs = _programs_for(train, test, small, epochs)
    if jax.default_backend() != "cpu":
        # A GPU's libraries are initialised, and its kernels loaded, when they are first used.
        programs.run(train, test, 0)


def run_once(
    train: Dataset, test: Dataset, *, seed: int, small: bool = False, epochs: float | None = None
) -> SpeedrunResult:
    """Train once and test.

    Args:
        train, test, small, epochs: as for `warm_up`.
        seed: of the parameters, the order of the images and the augmentation.

    Raises:
        ValueError: as for `warm_up`.
        FloatingPointError: the loss of a step is not finite.
    """
    return _programs_for(train, test, small, epochs).run(train, test, seed)


@dataclass(frozen=True)
class Programs:
    """The compiled programs of a training and of a test."""

    train: Any
    test: Any

    def run(self, train: Dataset, test: Dataset, seed: int) -> SpeedrunResult:
        """Train and test once, with data that is on the device before the time begins."""
        images, labels = jax.device_put(_arrays(train))
        start = jax.device_put(np.uint32(seed))
        jax.block_until_ready((images, labels, start))
        began = perf_counter()
        params, rest, losses = jax.block_until_ready(self.train(images, labels, start))
        seconds = perf_counter() - began
        if not np.isfinite(np.asarray(losses)).all():
            raise FloatingPointError(f"seed {seed}: the loss is not finite")
        correct = self.test(params, rest, *jax.device_put(_arrays(test)))
        accuracy, plain = (float(number) / len(test) for number in correct)
        return SpeedrunResult(seconds, accuracy, plain)


def _programs_for(train: Dataset, test: Dataset, small: bool, epochs: float | None) -> Programs:
    if not (train.has_classes and test.has_classes):
        raise ValueError("train, test: got labels (N, K); expected one class for each image, (N,)")
    if epochs is not None and not epochs > 0:
        raise ValueError(f"epochs: got {epochs}; expected a number > 0")
    settings = SMALL if small else CIFAR10 if train.image_shape[2] == 3 else FASHION_MNIST
    if epochs is not None:
        settings = replace(settings, epochs=epochs)
    # On a CPU, bfloat16 is slower than float32.
    dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    sizes = len(train), len(test)
    return programs(settings, sizes, train.image_shape, len(train.class_names), dtype)


@functools.cache
def programs(
    settings: Settings,
    sizes: tuple[int, int],
    image_shape: tuple[int, int, int],
    classes: int,
    dtype: str,
) -> Programs:
    """Compile the programs of a training and of a test."""

    def data(count: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        images = jax.ShapeDtypeStruct((count, *image_shape), jnp.uint8)
        return images, jax.ShapeDtypeStruct((count,), jnp.int32)

    train = training(settings, sizes[0], classes, dtype)
    arguments = *data(sizes[0]), jax.ShapeDtypeStruct((), jnp.uint32)
    params, rest, _ = jax.eval_shape(train, *arguments)
    test = testing(settings, classes, dtype)
    return Programs(
        jit(train).lower(*arguments).compile(),
        jit(test).lower(params, rest, *data(sizes[1])).compile(),
    )


def _arrays(dataset: Dataset) -> tuple[Any, Any]:
    return np.asarray(dataset.images), np.asarray(dataset.labels)


def main(arguments: list[str] | None = None) -> list[SpeedrunResult]:
    """Train several times; print each run, and the mean and deviation of all."""
    options = parser(__doc__)
    options.add_argument("--data", default="fashion_mnist", help="as jcnn train --data")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--epochs", type=float, help="may be a fraction")
    options.add_argument("--out", type=Path, help="JSON file of the results")
    chosen = options.parse_args(arguments)
    if chosen.runs < 1:
        options.error(f"--runs: got {chosen.runs}; expected at least 1")
    if chosen.epochs is not None and not chosen.epochs > 0:
        options.error(f"--epochs: got {chosen.epochs}; expected a number > 0")
    small = chosen.quick
    data = "mnist5k" if small else chosen.data
    train, test = load(data)
    warm_up(train, test, small=small, epochs=chosen.epochs)
    results = []
    for seed in range(2 if small else chosen.runs):
        result = run_once(train, test, seed=seed, small=small, epochs=chosen.epochs)
        results.append(result)
        print(
            f"seed {seed}: {result.seconds:.3f} s, test accuracy {result.accuracy:.4f} "
            f"({result.accuracy_plain:.4f} without test-time augmentation)",
            flush=True,
        )
        if chosen.out is not None:  # after each run, so that an interrupted series is kept
            rows = [asdict(result) for result in results]
            content = {"data": data, "machine": machine_line(), "runs": rows}
            write_text(chosen.out, json.dumps(content, indent=1) + "\n")
    print(f"seconds {_spread([r.seconds for r in results])}")
    print(f"test accuracy {_spread([r.accuracy for r in results])}")
    return results


def _spread(numbers: list[float]) -> str:
    deviation = np.std(numbers, ddof=1) if len(numbers) > 1 else float("nan")
    return f"{np.mean(numbers):.4f} ± {deviation:.4f} (n = {len(numbers)})"


if __name__ == "__main__":
    main()
