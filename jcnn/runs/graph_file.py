"""RUN/graph.json: the structure of a model that no name and no file of the user builds.

With it, a model made in a Python program or imported from another library's file is used on the
command line. It is data: nothing in it is executed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flax import nnx

from jcnn import checkpoint
from jcnn.graph import Graph, graph
from jcnn.graph.stored import model_of, to_json
from jcnn.interop.run_weights import by_path
from jcnn.layers import set_dropout
from jcnn.runs.config import RunError
from jcnn.system.files import write_text

GRAPH_FILE = "graph.json"


class StoredGraph:
    """What builds the model of a run from its `graph.json`.

    Args:
        run: the run folder.

    Raises:
        RunError: the file cannot be read.
    """

    def __init__(self, run: Path) -> None:
        self.file = run / GRAPH_FILE
        try:
            self.content: Any = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            raise RunError(f"{self.file}: cannot be read as JSON") from None

    def build(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        seed: int = 0,
        dropout: float | None = None,
    ) -> nnx.Module:
        """The model, with zeros as parameters, so that `seed` has no effect.

        Raises:
            RunError: the file is wrong, or of a model of other images or classes.
        """
        return self._built(None, input_shape, classes, dropout)

    def load(
        self,
        run: Path,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        dropout: float | None = None,
        on_damage: Callable[[str], None] = checkpoint.ignore,
    ) -> nnx.Module:
        """The model with the arrays of the run's newest intact checkpoint.

        Raises:
            RunError: as from `build`, or an array is missing.
            jcnn.checkpoint.CheckpointError: there is no intact checkpoint.
        """
        arrays = by_path(checkpoint.arrays(run, on_damage=on_damage))
        return self._built(arrays, input_shape, classes, dropout)

    def _built(
        self,
        arrays: Any,
        input_shape: tuple[int, int, int],
        classes: int,
        dropout: float | None,
    ) -> nnx.Module:
        try:
            model = model_of(self.content, arrays)
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
