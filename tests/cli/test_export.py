"""`jcnn export`: files for other programs, and mistakes in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jax import export

from jcnn.runs import load
from jcnn.train import predict
from tests.cli.conftest import Trained
from tests.cli.process import Result


def test_a_run_becomes_a_program_with_its_classes(
    trained: Trained, jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "net.stablehlo"
    done = jcnn("export", trained.run, file, "--with-preprocessing")
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == [str(file), f"{file}.json"]
    model, config = load(trained.run)
    images = np.random.default_rng(1).integers(0, 256, (3, *config.input_shape), np.uint8)
    program = export.deserialize(bytearray(file.read_bytes()))
    np.testing.assert_allclose(program.call(images), predict(model, images), rtol=0, atol=2e-5)
    about = json.loads(Path(f"{file}.json").read_text(encoding="utf-8"))
    assert tuple(about["class_names"]) == config.class_names


def test_mistakes_are_one_line(
    trained: Trained, jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    for words, said in (
        ((trained.run, tmp_path / "net.pth"), "accepted: a name that ends in .onnx, .stablehlo"),
        ((trained.run, tmp_path / "net.safetensors"), "flattens maps of"),
        ((tmp_path, tmp_path / "net.stablehlo"), "is no run folder"),
        ((trained.run, tmp_path / "no" / "net.stablehlo"), "No such file or directory"),
        (
            (trained.run, tmp_path / "no" / "net.onnx"),
            f"jcnn: {tmp_path}/no/net.onnx: No such file or directory\n",
        ),
    ):
        done = jcnn("export", *words)
        assert done.code == 2
        assert said in done.err
        assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
