"""`jcnn export`: write a run's model as a file for other programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jcnn.cli.run_options import BuiltBy, RunFolder


@dataclass(frozen=True)
class ExportCommand(BuiltBy):
    """Write the trained model of a run as a file for other programs.

    FILE.keras and FILE.h5 are models for Keras, with the optimizer, and FILE.weights.h5 holds
    their weights; FILE.onnx is for onnxruntime and other tools of deployment; FILE.stablehlo is a
    program of JAX for CPU, CUDA and TPU; FILE.safetensors holds the parameters with PyTorch's
    names.
    """

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """File to write: its ending names the format; an existing file is replaced."""
    with_preprocessing: bool = False
    """Write a program that takes uint8 images of the model's size and gives probabilities."""

    def run(self) -> None:
        """Load the run, write the file, and print its name."""
        from jcnn.cli.messages import warn
        from jcnn.compile import use_cache
        from jcnn.interop import save_model
        from jcnn.runs.optimizer_file import optimizer_of

        use_cache()
        model, config = self.load(self.run_folder)
        written = save_model(
            model,
            self.file,
            input_shape=config.input_shape,
            class_names=config.class_names,
            preprocessing=config.preprocessing,
            with_preprocessing=self.with_preprocessing,
            optimizer=optimizer_of(self.run_folder, config),
        )
        for note in json.loads(written[-1].read_text(encoding="utf-8")).get("notes", ()):
            warn(f"note: {note}")
        for file in written:
            print(file)
