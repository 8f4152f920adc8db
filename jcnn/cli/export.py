"""`jcnn export`: write a run's model as a file for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jcnn.cli.run_options import BuiltBy, RunFolder


@dataclass(frozen=True)
class ExportCommand(BuiltBy):
    """Write the trained model of a run as a file for other programs.

    FILE.onnx is for onnxruntime and other tools of deployment; FILE.stablehlo is a program of JAX
    for CPU, CUDA and TPU that needs no jcnn; FILE.safetensors holds the parameters with PyTorch's
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
        from jcnn.compile import use_cache
        from jcnn.interop import save_model

        use_cache()
        model, config = self.load(self.run_folder)
        written = save_model(
            model,
            self.file,
            input_shape=config.input_shape,
            class_names=config.class_names,
            preprocessing=config.preprocessing,
            with_preprocessing=self.with_preprocessing,
        )
        for file in written:
            print(file)
