"""How much does augmentation help when there are few training images?

    python -m experiments.augmentation [--images 200 500 1000] [--seeds 4] [--epochs 40]

Trains `mnist_cnn` on a few real digits with and without shifts, rotations and zooms, with the same
seeds, and tests on 1,000 others. There are no flips, since most mirrored digits are not digits.

Time: about 20 minutes on two CPU cores. Expected: with 200 digits the error falls by about a
third; with more digits, the gain is smaller.
--quick: 100 digits, one seed, one epoch.
"""

from dataclasses import replace

import numpy as np

from experiments.command_line import markdown, parser
from jcnn.data import load
from jcnn.models import build
from jcnn.train import TrainConfig, evaluate, fit_population

AUGMENT = "shift=0.1,rotate=10,zoom=0.1"


def main(arguments: list[str] | None = None) -> list[list[str]]:
    """Train with and without augmentation; print both test accuracies for each size."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, nargs="+", default=[200, 500, 1000])
    options.add_argument("--seeds", type=int, default=4)
    options.add_argument("--epochs", type=int, default=40)
    chosen = options.parse_args(arguments)
    sizes, seeds, epochs = chosen.images, chosen.seeds, chosen.epochs
    if chosen.quick:
        sizes, seeds, epochs = [100], 1, 1
    train, test = load("mnist5k")
    rows = []
    for images in sizes:
        few = train.take(slice(images))
        row = [str(images)]
        for augment in ("", AUGMENT):
            config = TrainConfig(epochs=epochs, batch_size=32, augment=augment)
            configs = [replace(config, seed=seed) for seed in range(seeds)]
            models = [build("mnist_cnn", few.image_shape, 10, seed=seed) for seed in range(seeds)]
            fit_population(models, few, configs, verbose=0)
            found = [evaluate(model, test).accuracy for model in models]
            row.append(f"{np.mean(found):.4f} ± {np.std(found):.4f}")
        rows.append(row)
        print(" | ".join(row), flush=True)
    print(markdown(["digits", "no augmentation", f"`{AUGMENT}`"], rows))
    return rows


if __name__ == "__main__":
    main()
