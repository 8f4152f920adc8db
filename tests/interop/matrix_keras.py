"""Loads files in the real Keras and saves them again: `python matrix_keras.py FOLDER`.

For each model NAME it reads the images NAME.npy, writes the predictions for each of its files,
FILE.y.npy, and saves it as Keras does: again/NAME.keras and again/NAME.h5.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np


def main(folder: Path) -> None:
    """Run every whole model of a folder."""
    (folder / "again").mkdir()
    for file in sorted([*folder.glob("*.keras"), *folder.glob("*.h5")]):
        alone = file.name.endswith(".weights.h5")
        whole = Path(str(file).replace(".weights.h5", ".keras"))
        model: Any = keras.saving.load_model(whole)
        if alone:
            for weight in model.weights:
                weight.assign(np.zeros(weight.shape))
            model.load_weights(file)
        images = np.load(folder / f"{file.name.split('.')[0]}.npy")
        np.save(f"{file}.y.npy", np.asarray(model(images, training=False)))
        if file.suffix == ".keras":
            model.save(folder / "again" / file.name)
            model.save(folder / "again" / f"{file.stem}.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
