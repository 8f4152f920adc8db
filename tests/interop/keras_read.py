"""Runs jcnn's files in the real Keras, without jcnn: `python keras_read.py FOLDER`.

For each FILE it reads FILE.npz: images `x`, and `labels` and `steps` if the model is to be
trained. It writes FILE.out.npz: the predictions `y`, then the arrays of the model after the step.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

h5py: Any = importlib.import_module("h5py")  # it has no types


def restore_optimizer(model: Any, file: Path) -> bool:
    """Give the model the optimizer of an `.h5` file; whether the file has Keras's names.

    Keras 3.15 restores the count of updates and the learning rate alone, of its own files, too:
    it builds the optimizer for no variables, and the model cannot be trained.
    """
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    model.compile(optimizer, model.loss)
    optimizer.build(model.trainable_variables)
    with h5py.File(file) as opened:
        group = opened["optimizer_weights"]
        names = [str(name, "utf-8") for name in group.attrs["weight_names"]]
        values = [group[name][()] for name in names]
    assert [one.shape for one in optimizer.variables] == [value.shape for value in values]
    optimizer.set_weights(values)
    paths = [one.path for one in optimizer.variables]
    return names == [path if "/" in path else "variable" for path in paths]


def main(folder: Path) -> None:
    """Run every `.keras` and `.h5` file of a folder."""
    for file in sorted([*folder.glob("*.keras"), *folder.glob("*.h5")]):
        given = np.load(f"{file}.npz")
        if file.name.endswith(".weights.h5"):
            model: Any = keras.saving.load_model(str(file).replace(".weights.h5", ".keras"))
            for weight in model.weights:
                weight.assign(np.zeros(weight.shape))
            model.load_weights(file)
        else:
            model = keras.saving.load_model(file)
        made: dict[str, Any] = {"y": np.asarray(model(given["x"], training=False))}
        about: dict[str, Any] = {
            "class": type(model).__name__,
            "layers": [[type(one).__name__, one.name] for one in model.layers],
            "output_shape": model.output_shape,
        }
        if "labels" in given:
            about |= {
                "iterations": int(model.optimizer.iterations),
                "learning_rate": float(model.optimizer.learning_rate),
                "optimizer": type(model.optimizer).__name__,
            }
            if file.suffix == ".h5":
                about["names"] = restore_optimizer(model, file)
            for _ in range(int(given["steps"])):
                model.train_on_batch(given["x"], given["labels"])
            made |= {weight.path: np.asarray(weight) for weight in model.weights}
        np.savez(f"{file}.out.npz", about=json.dumps(about), **made)
    assert not any(name.split(".")[0] == "jcnn" for name in sys.modules)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
