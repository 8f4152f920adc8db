"""`jcnn show`: what is in a file, and what of it cannot be imported."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn.interop import save_model
from jcnn.models import build
from tests.cli.process import Result
from tests.interop.keras_files import functional, write_h5

Jcnn = Callable[..., Result]
NAMES = [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("suffix", "titles"),
    [
        ("keras", ["Keras 3.15.0, .keras, takes 12x12x1", "conv2d", "12x12x32", "Dense"]),
        ("h5", ["Keras 3.15.0, .h5, takes 12x12x1", "conv2d", "12x12x32", "Dense"]),
        ("onnx", ["ONNX", "takes 12x12x1", "Conv", "12x12x32", "Gemm"]),
    ],
)
def test_layers_shapes_and_parameters(
    jcnn: Jcnn, tmp_path: Path, suffix: str, titles: list[str]
) -> None:
    model = build("conv1", (12, 12, 1), 10, seed=1)
    file = tmp_path / f"net.{suffix}"
    save_model(model, file, input_shape=(12, 12, 1), class_names=NAMES)
    done = jcnn("show", file)
    assert (done.code, done.err) == (0, "")
    for text in (*titles, "46,410"):
        assert text in done.out, done.out
    assert "cannot be imported" not in done.out


def test_arrays_of_a_file_of_weights(jcnn: Jcnn, tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    save_model(
        build("squeezenet1_1", (64, 64, 3), 10),
        file,
        input_shape=(64, 64, 3),
        class_names=NAMES,
    )
    done = jcnn("show", file)
    assert done.code == 0, done.err
    assert "features.0.weight" in done.out
    assert "64x3x3x3" in done.out
    assert "note: these are weights alone: jcnn train --weights FILE" in done.out


def test_what_is_refused_is_said_of_each_layer(jcnn: Jcnn, tmp_path: Path) -> None:
    config = copy.deepcopy(functional())
    layers = config["config"]["layers"]
    layers[2] = {**layers[2], "class_name": "Lambda"}
    file = write_h5(tmp_path / "net.h5", config)
    done = jcnn("show", file)
    assert done.code == 0, done.err
    (row,) = [line for line in done.out.splitlines() if "Lambda" in line and "tanh_1" in line]
    assert "?" in row
    assert "1 of 5 layers cannot be imported" in done.out
    refused = jcnn("import", file, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "tanh_1: " in refused.err


def test_mistakes_are_one_line(jcnn: Jcnn, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x", encoding="utf-8")
    for path, said in (
        (tmp_path / "text", "is of an unknown format; accepted: a file of Keras, ONNX"),
        (tmp_path / "none.h5", "none.h5: no such file"),
        (tmp_path, "not a file; accepted: a file of Keras"),
    ):
        done = jcnn("show", path)
        assert done.code == 2
        assert said in done.err
        assert len(done.err.splitlines()) == 1
