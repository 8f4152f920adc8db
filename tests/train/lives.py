"""Run a training in processes that may be killed at any moment; each process is a "life".

The processes are forked from one that has imported JAX but not initialised it, so that a life
takes one second instead of five. A life records its activity in shared memory, which outlives it.
"""

import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import jax
import numpy as np
from flax import nnx
from PIL import Image

from jcnn.config import TrainConfig
from jcnn.data import Dataset, StreamedImages
from jcnn.layers import BatchNormalization, Dense, Dropout, Flatten, Sequential
from jcnn.system import files, sealed
from jcnn.train import Event, fit, loop, resume
from tests.train import small

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.train.lives"])

Activity = Literal["starting", "stepping", "saving", "reading"]
ACTIVITIES: tuple[Activity, ...] = ("starting", "stepping", "saving", "reading")


@dataclass(frozen=True)
class Moment:
    """When a life ends.

    Attributes:
        during: the activity in which it is killed: step, save or image number `count`, counted
            from 1; None means after `seconds`, in any activity.
        call: number of the system call of a save before which it is killed.
        seconds: time after the start of the step, or of the life.
    """

    during: Activity | None
    count: int = 0
    call: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Life:
    """How a life went.

    Attributes:
        killed: whether it was killed; otherwise the training ended.
        doing: its last activities.
        done: how often it began each activity.
        calls: number of system calls of its last save.
    """

    killed: bool
    doing: tuple[Activity, ...]
    done: dict[Activity, int]
    calls: int


@dataclass(frozen=True)
class Plan:
    """The training of all lives.

    Attributes:
        run: the run folder.
        cache: folder of the cache of compiled programs.
        config: the settings.
        streamed: whether the images are streamed.
        save_seconds: time after which an epoch is saved before its end.
    """

    run: Path
    cache: Path
    config: TrainConfig
    streamed: bool
    save_seconds: float = loop.SAVE_SECONDS

    def dataset(self, on_read: "Watch | None" = None) -> Dataset:
        """Noise images; if streamed, each is a PNG that is decoded when it is read."""
        plain = small.dataset(150)
        if not self.streamed:
            return plain
        files = [_png(picture) for picture in np.asarray(plain.images)]

        def read(n: int) -> np.ndarray:
            if on_read:
                on_read.begin_reading()
            picture = np.asarray(Image.open(io.BytesIO(files[n])))
            if on_read:
                on_read.end_reading()
            return picture

        images = StreamedImages(read, np.arange(len(files)), plain.image_shape)
        return Dataset(images, plain.labels, plain.class_names)


def live(plan: Plan, moment: Moment | None = None) -> Life:
    """Train in a new process, from the newest checkpoint to the end or to `moment`."""
    doing, done = CONTEXT.RawArray("q", 4), CONTEXT.RawArray("q", 5)
    process = CONTEXT.Process(target=_train, args=(plan, moment, doing, done))
    process.start()
    if moment and moment.during is None:
        process.join(moment.seconds)
        process.kill()
    process.join()
    code = process.exitcode
    process.close()
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a life that was to end at {moment} ended with exit code {code}")
    last = tuple(name for name, now in zip(ACTIVITIES, doing, strict=True) if now)
    return Life(code != 0, last, dict(zip(ACTIVITIES, done, strict=False)), done[4])


def model() -> Sequential:
    """A model with batch statistics, dropout and Adam state that compiles quickly."""
    rngs = nnx.Rngs(0)
    layers = [Flatten(), BatchNormalization(60, rngs=rngs), Dropout(0.25, rngs=rngs)]
    return Sequential([*layers, Dense(60, 3, rngs=rngs)])


def _train(plan: Plan, moment: Moment | None, doing: Any, done: Any) -> None:
    jax.config.update("jax_compilation_cache_dir", str(plan.cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    vars(loop)["SAVE_SECONDS"] = plan.save_seconds
    watch = Watch(moment or Moment(None), doing, done)
    data = plan.dataset(watch)
    fit(model(), data, plan.config, run=plan.run, resume=True, on_event=watch)


class Watch:
    """Record what this process does, and kill it at its moment.

    Args:
        moment: when to kill the process.
        doing: in shared memory, the number of threads in each activity.
        done: in shared memory, how often each activity began, and the calls of the last save.
    """

    def __init__(self, moment: Moment, doing: Any, done: Any) -> None:
        self._moment, self._doing, self._done = moment, doing, done
        self._reading = threading.Lock()
        self._turn_to("starting")
        self._save = resume.save_progress
        vars(loop)["save_progress"] = self._watched_save
        before_every_call(self._call)

    def __call__(self, event: Event) -> None:
        """Handle an event of `fit`."""
        self._turn_to("stepping")
        if self._is_due("stepping"):
            threading.Timer(self._moment.seconds, die).start()

    def begin_reading(self) -> None:
        """A thread starts to read an image."""
        with self._reading:
            self._doing[3] += 1
            self._done[3] += 1
            if self._is_due("reading"):
                die()

    def end_reading(self) -> None:
        """A thread has read its image."""
        with self._reading:
            self._doing[3] -= 1

    def _turn_to(self, activity: Activity) -> None:
        self._doing[:3] = [activity == name for name in ACTIVITIES[:3]]
        self._done[ACTIVITIES.index(activity)] += 1

    def _is_due(self, activity: Activity) -> bool:
        count = self._done[ACTIVITIES.index(activity)]
        return (self._moment.during, self._moment.count) == (activity, count)

    def _watched_save(self, *arguments: Any, **named: Any) -> None:
        self._turn_to("saving")
        self._done[4] = 0
        self._save(*arguments, **named)
        self._turn_to("stepping")

    def _call(self) -> None:
        if self._doing[2]:
            self._done[4] += 1
            if self._is_due("saving") and self._done[4] == self._moment.call:
                die()


def before_every_call(act: Callable[[], None]) -> None:
    """Let this process `act` before it opens, makes, renames or removes a file or writes to one.

    A write is two, so that half of a file is met, too.
    """
    write_bytes = vars(files)["write_bytes"]

    def watched(file: Path, pieces: Iterable[bytes | memoryview], **options: Any) -> None:
        def counted() -> Iterable[bytes | memoryview]:
            for piece in pieces:
                for half in (piece[: len(piece) // 2], piece[len(piece) // 2 :]):
                    act()
                    yield half

        write_bytes(file, counted(), **options)

    def audit(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.mkdir", "os.rename", "os.remove"):
            act()

    vars(files)["write_bytes"] = vars(sealed)["write_bytes"] = watched
    sys.addaudithook(audit)


def killed_at_call(number: int, work: Callable[[], None]) -> bool:
    """Run `work` in a process that is killed before this call; False if it makes fewer calls."""
    process = CONTEXT.Process(target=_work_until, args=(number, work))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{work} ended with exit code {code}")
    return code != 0


def _work_until(number: int, work: Callable[[], None]) -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            die()

    before_every_call(call)
    work()


def die() -> NoReturn:
    """Kill this process without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _png(picture: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture, "LA").save(data, "PNG")
    return data.getvalue()
