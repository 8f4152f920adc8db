"""The contestants: name, required libraries, what is timed, and set-up.

A set-up imports its library only when it is called, in a separate process. So a missing library
gives a row without figures, and no two libraries share a process.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from benchmarks.peers.keras_step import Backend
from benchmarks.peers.task import Task
from jcnn.bench.processes import Setup

Made = tuple[Callable[[], None], Any]
INSTALL = {"torch": "torch==2.13.0", "keras": "'keras>=3.15'", "tensorflow": "tensorflow"}


class Contestant(NamedTuple):
    """A contestant, which becomes a row of the table.

    Attributes:
        name: name of the row.
        setup: as in `jcnn.bench.processes`.
        needs: modules that must be installed.
        timed: the timed function of the library.
    """

    name: str
    setup: Setup
    needs: tuple[str, ...]
    timed: str

    @property
    def missing(self) -> str:
        """The command that installs the missing modules; "" if none is missing."""
        absent = [INSTALL[name] for name in self.needs if find_spec(name) is None]
        return f"not installed: pip install {' '.join(absent)}" if absent else ""


def of_step(task: Task) -> list[Contestant]:
    """The contestants for a single step; jcnn first."""
    return [
        Contestant("jcnn", partial(jcnn, task), (), "programs.training_step in compile.jit"),
        Contestant(
            *("jcnn, memory not kept", partial(jcnn, task, keep=False), ()),
            "the same without compile.keep_memory",
        ),
        Contestant("Flax NNX", partial(nnx, task), (), "train_step of its tutorial, in nnx.jit"),
        *(_keras(task, backend, "train_on_batch") for backend in ("jax", "tensorflow")),
        *_torch(task, epoch=False),
    ]


def of_epoch(task: Task) -> list[Contestant]:
    """The contestants for an epoch with shuffling; jcnn first."""
    many = min(32, task.steps)
    return [
        Contestant("jcnn", partial(jcnn, task, epoch=True), (), "programs.epoch_program"),
        Contestant("Flax NNX", partial(nnx, task, epoch=True), (), "the loop of its tutorial"),
        *(
            _keras(task, backend, "fit", steps_per_execution)
            for backend in ("jax", "tensorflow")
            for steps_per_execution in (1, many)
        ),
        *_torch(task, epoch=True),
    ]


def _keras(task: Task, backend: Backend, call: str, steps_per_execution: int = 1) -> Contestant:
    name = {"jax": "Keras, JAX", "tensorflow": "Keras, TensorFlow"}[backend]
    if steps_per_execution > 1:
        name += f", {steps_per_execution} at once"
    return Contestant(
        name,
        partial(keras, task, backend, epoch=call == "fit", steps_per_execution=steps_per_execution),
        ("keras",) if backend == "jax" else ("keras", "tensorflow"),
        f"model.{call}, steps_per_execution={steps_per_execution}"
        if call == "fit"
        else f"model.{call}",
    )


def _torch(task: Task, *, epoch: bool) -> list[Contestant]:
    ways = {
        "PyTorch, NCHW": (False, False, "eager"),
        "PyTorch, channels_last": (True, False, "eager"),
        "PyTorch, compiled": (False, True, "forward and loss in torch.compile, fused Adam"),
    }
    return [
        Contestant(
            name,
            partial(torch, task, epoch=epoch, channels_last=channels_last, compiled=compiled),
            ("torch",),
            timed,
        )
        for name, (channels_last, compiled, timed) in ways.items()
    ]


def jcnn(task: Task, *, epoch: bool = False, keep: bool = True) -> Made:
    """jcnn, in a process set up like the command line."""
    from benchmarks.peers import jcnn_step
    from jcnn.compile import keep_memory

    if keep:
        keep_memory()
    return jcnn_step.epoch(task) if epoch else jcnn_step.step(task)


def nnx(task: Task, *, epoch: bool = False) -> Made:
    """Flax NNX."""
    from benchmarks.peers import nnx_tutorial

    return nnx_tutorial.epoch(task) if epoch else nnx_tutorial.step(task)


def keras(task: Task, backend: Backend, *, epoch: bool, steps_per_execution: int) -> Made:
    """Keras on one of its backends."""
    from benchmarks.peers import keras_step

    if not epoch:
        return keras_step.step(task, backend=backend)
    return keras_step.epoch(task, backend=backend, steps_per_execution=steps_per_execution)


def torch(task: Task, *, epoch: bool, channels_last: bool, compiled: bool) -> Made:
    """PyTorch."""
    from benchmarks.peers import torch_step

    made = torch_step.epoch if epoch else torch_step.step
    return made(task, channels_last=channels_last, compiled=compiled)
