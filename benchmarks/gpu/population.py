"""A step of 1, 8 and 64 conv4 models that `fit_population` trains together, batch 64.

The seconds are those of its histories, which contain no compilation. Goal: 64 models take at most
8 times as long as one.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from flax import nnx

from benchmarks.gpu.compiling import reason_of
from benchmarks.gpu.part import Options
from jcnn.bench.record import Row
from jcnn.config import Compute, TrainConfig
from jcnn.data import Dataset
from jcnn.models import build
from jcnn.train import fit_population

BATCH, STEPS, EPOCHS = 64, 100, 4
DTYPES: tuple[Compute, ...] = ("bfloat16", "float32")
NUMBERS = (1, 8, 64)


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each number of models and dtype, with seconds per step."""
    small = options.small
    model, batch, steps = ("conv1", 4, 3) if small else ("conv4", BATCH, STEPS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (steps * batch, 28, 28, 1), np.uint8)
    labels = np.arange(steps * batch, dtype=np.int32) % 10
    dataset = Dataset(images, labels, tuple("0123456789"))
    # Copies of one model: building 64 takes longer than training them.
    first = build(model)
    for dtype in DTYPES[:1] if small else DTYPES:
        one = None
        for number in NUMBERS[:2] if small else NUMBERS:
            row = Row(f"{model}, batch {batch}", f"{number} models", group=dtype)
            configs = [
                TrainConfig(
                    epochs=EPOCHS,
                    batch_size=batch,
                    compute_dtype=dtype,
                    steps_per_call=steps,
                    seed=seed,
                )
                for seed in range(number)
            ]
            models = [nnx.clone(first) for _ in range(number)]
            try:
                start = time.perf_counter()
                (history, *_) = fit_population(models, dataset, configs, verbose=0)
                whole = time.perf_counter() - start
            except Exception as error:  # such as out of memory: the others are still timed
                yield replace(row, note=reason_of(error))
                continue
            taken = [float(seconds) for seconds in history["seconds"]]
            # The first epoch warms up.
            row = replace(row, seconds=tuple(seconds / steps for seconds in taken[1:]))
            assert row.median
            one = one or row.median
            figures = {"before, s": whole - sum(taken), "/ one": row.median / one}
            yield replace(row, figures=figures)


def findings(rows: list[Row]) -> list[str]:
    """Milliseconds per step, and the ratios to one model."""
    found = []
    for group in dict.fromkeys(row.group for row in rows):
        texts = [
            f"{row.contestant} {1e3 * row.median:.2f} ms ({row.figures['/ one']:.1f} x one)"
            for row in rows
            if row.group == group and row.median and "/ one" in row.figures
        ]
        found.append(f"{group}: {', '.join(texts)} (goal for 64: 8)")
    return found
