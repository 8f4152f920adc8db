"""`jcnn import`: make a run folder of another library's model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class ImportCommand:
    """Make a run folder of a model: .onnx, or Keras's .keras or .h5 with the whole model.

    The folder is used as any run: evaluate, predict, report, explore, draw, export. Nothing in the
    file is executed.
    """

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """The model's file; its content says what it is."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """Run folder to make; it must not exist."""
    classes: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: the file's, or 0, 1, ...)"),
    ] = ()
    """Names of the classes, in the order of the model's outputs."""
    input_shape: Annotated[
        tuple[int, int, int] | None,
        tyro.conf.arg(metavar="H W C", help_behavior_hint="(default: the file's)"),
    ] = None
    """Shape of the images, for a model that takes any size."""
    architecture: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: in the model's file)"),
    ] = None
    """What Keras's model.to_json() gives, in a file, for an .h5 file of weights alone."""
    range: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH", help_behavior_hint="(default: the file's, or 0 1)"),
    ] = None
    """What black and white pixels are for the model, such as -1 1, where the file does not say."""

    def run(self) -> None:
        """Read the file, write the folder, and print notes and its path."""
        from jcnn.system.keras_file import read_ahead

        with read_ahead(self.file):
            self._run()

    def _run(self) -> None:
        from jcnn.cli.messages import warn
        from jcnn.compile import use_cache
        from jcnn.data.preprocessing import between
        from jcnn.interop import load_model
        from jcnn.interop.imported import ASSUMED
        from jcnn.runs import save

        use_cache()
        model, meta = load_model(
            self.file, input_shape=self.input_shape, architecture=self.architecture
        )
        numbers = tuple(str(number) for number in range(meta.classes))
        names = self.classes or meta.class_names or numbers
        if len(names) != meta.classes:
            raise ValueError(
                f"--classes: got {len(names)} names; the model has {meta.classes} classes"
            )
        own = meta.preprocessing
        if self.range is not None:
            own = between(self.range[0], self.range[1], meta.input_shape)
        save(
            model,
            self.out,
            class_names=names,
            input_shape=meta.input_shape,
            preprocessing=own,
            name=self.file.name,
            optimizer=meta.optimizer,
        )
        for note in meta.notes:
            if self.range is None or note != ASSUMED:
                warn(f"note: {note}")
        print(self.out)
