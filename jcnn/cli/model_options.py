"""The arguments of commands that take a model without its training, or a run folder."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jcnn.cli.run_options import BuiltBy

if TYPE_CHECKING:
    from jcnn.models import Summary


@dataclass(frozen=True)
class ModelOptions(BuiltBy):
    """The model's name, input shape and number of classes, or a run folder that has all three."""

    subject: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(name="subject", metavar="MODEL|RUN")
    ]
    """Model of the zoo (jcnn models lists them), FILE.py:NAME, which is executed, or run folder."""
    input_shape: Annotated[
        tuple[int, int, int] | None,
        tyro.conf.arg(metavar="H W C", help_behavior_hint="(default: the model's)"),
    ] = None
    """Height, width and channels of the input."""
    classes: Annotated[
        int | None,
        tyro.conf.arg(metavar="INT", help_behavior_hint="(default: the model's)"),
    ] = None
    """Number of classes."""

    def summarise(self) -> "Summary":
        """Summarise the model without running it."""
        if self.input_shape is not None and min(self.input_shape) < 1:
            raise ValueError(f"--input-shape: got {self.input_shape}; accepted: ints >= 1")
        if self.classes is not None and self.classes < 1:
            raise ValueError(f"--classes: got {self.classes}; accepted: an int >= 1")
        from jcnn.models import ZOO, summary, zoo_summary
        from jcnn.models.file import is_model_file, read_model_file

        if self.subject not in ZOO and Path(self.subject).is_dir():
            return self._of_run(Path(self.subject))
        if self.model is not None or self.trust:
            option = "--trust" if self.trust else "--model"
            raise ValueError(f"{option}: is for a run folder; {self.subject} is none")
        if "/" in self.subject and ".py" not in self.subject:
            raise ValueError(f"{self.subject}: no such run folder")
        if is_model_file(self.subject):
            file = read_model_file(self.subject)
            if self.input_shape is None or self.classes is None:
                option = "--input-shape" if self.input_shape is None else "--classes"
                raise ValueError(f"{option}: got none; needed for {file.label}, which has none set")
            return summary(file.build(self.input_shape, self.classes), self.input_shape)
        return zoo_summary(self.subject, self.input_shape, self.classes)

    def _of_run(self, run: Path) -> "Summary":
        """Of the model that the run was made with; its checkpoints are not read."""
        if self.input_shape is not None or self.classes is not None:
            option = "--classes" if self.input_shape is None else "--input-shape"
            raise ValueError(f"{option}: is not for a run folder, which has its own: {run}")
        from jcnn.models import summary, zoo_summary
        from jcnn.runs import read_config, resolve

        config = read_config(run)
        named, file = resolve(run, config, self.model, trust=self.trust)
        if file is not None:
            return summary(named.structure(file), config.input_shape)
        found = zoo_summary(named.model, config.input_shape, len(config.class_names))
        if config.preprocessing is None:
            return found
        return dataclasses.replace(found, preprocessing=config.preprocessing.describe())
