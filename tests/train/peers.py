"""One of several processes that train together: a program for `test_processes.py`.

It prints a line of JSON: the history, the sum of each array of the model, and the images it read.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages
from jcnn.runs.history import History
from jcnn.train import fit, fit_population, predict
from jcnn.train.processes import join
from tests.train import small

CONFIG = TrainConfig(
    epochs=3,
    batch_size=8,
    validation_split=0.2,
    augment="flip",
    optimizer="momentum",
    learning_rate=0.05,
    devices="all",
    steps_per_call=2,
)
DATA = small.dataset(69)


def main(words: Sequence[str]) -> None:
    """Train as `words` say: WHERE RUN EPOCHS, and "resume", "streamed" or other such words."""
    where, run, epochs, *more = words
    print(join(where), file=sys.stderr, flush=True)
    if int(epochs) == 0:
        return
    read: list[int] = []
    data = DATA

    def read_one(n: int) -> Any:
        if "fail" in more and jax.process_index() == 1 and len(read) > 30:
            raise ValueError(f"image {n} cannot be read")
        read.append(n)
        return np.asarray(DATA.images)[n]

    if "streamed" in more or "fail" in more:
        images = StreamedImages(read_one, np.arange(len(DATA)), DATA.image_shape)
        data = Dataset(images, DATA.labels, DATA.class_names)

    def callback(_: nnx.Module, history: History) -> bool:
        if "wait" in more:
            print(len(history), flush=True)
        return "stop" in more and len(history) == 2

    if "population" in more:
        configs = [replace(CONFIG, epochs=int(epochs), seed=seed) for seed in range(4)]
        members = [small.model(seed) for seed in range(4)]
        histories = fit_population(members, data, configs, run=Path(run), verbose=0)
        print(json.dumps([history["val_loss"] for history in histories]), flush=True)
        return
    model = small.model()
    history = fit(
        model,
        data,
        replace(CONFIG, epochs=int(epochs)),
        run=Path(run),
        resume="resume" in more,
        callbacks=[callback],
        verbose=0,
    )
    found = predict(model, np.asarray(DATA.images), devices="all")
    told = {
        "loss": history["loss"],
        "val_loss": history["val_loss"],
        "arrays": {name: array.tolist() for name, array in small.arrays(model).items()},
        "predicted": float(np.sum(found * np.arange(1, 4))),
        "read": len(read),
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
