"""The arguments of commands that take a model of the zoo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from jcnn.models import Summary


@dataclass(frozen=True)
class ModelOptions:
    """The model's name, input shape and number of classes."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Model of the zoo; jcnn models lists them."""
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
        from jcnn.models import zoo_summary

        return zoo_summary(self.model, self.input_shape, self.classes)
