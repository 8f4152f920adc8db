"""RUN/graph.json: the structure of a model that no name and no file of the user builds.

With it, a model made in a Python program or imported from another library's file is used on the
command line. It is data: nothing in it is executed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from flax import nnx

from jcnn import checkpoint
from jcnn.graph import Graph, graph
from jcnn.graph.heads import with_classes
from jcnn.graph.stored import from_json, model_of, to_json
from jcnn.interop.run_weights import by_dotted_path
from jcnn.layers import set_dropout
from jcnn.runs.config import RunError
from jcnn.system.files import write_text

GRAPH_FILE = "graph.json"


@dataclass(frozen=True)
class StoredGraph:
    """What builds the model of a run from its `graph.json`.

    Attributes:
        file: the file, for messages.
        content: its decoded JSON.
        arrays: of the model, by path with dots; None means zeros.
    """

    file: Path
    content: Any
    arrays: Mapping[str, npt.NDArray[Any]] | None = None

    def build(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        seed: int = 0,
        dropout: float | None = None,
    ) -> nnx.Module:
        """The model; `seed` has no effect.

        Raises:
            RunError: the file is wrong, or of a model of other images or classes, or an array is
                missing.
        """
        try:
            model = model_of(self.content, self.arrays)
        except ValueError as error:
            raise RunError(f"{self.file}: {error}") from error
        images, logits = model.input_shape, model.shape
        if images != input_shape or logits != (classes,):
            raise RunError(
                f"{self.file}: is of a model from {images} to {logits}; the run's is from "
                f"{input_shape} to {(classes,)}"
            )
        if dropout is not None:
            set_dropout(model, dropout)
        return model

    def for_classes(self, classes: int) -> "StoredGraph":
        """The same with a last layer for another number of classes, if it differs.

        Raises:
            RunError: the file is wrong, or its last layer cannot be replaced.
        """
        try:
            found = from_json(self.content)
            if found.shape_of(found.output) == (classes,):
                return self
            return replace(self, content=to_json(with_classes(found, classes)), arrays=None)
        except ValueError as error:
            raise RunError(f"{self.file}: {error}") from error

    def trained(self, run: Path, on_damage: Callable[[str], None]) -> "StoredGraph":
        """The same with the arrays of the run's newest intact checkpoint.

        Raises:
            jcnn.checkpoint.CheckpointError: there is no intact checkpoint.
        """
        return replace(self, arrays=by_dotted_path(checkpoint.arrays(run, on_damage=on_damage)))


def read_graph(run: Path) -> StoredGraph:
    """What builds the model of a run.

    Raises:
        RunError: the file cannot be read.
    """
    file = run / GRAPH_FILE
    try:
        return StoredGraph(file, json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        raise RunError(f"{file}: cannot be read as JSON") from None


def known_graph(model: nnx.Module, input_shape: tuple[int, ...]) -> Graph | None:
    """The graph of a model; None if it computes what a graph cannot say."""
    try:
        found = graph(model, input_shape)
    except ValueError:
        return None
    return found if _is_complete(found) else None


def write_graph(run: Path, found: Graph | None) -> None:
    """Write `graph.json`; nothing without a graph."""
    if found is not None:
        write_text(run / GRAPH_FILE, text_of(to_json(found)))


def text_of(content: Any) -> str:
    """The text of `graph.json`."""
    return json.dumps(content) + "\n"


def _is_complete(found: Graph) -> bool:
    """Whether each array is a variable of the model, which a checkpoint holds."""
    return all(set(node.arrays) <= set(node.paths) for node in found.nodes)
