"""The variables that weights are loaded into, and what loading did."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flax import nnx


@dataclass(frozen=True)
class Loaded:
    """What loading weights into a model did, in the names of the file.

    Attributes:
        loaded: arrays that were copied into the model.
        new: arrays of the head that were not, since it has another number of classes.
        left_over: arrays that the model has no variable for.
    """

    loaded: tuple[str, ...]
    new: tuple[str, ...]
    left_over: tuple[str, ...]

    def describe(self) -> str:
        """One line, such as "309 arrays loaded; made anew: _fc.weight, _fc.bias"."""
        text = f"{len(self.loaded)} arrays loaded"
        for words, names in (("made anew", self.new), ("left over", self.left_over)):
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                text += f"; {words}: {', '.join(names[:4])}{more}"
        return text


def variables_of(model: nnx.Module) -> Iterator[tuple[str, nnx.Module, Any]]:
    """The path, such as "conv1/kernel", the module and the variable, but for random streams."""
    for path, module in nnx.iter_modules(model):
        for last, variable in vars(module).items():
            if isinstance(variable, nnx.Variable) and not isinstance(variable, nnx.RngState):
                yield "/".join(map(str, (*path, last))), module, variable
