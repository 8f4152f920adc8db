"""Train the network of CNN Explainer on a folder of images, at its input size of 64x64 RGB.

    python -m experiments.tiny_vgg --folder DIR [--epochs 30]
    python -m experiments.tiny_vgg --quick

Tiny VGG is (conv 10, conv 10, pool) x 2 and dense, 19,920 parameters for ten classes: small
enough to look at every number. Without --folder, the script draws a folder of shapes.

Time: 6 x 300 drawn shapes, 30 epochs, a minute and a half on two CPU cores. Expected: test
accuracy about 0.8, chance being 0.17. --quick: 60 images, one epoch, a few seconds.
"""

import tempfile
from pathlib import Path

from experiments.command_line import parser
from experiments.drawings import draw_folder
from jcnn.data import load
from jcnn.models import build, count_params
from jcnn.train import TrainConfig, evaluate, fit


def main(arguments: list[str] | None = None) -> float:
    """Train, print a line for each epoch, and return the test accuracy."""
    options = parser(__doc__)
    options.add_argument(
        "--folder", type=Path, help="folder of images, with a folder for each class"
    )
    options.add_argument("--epochs", type=int, default=30)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder
        if folder is None:
            folder = Path(scratch)
            draw_folder(folder, train=10 if chosen.quick else 300, test=5 if chosen.quick else 50)
            print("no --folder given: trained on drawn shapes")
        train, test = load(f"folder:{folder}", image_shape=(64, 64, 3))
        model = build("tiny_vgg", train.image_shape, len(train.class_names))
        print(f"{count_params(model):,} parameters, {len(train)} training images")
        epochs = 1 if chosen.quick else chosen.epochs
        config = TrainConfig(
            epochs=epochs, batch_size=32, augment="flip,rotate=180,shift", learning_rate=3e-3
        )
        fit(model, train, config)
        accuracy = evaluate(model, test).accuracy
    print(f"test accuracy {accuracy:.4f} on {len(test)} images")
    return accuracy


if __name__ == "__main__":
    main()
