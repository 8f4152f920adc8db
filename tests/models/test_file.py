"""A user's model file: what is executed, what it builds, and one line for each mistake in it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Sequential
from jcnn.models.file import ModelFile, is_model_file, read_model_file

TEXT = """
from __future__ import annotations

import dataclasses

import jax
from flax import nnx

from jcnn.layers import Dense, Dropout, Flatten


@dataclasses.dataclass
class Sizes:
    hidden: int = 5


class Net(nnx.Module):
    def __init__(self, input_shape, classes, *, rngs):
        height, width, channels = input_shape
        self.first = nnx.Linear(height * width * channels, Sizes().hidden, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(Sizes().hidden, classes, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.first(x.reshape(len(x), -1)))))


def layers(input_shape, classes, *, rngs):
    height, width, channels = input_shape
    size = height * width * channels
    return [Flatten(), Dropout(0.5, rngs=rngs), Dense(size, classes, rngs=rngs)]


def plain(input_shape, classes, *, rngs):
    return [Flatten(), Dense(12, classes, rngs=rngs)]


def reads_values(input_shape, classes, *, rngs):
    net = Net(input_shape, classes, rngs=rngs)
    float(net.first.kernel[...].sum())  # a tracer has no value
    return net


def old(input_shape, classes, rng):
    return []


def nothing(input_shape, classes, *, rngs):
    pass


def unmade(input_shape, classes, *, rngs):
    return Net


def odd_list(input_shape, classes, *, rngs):
    return [Flatten(), 3]


def no_layers(input_shape, classes, *, rngs):
    return []


def raises(input_shape, classes, *, rngs):
    raise KeyError(
        "several\\n lines")


def leaves(input_shape, classes, *, rngs):
    raise SystemExit(3)


class Careless(Net):
    def __call__(self, x):
        return self.heads(x)


class OnlyInTraining(Net):
    def __init__(self, input_shape, classes, *, rngs):
        super().__init__(input_shape, classes, rngs=rngs)
        self.drop = nnx.Dropout(0.5)  # has no random numbers


width = 3
"""
SHAPE = (2, 3, 2)


def file(name: str, text: str = TEXT) -> ModelFile:
    return ModelFile("net.py", name, text)


def line_of(words: str) -> int:
    return TEXT[: TEXT.index(words)].count("\n") + 1


@pytest.mark.parametrize("name", ["Net", "layers", "reads_values"])
def test_a_function_or_a_class_builds_a_model(name: str) -> None:
    model = file(name).build(SHAPE, 4, seed=3)
    images = jnp.asarray(np.random.default_rng(0).random((5, *SHAPE)), jnp.float32)
    model.eval()
    assert model(images).shape == (5, 4)
    assert isinstance(model, Sequential) == (name == "layers")


def test_the_parameters_are_those_of_the_function_called_by_hand() -> None:
    built = file("Net").build(SHAPE, 4, seed=3)
    by_hand = file("Net").function()(SHAPE, 4, rngs=nnx.Rngs(3))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
        nnx.state(built, nnx.Param),
        nnx.state(by_hand, nnx.Param),
    )
    other = file("Net").build(SHAPE, 4, seed=4)
    kernels = [jax.tree.leaves(nnx.state(model, nnx.Param))[1] for model in (built, other)]
    assert (kernels[0] != kernels[1]).any()


def test_a_text_is_executed_once_in_a_process() -> None:
    """The models of a population must be of one class."""
    first, second = (file("Net").build(SHAPE, 4, seed=seed) for seed in (0, 1))
    assert type(first) is type(second)
    changed = file("Net", TEXT + "\n# another").build(SHAPE, 4)
    assert type(changed) is not type(first)


@pytest.mark.parametrize(("name", "kind"), [("Net", "drop"), ("layers", "dropout")])
def test_the_dropout_rate_is_set(name: str, kind: str) -> None:
    assert getattr(file(name).build(SHAPE, 4, dropout=0.125), kind).rate == 0.125


def test_a_dropout_rate_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^dropout: got 0\.1, but the model has no dropout layer"):
        file("plain").build(SHAPE, 4, dropout=0.1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Nets", "net.py has no 'Nets'; it has Sizes, Net, layers, "),
        ("Nets", "; did you mean 'Net'?"),
        ("width", "net.py:width is of type int; accepted: a function (input_shape, classes, *, "),
        ("old", "net.py:old takes (input_shape, classes, rng): missing a required argument: 'rng'"),
        ("nothing", "net.py:nothing returned None; accepted: an nnx.Module or a list of layers"),
        ("unmade", "net.py:unmade returned the class Net, not an instance; accepted: "),
        ("odd_list", "net.py:odd_list returned a list with an object of type int; accepted: "),
        ("no_layers", "net.py:no_layers returned an empty list; accepted: "),
        ("raises", f"net.py:{line_of('raise KeyError')}: KeyError: "),
        ("leaves", f"net.py:{line_of('raise SystemExit')}: SystemExit: 3"),
        (
            "Careless",
            f"net.py:{line_of('return self.heads')}: AttributeError: 'Careless' object has no att",
        ),
        ("Careless", "no attribute 'heads', called with images of (2, 3, 2)"),
        ("OnlyInTraining", f"net.py:{line_of('return self.last(')}: ValueError: "),
    ],
)
def test_a_mistake_is_one_line(name: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        file(name).build(SHAPE, 4)
    assert str(caught.value).startswith("model: net.py")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"^model: net\.py: LayerError: layer 'dense': kernel: "):
        file("plain").build((5, 5, 1), 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef f(:\n", "net.py:2: SyntaxError: invalid syntax"),
        ("\n1 / 0", "net.py:2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit()", "net.py:2: SystemExit: "),
        ("\0", "null bytes"),
        (
            "import my_layers",
            "net.py:1: ModuleNotFoundError: No module named 'my_layers'; ",
        ),
        ("import my_layers", "; the file must be self-contained: it may import installed packages"),
        ("", "net.py has no 'f'; it has no function"),
    ],
)
def test_a_file_that_cannot_be_executed(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        file("f", text).build(SHAPE, 4)
    assert str(caught.value).startswith("model: ")
    assert said in str(caught.value)
    # A second try does not find the first one's half-executed module.
    with pytest.raises(ValueError) as again:
        file("f", text).build(SHAPE, 4)
    assert str(again.value) == str(caught.value)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "net.py"
    path.write_text(f"import os\nos.mkdir({str(mark)!r})\ndef small(): pass\n", encoding="utf-8")
    read = read_model_file(f"{path}:small")
    assert (read.file, read.name, read.label) == ("net.py", "small", "net.py:small")
    for wrong in ("", ":", ":a b", ":1"):
        with pytest.raises(ValueError, match=r"accepted: FILE\.py:NAME; it has small$"):
            read_model_file(f"{path}{wrong}")
    assert not mark.exists()
    with pytest.raises(ValueError):
        read.function()
    assert mark.exists()


def test_a_neighbour_of_the_file_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_net.py").write_text("", encoding="utf-8")
    (tmp_path / "net.py").write_text("import neighbour_of_net", encoding="utf-8")
    with pytest.raises(ValueError, match="No module named 'neighbour_of_net'; the file must be"):
        read_model_file(f"{tmp_path}/net.py:f").function()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model: .*/none\.py: no such file$"):
        read_model_file(f"{tmp_path}/none.py:f")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ValueError, match=r"/folder\.py: cannot be read: Is a directory$"):
        read_model_file(f"{tmp_path}/folder.py:f")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"/bytes\.py: is no UTF-8 text$"):
        read_model_file(f"{tmp_path}/bytes.py:f")


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    """As `sha256sum` prints it, line ends and byte order marks included."""
    (tmp_path / "net.py").write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    read = read_model_file(f"{tmp_path}/net.py:x")
    assert read.sha256 == "b1c407da3d760bc4390fd24b1c4d8a1ccb670effa303772e8cd25224340f4c29"
    with pytest.raises(ValueError, match=r"net\.py:x is of type int"):
        read.function()


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        ("net.py:small", True),
        ("a/b.py:C", True),
        ("net.py", True),
        ("a/net", True),
        ("conv4", False),
    ],
)
def test_names_of_the_zoo_are_told_from_files(text: str, is_file: bool) -> None:
    assert is_model_file(text) == is_file
