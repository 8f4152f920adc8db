"""Run folders: the model, data and settings of a training, so that it can be used and repeated.

RUN/config.json     the model, the data, the settings and the versions
RUN/model.py        the text of the user's file, for a model that is not of the zoo
RUN/graph.json      the structure of a model made in a Python program, where its graph is known
RUN/history.jsonl   one line per epoch; history.csv is the same as a table
RUN/checkpoints/    the newest checkpoints
RUN/epochs/         the weights of epochs that `keep_checkpoints` asked for
RUN/member-0/ ...   a run folder for each model of a population
"""

import dataclasses
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flax import nnx

from jcnn import __version__, checkpoint
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.polarity import training_border
from jcnn.data.preprocessing import preprocessing_of
from jcnn.layers import frozen
from jcnn.layers.model import split_model
from jcnn.models.file import ModelFile, read_text
from jcnn.ops.conv.in_use import convolution_in_use
from jcnn.runs.config import RunConfig, RunError, from_json, to_json
from jcnn.runs.graph_file import GRAPH_FILE, StoredGraph, known_graph, text_of, write_graph
from jcnn.runs.history import History, write_history
from jcnn.runs.unfreezing import frozen_layers, is_unfrozen
from jcnn.system.files import unfinished_in, write_text
from jcnn.system.machine import describe_machine

MODEL_FILE = "model.py"


def create(run: Path, config: RunConfig, file: ModelFile | StoredGraph | None = None) -> None:
    """Create a run folder and write its `config.json`, and what builds the model before it.

    Raises:
        RunError: the folder exists and is not empty.
    """
    if run.is_file():
        raise RunError(f"{run}: is a file; a run needs a folder of its own")
    # A process that was killed here leaves no config.json, so these files are no run.
    text = text_of(file.content) if isinstance(file, StoredGraph) else file.text if file else ""
    copy = run / (GRAPH_FILE if isinstance(file, StoredGraph) else MODEL_FILE)
    leftover = {*unfinished_in(run, "config.json"), *unfinished_in(run, copy.name)}
    if text and copy.is_file() and copy.read_bytes() == text.encode():
        leftover.add(copy)
    if run.is_dir() and not set(run.iterdir()) <= leftover:
        raise RunError(f"{run}: exists already; name another folder, or continue it with --resume")
    run.mkdir(parents=True, exist_ok=True)
    if text:
        write_text(copy, text)
    write_config(run, config)


def record(
    run: Path | None, models: Sequence[nnx.Module], dataset: Dataset, train: TrainConfig
) -> None:
    """Write `config.json` and the model's graph for a training that was started in Python.

    Nothing is written for a population.

    The configuration of a run that the command line created is left alone.

    Args:
        run: the run folder; None writes nothing.
        models: those that are trained.
        dataset: the training examples.
        train: the settings.
    """
    if run is None or len(models) > 1:
        return
    if (run / "config.json").exists() and read_config(run).model_from != "python":
        return
    run.mkdir(parents=True, exist_ok=True)
    config = describe_object(models[0], dataset.image_shape, dataset.class_names, train)
    border = None if config.resize == "pad" else training_border(dataset)
    write_config(run, dataclasses.replace(config, border=border))
    write_graph(run, known_graph(models[0], dataset.image_shape))


def describe_object(
    model: nnx.Module,
    input_shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    train: TrainConfig,
) -> RunConfig:
    """The `RunConfig` of a model that is an object of a Python program, on unknown data."""
    kind, own = type(model), preprocessing_of(model)
    return RunConfig(
        f"{kind.__module__}.{kind.__qualname__}",
        input_shape,
        class_names,
        data="",
        data_dir=None,
        train=train,
        resize="stretch" if own is None else own.resize,
        model_from="python",
        preprocessing=own,
    )


def write_config(run: Path, config: RunConfig) -> None:
    """Write `config.json`: the configuration, the versions and the convolution kernels in use."""
    content = to_json(config) | {
        "versions": {
            "jcnn": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        },
        "convolution": convolution_in_use(),
        "machine": describe_machine(),
    }
    write_text(run / "config.json", json.dumps(content, indent=2) + "\n")


def differences(run: Path) -> list[str]:
    """Differences between this installation and the run's `config.json` when resuming.

    Returns:
        A line for each difference in versions or convolution kernels that may change the last
        bits.
    """
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    then, found = content.get("versions") or {}, []
    for name, now in (("jcnn", __version__), *((n, version(n)) for n in ("jax", "jaxlib"))):
        if then.get(name, now) != now:
            found.append(f"{name} was {then[name]} and is {now} here")
    before = content.get("convolution")
    if before:  # absent in runs of older versions
        here = convolution_in_use()
        names = ("kernels", "library", "tuned_table")
        changed = [name for name in names if before.get(name) != here[name]]
        if "kernels" in changed:
            why = before.get("reason") or here["reason"]
            then_was, is_now = before.get("kernels"), here["kernels"]
            found.append(f"the convolution was {then_was} and is {is_now} here ({why})")
        elif "library" in changed:
            found.append("the native convolution was compiled by another compiler or processor")
        if "tuned_table" in changed:
            found.append("the tuned table of convolutions is another one here")
    return [f"{run}: {line}; the last bits may differ" for line in found]


def read_config(run: Path) -> RunConfig:
    """Read a run's `config.json`.

    Raises:
        RunError: the folder is not a run, or its `config.json` is invalid.
    """
    file = run / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{run}: is no run folder (it has no config.json)") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read: {error}") from error
    try:
        return from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: is not a run's configuration: {error!r}") from error


def model_arrays(model: nnx.Module) -> dict[str, Any]:
    """The arrays of a model that a checkpoint stores."""
    parts = split_model(model)
    return {"params": parts.params, "rest": parts.rest}


def write_members(
    run: Path, config: RunConfig, models: Sequence[nnx.Module], histories: Sequence[History]
) -> None:
    """Write a run folder for each model of a population: RUN/member-0 and so on."""
    for i, (member, model, history) in enumerate(
        zip(config.members(), models, histories, strict=True)
    ):
        folder = member_folder(run, i)
        folder.mkdir(exist_ok=True)
        unfrozen = is_unfrozen(config.train, len(history))
        names = frozen_layers(model, config.train, config.input_shape, unfrozen=unfrozen)
        with frozen([model], names, config.input_shape):
            arrays = model_arrays(model)
        tree = {"kept": arrays} if config.train.has_separate_result else arrays
        meta = {"histories": [history.rows()], "step": 0, "seconds": 0.0, "of": str(run)}
        for copied in {"file": [MODEL_FILE], "graph": [GRAPH_FILE]}.get(config.model_from, []):
            write_text(folder / copied, read_text(run / copied))
        write_config(folder, member)
        checkpoint.save(folder, len(history), tree, meta)
        write_history(history, folder)


def member_folder(run: Path, member: int) -> Path:
    """The run folder of one model of a population."""
    return run / f"member-{member}"
