"""`jcnn import`: another library's model as a run, and mistakes in one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jcnn.checkpoint import arrays, steps
from jcnn.cli.train_model import with_saved_optimizer
from jcnn.interop import save_model
from jcnn.models import build
from jcnn.runs import load, read_config
from jcnn.train import predict
from tests.cli.conftest import Trained
from tests.cli.process import Result
from tests.interop.keras_files import WEIGHTS, functional, write_h5, write_weights


def test_a_file_becomes_a_run_that_predicts(jcnn: Callable[..., Result], tmp_path: Path) -> None:
    file, run = write_h5(tmp_path / "net.h5", functional()), tmp_path / "run"
    words = ("--out", run, "--classes", "a", "b", "c", "d", "e", "--range", "-1", "1")
    done = jcnn("import", file, *words)
    assert done.code == 0, done.err
    assert done.out.strip() == str(run)
    assert done.err == ("jcnn: note: dense_1 softmax: left out, since jcnn's models give logits\n")
    _, config = load(run)
    assert config.preprocessing is not None
    assert config.preprocessing.describe().endswith("(x / 255 - 0.5) / 0.5")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "i.png")
    predicted = jcnn("predict", run, tmp_path / "i.png", "--top", "5")
    assert predicted.code == 0, predicted.err
    assert all(f"{name} (" in predicted.out for name in "abcde")


@pytest.mark.usefixtures("blank_figures")
def test_an_imported_run_is_trained_on(jcnn: Callable[..., Result], tmp_path: Path) -> None:
    file, source = write_h5(tmp_path / "net.h5", functional()), tmp_path / "source"
    assert jcnn("import", file, "--out", source, "--range", "-1", "1").code == 0
    pixels = np.random.default_rng(0).integers(0, 256, (24, 7, 6, 3), np.uint8)
    for number, image in enumerate(pixels):
        folder = tmp_path / "pets" / ("train" if number < 18 else "test") / "abc"[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    words = ("train", "--weights", source, "--data", f"folder:{tmp_path}/pets", "--batch-size", "6")
    done = jcnn(*words, "--epochs", "1", "--out", tmp_path / "run", "--freeze", "backbone")
    assert done.code == 0, done.err
    assert "weights: 2 arrays loaded; made anew: dense_1/kernel, dense_1/bias" in done.err
    model, config = load(tmp_path / "run")
    assert (config.model, config.model_from, config.class_names) == (
        "net.h5",
        "graph",
        tuple("abc"),
    )
    before, _ = load(source)
    kernel = "conv2d_1"
    np.testing.assert_array_equal(
        getattr(model, kernel).kernel[...], getattr(before, kernel).kernel[...]
    )
    assert config.preprocessing is not None
    assert config.preprocessing.describe().endswith("(x / 255 - 0.5) / 0.5")
    more = jcnn("train", "--resume", tmp_path / "run", "--epochs", "2")
    assert more.code == 0, more.err
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 2


@pytest.mark.usefixtures("blank_figures")
def test_the_optimizer_goes_on_where_it_fits(
    jcnn: Callable[..., Result], trained: Trained, tmp_path: Path
) -> None:
    file, source = tmp_path / "net.keras", tmp_path / "source"
    assert jcnn("export", trained.run, file).code == 0
    assert jcnn("import", file, "--out", source).code == 0
    updates = steps(trained.run)[-1]
    words = ("train", "--weights", source, "--data", "digits", "--epochs", "1")
    done = jcnn(*words, "--batch-size", "64", "--out", tmp_path / "on")
    assert done.code == 0, done.err
    assert f"note: adam goes on after {updates} updates, with learning rate 0.001" in done.err
    state = arrays(tmp_path / "on")
    assert int(state["optimizer.t"]) == updates + steps(tmp_path / "on")[-1]
    config = read_config(tmp_path / "on")
    for given, changes, said in (
        (["--learning-rate"], {"learning_rate": 0.5}, "adam goes on after {} updates, with lear"),
        (
            ["--optimizer"],
            {"optimizer": "sgd"},
            "the optimizer starts anew: that of the weights is",
        ),
        (["--freeze"], {"freeze": ("conv2d",)}, "the optimizer starts anew: other layers are fro"),
    ):
        notes: list[object] = []
        changed = replace(config, train=replace(config.train, **changes))
        made = with_saved_optimizer(changed, given, notes.append)
        assert made.train == changed.train
        assert said.format(updates) in str(notes[0])


def test_weights_and_an_architecture(jcnn: Callable[..., Result], tmp_path: Path) -> None:
    architecture = tmp_path / "model.json"
    architecture.write_text(json.dumps(functional()), encoding="utf-8")
    file = write_weights(tmp_path / "only.h5", WEIGHTS)
    done = jcnn("import", file, "--architecture", architecture, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert load(tmp_path / "run")[1].input_shape == (7, 6, 3)


def test_an_onnx_file_has_its_architecture(jcnn: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    names = [str(number) for number in range(10)]
    save_model(build("mlp", (4, 4, 1), 10), file, input_shape=(4, 4, 1), class_names=names)
    done = jcnn("import", file, "--architecture", "model.json", "--out", tmp_path / "run")
    assert done.code == 2
    assert done.err == f"jcnn: architecture: got one for {file}, which is ONNX; accepted: None\n"
    assert not (tmp_path / "run").exists()


def test_mistakes_are_one_line_and_leave_no_folder(
    jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    file, run = write_h5(tmp_path / "net.h5", functional()), tmp_path / "run"
    only = write_weights(tmp_path / "only.h5", WEIGHTS)
    (tmp_path / "text").write_text("x", encoding="utf-8")
    for words, said in (
        ((file, "--classes", "a", "b"), "--classes: got 2 names; the model has 5 classes"),
        ((file, "--range", "1", "-1"), "range: got 1 and -1; accepted: two numbers"),
        ((file, "--input-shape", "8", "8", "3"), "takes images of (7, 6, 3), not (8, 8, 3)"),
        ((tmp_path / "text",), "is of an unknown format; accepted: a Keras model"),
        ((only,), "give its architecture, too (model.to_json())"),
        ((only, "--architecture", tmp_path / "none"), f"jcnn: {tmp_path}/none: no such file\n"),
        ((only, "--architecture", tmp_path), "not a file; accepted: what model.to_json() gives"),
        ((only, "--architecture", tmp_path / "text"), "its configuration is no valid JSON"),
        ((tmp_path / "none.h5",), f"jcnn: {tmp_path}/none.h5: no such file\n"),
    ):
        done = jcnn("import", *words, "--out", run)
        assert done.code == 2
        assert said in done.err
        assert len(done.err.splitlines()) == 1
        assert not run.exists()


def test_an_onnx_file_becomes_the_run_that_it_was(
    jcnn: Callable[..., Result], tmp_path: Path
) -> None:
    """Class names and preprocessing are in the file, the probabilities are the same."""
    run, file, again = tmp_path / "run", tmp_path / "net.onnx", tmp_path / "again"
    words = ("--out", run, "--classes", "a", "b", "c", "d", "e", "--range", "-1", "1")
    assert jcnn("import", write_h5(tmp_path / "net.h5", functional()), *words).code == 0
    assert jcnn("export", run, file, "--with-preprocessing").code == 0
    done = jcnn("import", file, "--out", again)
    assert done.code == 0, done.err
    assert done.err == "jcnn: note: probabilities: left out, since jcnn's models give logits\n"
    models, configs = zip(*(load(one) for one in (run, again)), strict=True)
    assert configs[0].class_names == configs[1].class_names == tuple("abcde")
    assert configs[0].preprocessing == configs[1].preprocessing
    images = np.random.default_rng(0).integers(0, 256, (2, 7, 6, 3), np.uint8)
    first, second = (predict(model, images) for model in models)
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)
