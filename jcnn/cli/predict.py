"""`jcnn predict`: what a run's model sees in picture files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class PredictCommand:
    """What a trained model sees in pictures of any size and colour mode."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]
    """Run folder of jcnn train."""
    images: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="IMAGE [IMAGE ...]", help_behavior_hint="(at least one)"),
    ] = ()
    """Picture files; they are brought to the size and colours of the model's input."""
    flips: bool = False
    """Take the mean over each picture and its mirror image."""
    json: bool = False
    """Print [{"file", "label", "probability", "probabilities"}]."""

    def run(self) -> None:
        """Load the run and the pictures, and print a line or an object for each."""
        if not self.images:
            raise ValueError("images: got none; name at least one picture file")
        import numpy as np

        from jcnn.cli.warn import warn
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import read_picture
        from jcnn.run import load
        from jcnn.train import predict

        use_cache()
        keep_memory()
        model, config = load(self.run_folder, on_damage=warn)
        pictures = np.stack(
            [read_picture(file, config.input_shape, config.resize) for file in self.images]
        )
        results: list[dict[str, Any]] = []
        for file, row in zip(self.images, predict(model, pictures, flips=self.flips), strict=True):
            best = int(row.argmax())
            results.append(
                {
                    "file": str(file),
                    "label": config.class_names[best],
                    "probability": float(row[best]),
                    "probabilities": dict(zip(config.class_names, row.tolist(), strict=True)),
                }
            )
        if self.json:
            print(json.dumps(results))
            return
        for result in results:
            print(f"{result['file']}: {result['label']} ({result['probability']:.1%})")
