"""The arguments of commands that take a run folder: which run, and what builds its model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from flax import nnx

    from jcnn.runs import RunConfig

RunFolder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]


@dataclass(frozen=True)
class BuiltBy:
    """What builds the model of a run, where it is not of the zoo."""

    model: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="FILE.py:NAME", help_behavior_hint="(default: the run's, of the zoo)"
        ),
    ] = field(default=None, kw_only=True)
    """File and function that built the run's model; the file is executed, if its text is that of
    the run. For a run made in Python also a model of the zoo."""
    trust: bool = field(default=False, kw_only=True)
    """Execute the run's own copy of that file: only for a folder whose origin you know."""

    def load(self, run: Path) -> "tuple[nnx.Module, RunConfig]":
        """The trained model of a run, and its configuration."""
        from jcnn.cli.messages import warn
        from jcnn.runs import load

        return load(run, model=self.model, trust=self.trust, on_damage=warn)
