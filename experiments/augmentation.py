"""What augmentation is worth where pictures are few.

    python -m experiments.augmentation [--pictures 200 500 1000] [--seeds 4] [--epochs 40]

Trains `mnist_cnn` on a few real digits with and without shifts, rotations and zooms of them, the
same seeds for both, and tests on 1,000 others. No flips: a mirrored digit is none.

Time: about 20 minutes on two CPU cores. Expected: with 200 digits the errors fall by about a
third; the more digits, the less there is to gain.
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
    """Train with and without, and print both test accuracies for each number of pictures."""
    options = parser(__doc__)
    options.add_argument("--pictures", type=int, nargs="+", default=[200, 500, 1000])
    options.add_argument("--seeds", type=int, default=4)
    options.add_argument("--epochs", type=int, default=40)
    chosen = options.parse_args(arguments)
    sizes, seeds, epochs = chosen.pictures, chosen.seeds, chosen.epochs
    if chosen.quick:
        sizes, seeds, epochs = [100], 1, 1
    train, test = load("mnist5k")
    rows = []
    for pictures in sizes:
        few = train.take(slice(pictures))
        row = [str(pictures)]
        for augment in ("", AUGMENT):
            config = TrainConfig(epochs=epochs, batch_size=32, augment=augment)
            configs = [replace(config, seed=seed) for seed in range(seeds)]
            models = [build("mnist_cnn", few.image_shape, 10, seed=seed) for seed in range(seeds)]
            fit_population(models, few, configs)
            found = [evaluate(model, test).accuracy for model in models]
            row.append(f"{np.mean(found):.4f} ± {np.std(found):.4f}")
        rows.append(row)
        print(" | ".join(row), flush=True)
    print(markdown(["digits", "as they are", f"`{AUGMENT}`"], rows))
    return rows


if __name__ == "__main__":
    main()
