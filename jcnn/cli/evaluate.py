"""`jcnn evaluate`: score a trained model on test images, overall and per class."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jcnn.cli.run_options import BuiltBy, RunFolder
from jcnn.config import DeviceCount

if TYPE_CHECKING:
    from jcnn.train.scores import Scores


@dataclass(frozen=True)
class EvaluateCommand(BuiltBy):
    """Evaluate a trained model on test images: accuracy, loss, calibration and class scores."""

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    data: Annotated[
        str | None, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="(default: the run's)")
    ] = None
    """Data source whose test images are used (see jcnn data); its classes must match the run's."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's)")
    ] = None
    """Folder with the data's files, for sources that take one."""
    devices: DeviceCount = 1
    """Number of devices that share each batch, or all."""
    flips: bool = False
    """Average the predictions for each image and its mirror image."""
    json: bool = False
    """Print {"loss", "accuracy", "n", "top_k_accuracy", "ece", "classes", "confusion", ...}."""

    def run(self) -> None:
        """Load the run and the data, and print the scores."""
        from jcnn.cli.predictions import predict_test_images
        from jcnn.compile import keep_memory, use_cache
        from jcnn.runs import read_config

        use_cache()
        keep_memory()
        config = read_config(self.run_folder).with_data(self.data, self.data_dir)
        found = predict_test_images(
            self.run_folder, config, self, flips=self.flips, devices=self.devices
        )[1].scores()
        if self.json:
            print(json.dumps(found.to_json()))
        else:
            print(_line(found))
            _print_classes(found)


def _line(found: "Scores") -> str:
    top = f"top-{found.top_k} accuracy {found.top_k_accuracy:.4f}, "
    return (
        f"accuracy {found.accuracy:.4f}, {top if len(found.classes) > found.top_k else ''}"
        f"loss {found.loss:.4f}, calibration error {found.ece:.4f} ({found.n} images)"
    )


def _print_classes(found: "Scores") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from jcnn.cli.tables import print_table

    table = Table("class", box=SIMPLE_HEAD)
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.classes:
        numbers = (f"{value:.4f}" for value in (row.precision, row.recall, row.f1))
        # Rich would read a name in square brackets as markup.
        table.add_row(Text(row.name), *numbers, f"{row.support:,}")
    print_table(table)
