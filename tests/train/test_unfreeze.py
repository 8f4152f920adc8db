"""Layers that are unfrozen during a training, and a learning rate of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Note
from jcnn.layers.freezing import frozen_before
from jcnn.runs import load
from jcnn.train import fit
from tests.train.test_features import SHAPE, Net, data

PLAIN = TrainConfig(epochs=4, batch_size=7, freeze=("backbone",), unfreeze_at=2)


def arrays(model: nnx.Module) -> dict[str, np.ndarray]:
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {"/".join(map(str, path)): np.asarray(v[...]) for path, v in flat}


def moved(model: nnx.Module, before: dict[str, np.ndarray]) -> set[str]:
    return {n.split("/")[0] for n, x in arrays(model).items() if not np.array_equal(x, before[n])}


@pytest.mark.parametrize(
    ("names", "layer", "stay"),
    [
        (("backbone",), "two", ("one",)),
        (("backbone",), "one", ()),
        (("one", "two"), "three", ("one", "two")),
        (("two",), "dropout", ("two",)),
    ],
)
def test_what_is_called_before_a_layer(names: Any, layer: str, stay: Any) -> None:
    model = Net()
    assert frozen_before(model, names, layer, SHAPE) == stay
    assert not [one for _, one in nnx.iter_modules(model) if hasattr(one, "frozen")]


def test_a_block_is_unfrozen_with_all_in_it() -> None:
    class Blocks(nnx.Module):
        def __init__(self) -> None:
            self.blocks = nnx.List([Net(), Net()])

        def __call__(self, x: jax.Array) -> jax.Array:
            a, b = self.blocks
            return a(x) + b(x)

    stay = frozen_before(Blocks(), ("backbone",), "blocks/1/two", SHAPE)
    assert stay == ("blocks/0", "blocks/1/one")


@pytest.mark.parametrize("layer", [None, "two"])
def test_layers_move_from_that_epoch_on(layer: str | None) -> None:
    model, seen = Net(), []
    notes: list[Any] = []
    before = arrays(model)

    def look(module: nnx.Module, _history: Any) -> None:
        seen.append(moved(module, before))

    config = replace(PLAIN, unfreeze_from=layer)
    history = fit(model, data(), config, callbacks=[look], on_event=notes.append)
    all_of = {"one", "two", "three", "four"} - ({"one"} if layer else set())
    assert seen == [{"four"}, {"four"}, all_of, all_of]
    assert [row.epoch for row in history.epochs] == [1, 2, 3, 4]
    words = "all layers" if layer is None else "two and later"
    assert Note(f"from epoch 3 on, {words} are trained") in notes


def notes_of(config: TrainConfig) -> list[str]:
    seen: list[Any] = []
    fit(Net(), data(), config, on_event=seen.append)
    return [one.text for one in seen if isinstance(one, Note)]


def test_early_stopping_in_the_first_part_says_so() -> None:
    early = replace(PLAIN, unfreeze_at=3, monitor="loss", patience=1, min_delta=100.0)
    notes = notes_of(early)
    assert notes[-1].startswith("early stopping after epoch 2 of 4: ")
    assert not any("are trained" in note for note in notes)


def test_the_time_limit_is_that_of_both_parts() -> None:
    notes = notes_of(replace(PLAIN, unfreeze_at=1, time_limit=1e-5))
    assert any(
        note.startswith("time limit of 1e-05 minutes: stopped after epoch 2") for note in notes
    )


def test_from_the_first_epoch_without_unfreeze_at() -> None:
    model = Net()
    before = arrays(model)
    fit(model, data(), replace(PLAIN, unfreeze_at=None, unfreeze_from="three"), verbose=0)
    assert moved(model, before) == {"three", "four"}


@pytest.mark.parametrize("stop", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2)), 3])
def test_a_resumed_training_gives_the_same_bits(tmp_path: Path, stop: int) -> None:
    config = replace(PLAIN, unfreeze_from="two", restore_best=True, optimizer="momentum")
    whole = Net()
    fit(whole, data(), config, validation=data(9, 1), run=tmp_path / "a", verbose=0)

    def interrupt(_model: nnx.Module, history: Any) -> None:
        if len(history) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            *(Net(), data(), config),
            validation=data(9, 1),
            run=tmp_path / "b",
            callbacks=[interrupt],
            verbose=0,
        )
    again = Net()
    fit(
        *(again, data(), config),
        validation=data(9, 1),
        run=tmp_path / "b",
        resume=True,
        verbose=0,
    )
    assert arrays(again).keys() == arrays(whole).keys()
    for name, array in arrays(whole).items():
        np.testing.assert_array_equal(arrays(again)[name], array, err_msg=name)
    for run in ("a", "b"):
        loaded = load(tmp_path / run, model=Net())[0]
        for name, array in arrays(whole).items():
            np.testing.assert_array_equal(arrays(loaded)[name], array, err_msg=name)


def test_the_backbones_learning_rate() -> None:
    """One step of SGD: the head moves as before, the others by the factor."""
    config = TrainConfig(epochs=1, batch_size=24, optimizer="sgd", learning_rate=0.5)
    plain, slow, start = Net(), Net(), arrays(Net())
    fit(plain, data(), config, verbose=0)
    fit(slow, data(), replace(config, backbone_lr_factor=0.1), verbose=0)
    for name, array in arrays(slow).items():
        step, want = array - start[name], arrays(plain)[name] - start[name]
        factor = 1 if name.startswith("four/") else 0.1
        np.testing.assert_allclose(step, factor * want, rtol=1e-3, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unfreeze_at": 1}, "^unfreeze_at: got 1; accepted: None without freeze"),
        ({"unfreeze_from": "a"}, "^unfreeze_from: got 'a'; accepted: None without freeze"),
        ({"freeze": ("one",), "unfreeze_at": 0}, "^unfreeze_at: got 0; accepted: an int >= 1"),
        ({"backbone_lr_factor": 0}, "^backbone_lr_factor: got 0; accepted: a number > 0"),
    ],
)
def test_wrong_settings(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


def test_a_layer_that_is_not_called() -> None:
    message = "^unfreeze_from: got 'too'; accepted: a path of .*; did you mean 'two'"
    with pytest.raises(ValueError, match=message):
        fit(Net(), data(), replace(PLAIN, unfreeze_from="too"), verbose=0)
