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
from jcnn.graph.stored import model_of, to_json
from jcnn.interop.run_weights import by_path
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
        arrays: of the model, by path; None means zeros.
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

    def trained(self, run: Path, on_damage: Callable[[str], None]) -> "StoredGraph":
        """The same with the arrays of the run's newest intact checkpoint.

        Raises:
            jcnn.checkpoint.CheckpointError: there is no intact checkpoint.
        """
        return replace(self, arrays=by_path(checkpoint.arrays(run, on_damage=on_damage)))


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


def write_graph(run: Path, model: nnx.Module, input_shape: tuple[int, int, int]) -> None:
    """Write `graph.json`; nothing if the model computes what a graph cannot say."""
    try:
        found = graph(model, input_shape)
    except ValueError:
        return
    if _is_complete(found):
        write_text(run / GRAPH_FILE, json.dumps(to_json(found)) + "\n")


def _is_complete(found: Graph) -> bool:
    """Whether each array is a variable of the model, which a checkpoint holds."""
    return all(set(node.arrays) <= set(node.paths) for node in found.nodes)
