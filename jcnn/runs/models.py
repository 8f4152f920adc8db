"""`load` the trained model of a run folder, and `save` a model to one.

A run folder from elsewhere must not execute code: the text of a user's file is executed only where
the user names the file again, or says that the folder is trusted.
"""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.preprocessing import Preprocessing, preprocessing_of, set_preprocessing
from jcnn.graph import Graph
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import Layer, as_model, frozen, output_shape
from jcnn.models import zoo_entry
from jcnn.models.file import ModelFile, is_model_file, read_model_file, read_text
from jcnn.runs.config import RunConfig, RunError
from jcnn.runs.folder import (
    MODEL_FILE,
    describe_object,
    model_arrays,
    read_config,
    write_config,
)
from jcnn.runs.graph_file import GRAPH_FILE, StoredGraph, known_graph, read_graph, write_graph
from jcnn.runs.optimizer_file import write_optimizer
from jcnn.runs.unfreezing import frozen_layers, is_unfrozen
from jcnn.system.files import unfinished


def load(
    run: Path | str,
    *,
    model: nnx.Module | Sequence[Layer] | str | None = None,
    trust: bool = False,
    on_damage: Callable[[str], None] = checkpoint.ignore,
) -> tuple[nnx.Module, RunConfig]:
    """The model of a run's newest intact checkpoint, and the configuration of the run.

    Args:
        run: the run folder.
        model: needed where the run's model is neither of the zoo nor stored as a graph: a new
            model of the same structure, which gets the run's arrays and is returned; or
            "FILE.py:NAME", the file that the model was built by, which is executed. A name of the
            zoo builds that model.
        trust: execute the run's own copy of this file instead, if its SHA-256 is the recorded one.
        on_damage: called with a line for each newer checkpoint that is damaged.

    Raises:
        RunError: the folder is not a run, or its model cannot be built.
        ValueError: the file of the model is wrong, or its text differs from that of the run.
        jcnn.checkpoint.CheckpointError: there is no intact checkpoint of this model.
    """
    run = Path(run)
    config = read_config(run)
    members = len(config.members())
    if members > 1:
        raise RunError(
            f"{run}: holds {members} models; name one: {run}/member-0 to {run}/member-{members - 1}"
        )
    if model is None or isinstance(model, str):
        named, file = resolve(run, config, model, trust=trust)
        if isinstance(file, StoredGraph):
            return named.structure(file.trained(run, on_damage)), config
        module = named.structure(file)
    else:
        module = as_model(model)
        if config.preprocessing is not None:
            set_preprocessing(module, config.preprocessing)

    def wanted(meta: dict[str, Any]) -> dict[str, Any]:
        # As when it was saved: frozen parameters are stored as other state.
        unfrozen = is_unfrozen(config.train, _finished(meta), int(meta.get("step", 0)))
        names = frozen_layers(module, config.train, config.input_shape, unfrozen=unfrozen)
        stack.enter_context(frozen([module], names, config.input_shape))
        # Within an epoch, the state of the last finished epoch is stored separately too.
        separate = config.train.has_separate_result or meta.get("step")
        return {"kept": model_arrays(module)} if separate else model_arrays(module)

    with ExitStack() as stack:
        saved, _ = checkpoint.restore(run, wanted, on_damage=on_damage)
        kept = saved.get("kept", saved)
        nnx.update(module, kept["params"], kept["rest"])
    return module, config


def _finished(meta: dict[str, Any]) -> int:
    """Number of finished epochs of a checkpoint."""
    histories = meta.get("histories") or [[]]
    return len(histories[0])


def resolve(
    run: Path, config: RunConfig, model: str | None = None, *, trust: bool = False
) -> tuple[RunConfig, ModelFile | StoredGraph | None]:
    """What builds a run's model: `named.build(file)` for the two that are returned.

    Nothing is executed here.

    Args:
        run, config: the run.
        model, trust: as for `load`.

    Raises:
        RunError, ValueError: as for `load`.
    """
    if model is not None and trust:
        raise ValueError("trust: give either it or model, not both")
    if model is None:
        if config.model_from == "zoo":
            return config, None
        if config.model_from == "file":
            return config, _copy(run, config, trust=trust)
        if config.model_from == "graph" or (run / GRAPH_FILE).is_file():
            return config, read_graph(run)
        raise RunError(
            f"{run}: its model is a Python object ({config.model}) whose graph is not known; name "
            "what builds it: --model FILE.py:NAME, or in Python load(run, model=...)"
        )
    if is_model_file(model):
        file = read_model_file(model)
        if config.model_from == "zoo":
            raise RunError(f"{run}: its model is {config.model} of the zoo, not {model}")
        if config.model_from == "file":
            _check_same(run, config, file, model)
        return dataclasses.replace(config, model=file.label, model_from="file"), file
    zoo_entry(model)
    if config.model_from == "file" or (config.model_from == "zoo" and model != config.model):
        raise RunError(f"{run}: its model is {config.model}, not {model}")
    return dataclasses.replace(config, model=model, model_from="zoo"), None


def save(
    model: nnx.Module | Sequence[Layer],
    run: Path | str,
    *,
    class_names: Sequence[str],
    input_shape: tuple[int, int, int] | None = None,
    preprocessing: Preprocessing | None = None,
    name: str | None = None,
    optimizer: SavedOptimizer | None = None,
) -> None:
    """Write a run folder for a model that was trained elsewhere.

    The folder appears whole or not at all. It has no history, and its training cannot be resumed.
    Where the model's graph is known (see `jcnn.graph.graph`), the folder holds it, and `load(run)`
    and the command line need nothing else; otherwise `load(run, model=...)` reads it, and on the
    command line `--model` names what builds the model.

    Args:
        model: any `nnx.Module`, or a list of layers.
        run: the folder; it must not exist, or be empty.
        class_names: a name for each logit, in order.
        input_shape: `(H, W, C)` of the images; None takes that of `preprocessing`.
        preprocessing: how the model's input is made of an image; None means the model's own, or
            `x / 255` if it has none.
        name: what the model is called, such as the file that it was imported from; None means its
            class. With a name, its graph must be known.
        optimizer: what a training from this run (`jcnn train --weights RUN`) goes on with.

    Raises:
        RunError: the folder exists and is not empty.
        ValueError: the model does not accept such images, or has another number of logits.
        jcnn.checkpoint.CheckpointError: the folder cannot be written.
    """
    run, module = Path(run), as_model(model)
    preprocessing = preprocessing or preprocessing_of(module)
    shape, names, found = _checked(module, class_names, input_shape, preprocessing)
    if name is not None and found is None:
        raise ValueError(f"model: its graph is not known, so it has no name {name!r}")
    if run.is_file() or (run.is_dir() and any(run.iterdir())):
        raise RunError(f"{run}: exists already; name another folder")
    config = dataclasses.replace(
        describe_object(module, shape, names, TrainConfig()),
        preprocessing=preprocessing,
        resize="stretch" if preprocessing is None else preprocessing.resize,
        trained=False,
    )
    if name is not None:
        config = dataclasses.replace(config, model=name, model_from="graph")
    run.parent.mkdir(parents=True, exist_ok=True)
    new = unfinished(run)
    try:
        meta = {"histories": [[]], "step": 0, "seconds": 0.0, "saved": True}
        checkpoint.save(new, 0, model_arrays(module), meta)
        write_config(new, config)
        write_graph(new, found)
        if optimizer is not None:
            write_optimizer(new, optimizer)
        new.rename(run)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _checked(
    model: nnx.Module,
    class_names: Sequence[str],
    input_shape: tuple[int, int, int] | None,
    preprocessing: Preprocessing | None,
) -> tuple[tuple[int, int, int], tuple[str, ...], Graph | None]:
    """The shape of the images and the names of the classes, if they fit the model; its graph."""
    if input_shape is None:
        if preprocessing is None:
            raise ValueError("input_shape: got None; accepted: (H, W, C), or give preprocessing")
        input_shape = preprocessing.image_shape
    if preprocessing is not None and tuple(input_shape) != preprocessing.image_shape:
        raise ValueError(
            f"input_shape: got {input_shape}; accepted: that of preprocessing, "
            f"{preprocessing.image_shape}"
        )
    if isinstance(class_names, str) or not len(class_names):
        raise ValueError(f"class_names: got {class_names!r}; accepted: a list of names")
    # A data set of one image checks the names and the shape.
    one = Dataset(np.zeros((1, *input_shape), np.uint8), np.zeros(1, np.int32), tuple(class_names))
    own = known_graph(model, one.image_shape)
    found = output_shape([model], one.image_shape) if own is None else own.shape_of(own.output)
    if found != (len(one.class_names),):
        raise ValueError(
            f"model: gives {found} for an image of {one.image_shape}; expected one logit for each "
            f"of the {len(one.class_names)} classes, ({len(one.class_names)},)"
        )
    return one.image_shape, one.class_names, own


def _copy(run: Path, config: RunConfig, *, trust: bool) -> ModelFile:
    """The run's own copy of its model file.

    Raises:
        RunError: the folder is not trusted, or the copy is not the recorded one.
    """
    name = config.model.rpartition(":")[2]
    if not trust:
        raise RunError(
            f"{run}: its model is built by a file, {config.model}, which is not executed unless "
            f"you name it again (--model FILE.py:{name}) or trust the run's copy of it (--trust)"
        )
    text = _recorded_text(run, config)
    if text is None:
        raise RunError(
            f"{run / MODEL_FILE}: is missing or has changed since the run was made, and is not "
            f"executed; name the file that the model was built by: --model FILE.py:{name}"
        )
    return ModelFile(config.model.rpartition(":")[0], name, text)


def _recorded_text(run: Path, config: RunConfig) -> str | None:
    """The text of the run's copy; None if its SHA-256 is not the recorded one."""
    try:
        text = read_text(run / MODEL_FILE)
    except ValueError:
        return None
    found = hashlib.sha256(text.encode()).hexdigest()
    return text if found == config.model_sha256 else None


def _check_same(run: Path, config: RunConfig, file: ModelFile, model: str) -> None:
    """Raise a `RunError` that says in what the user's file differs from the run's."""
    name = config.model.rpartition(":")[2]
    if file.name != name:
        raise RunError(f"{run}: its model is built by {name!r} of its file, not by {file.name!r}")
    if file.sha256 == config.model_sha256:
        return
    said = f"{run}: its model was built by another text than that of {model}"
    text = _recorded_text(run, config)
    if text is None:
        raise RunError(
            f"{said} (SHA-256 {config.model_sha256[:12]}..., got {file.sha256[:12]}...); the run's "
            f"copy, {run / MODEL_FILE}, is missing or has changed, too"
        )
    lines = zip_longest(text.splitlines(True), file.text.splitlines(True))
    number, (was, now) = next((n, pair) for n, pair in enumerate(lines, 1) if pair[0] != pair[1])
    raise RunError(
        f"{said}: line {number} was {_short(was)} and is {_short(now)}; the run's text is "
        f"{run / MODEL_FILE}: name that one, or say --trust"
    )


def _short(line: str | None) -> str:
    if line is None:
        return "not there"
    return repr(line if len(line) <= 60 else f"{line[:60]}...")
