"""Images that do not fit on the device are streamed in windows, with the same results."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.data import DataError, Dataset, Note, StreamedImages
from jcnn.layers.model import split_model
from jcnn.train import Event, Progress, evaluate, fit, loop, predict
from tests.train import small

CONFIG = TrainConfig(epochs=3, batch_size=8, steps_per_call=2, seed=3)


class Reads:
    """Reads the images of a data set one by one, and records their numbers."""

    def __init__(self, data: Dataset, *, fails_after: int | None = None) -> None:
        self.images = np.asarray(data.images)
        self.numbers: list[int] = []
        self.fails_after = fails_after
        self.lock = threading.Lock()

    def __call__(self, number: int) -> np.ndarray:
        """Picture `number`."""
        with self.lock:
            self.numbers.append(number)
            if self.fails_after is not None and len(self.numbers) > self.fails_after:
                raise DataError(f"{number}.png: damaged image")
        picture: np.ndarray = self.images[number]
        return picture


def streamed(data: Dataset, reads: Reads | None = None) -> Dataset:
    images = StreamedImages(reads or Reads(data), np.arange(len(data)), data.image_shape)
    return Dataset(images, data.labels, data.class_names)


@pytest.mark.parametrize(
    ("shuffle", "n"),
    [
        (True, 50),
        (False, 5),
        *(
            pytest.param(shuffle, n, marks=pytest.mark.slow)
            for shuffle, n in [(True, 48), (True, 5), (False, 50), (False, 48)]
        ),
    ],
)
def test_streaming_gives_the_bits_of_memory(n: int, shuffle: bool) -> None:
    data = small.dataset(n)
    config = TrainConfig(epochs=3, batch_size=8, steps_per_call=2, shuffle=shuffle)
    here, there = small.model(), small.model()
    expected = fit(here, data, config, validation=data)
    history = fit(there, streamed(data), config, validation=streamed(data))
    small.assert_same_bits(here, there)
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[column] == expected[column]


def test_every_picture_is_read_once_an_epoch() -> None:
    data = small.dataset(50)
    reads = Reads(data)
    fit(small.model(), streamed(data, reads), CONFIG)
    assert sorted(reads.numbers) == sorted([*range(50)] * 3)
    epochs = [reads.numbers[i : i + 50] for i in (0, 50, 100)]
    assert all(sorted(epoch) == [*range(50)] for epoch in epochs)


def test_pictures_in_memory_that_the_device_cannot_hold_are_streamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = small.dataset(50)
    here, there = small.model(), small.model()
    fit(here, data, CONFIG)
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "2000")  # the images are 3000 bytes
    events: list[Event] = []
    fit(there, data, CONFIG, on_event=events.append)
    small.assert_same_bits(here, there)
    assert any(
        isinstance(event, Note) and "streamed to the device" in event.text for event in events
    )
    np.testing.assert_array_equal(predict(here, data.images), predict(there, data.images))
    assert evaluate(here, data).n == 50


def test_waiting_for_pictures_is_told() -> None:
    data = small.dataset(50)
    gate = threading.Event()

    class Slow(Reads):
        def __call__(self, number: int) -> np.ndarray:
            gate.wait(0.02)
            return super().__call__(number)

    events: list[Event] = []
    fit(small.model(), streamed(data, Slow(data)), CONFIG, on_event=events.append)
    waiting = [event.waiting for event in events if isinstance(event, Progress)]
    assert max(waiting) > 0.3
    events.clear()
    fit(small.model(), data, CONFIG, on_event=events.append)
    assert {event.waiting for event in events if isinstance(event, Progress)} == {0.0}


def test_a_picture_that_cannot_be_read_ends_the_training_by_name() -> None:
    data = small.dataset(50)
    model = small.model()
    with pytest.raises(DataError, match=r"^\d+\.png: damaged image$"):
        fit(model, streamed(data, Reads(data, fails_after=70)), CONFIG)
    one = small.model()
    fit(one, data, TrainConfig(epochs=1, batch_size=8, seed=3))
    small.assert_same_bits(model, one)  # what the last finished epoch left


@pytest.mark.parametrize("streaming", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_long_epoch_is_saved_in_its_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    data = small.dataset(50)
    data = streamed(data) if streaming else data
    whole, resumed = small.model(), small.model(5)
    expected = fit(whole, data, CONFIG)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    last: list[Progress] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress):
            last.append(event)
            if (event.epoch, event.step) == (2, 6):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(small.model(), data, CONFIG, run=tmp_path, on_event=interrupt)
    # The model is that of the last finished epoch, for whoever looks into the run now.
    one = small.model()
    fit(one, data, replace(CONFIG, epochs=1))
    parts = split_model(small.model(5))
    wanted = {"kept": {"params": parts.params, "rest": parts.rest}}
    kept = checkpoint.restore(tmp_path, wanted)[0]["kept"]
    now = small.model(5)
    nnx.update(now, kept["params"], kept["rest"])
    small.assert_same_bits(one, now)

    seen: list[Progress] = []

    def keep(event: Event) -> None:
        if isinstance(event, Progress):
            seen.append(event)

    history = fit(resumed, data, CONFIG, run=tmp_path, resume=True, on_event=keep)
    assert (seen[0].epoch, seen[0].step) == (2, 6)  # step 4 was saved, and 4 to 6 run again
    small.assert_same_bits(whole, resumed)
    assert history["loss"] == expected["loss"]
    assert history["accuracy"] == expected["accuracy"]
