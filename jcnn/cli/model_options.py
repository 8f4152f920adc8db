"""The arguments of commands that take a model without its training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from jcnn.models import Summary


@dataclass(frozen=True)
class ModelOptions:
    """The model's name, input shape and number of classes."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Model of the zoo (jcnn models lists them), or FILE.py:NAME, which is executed."""
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
        from jcnn.models import summary, zoo_summary
        from jcnn.models.file import is_model_file, read_model_file

        if is_model_file(self.model):
            file = read_model_file(self.model)
            if self.input_shape is None or self.classes is None:
                option = "--input-shape" if self.input_shape is None else "--classes"
                raise ValueError(f"{option}: got none; needed for {file.label}, which has none set")
            return summary(file.build(self.input_shape, self.classes), self.input_shape)
        return zoo_summary(self.model, self.input_shape, self.classes)
