"""A user error is one line on stderr that names the cause, and exit code 2."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Trained
from tests.cli.process import Result

Jcnn = Callable[..., Result]


def assert_refused(result: Result, *named: str) -> None:
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("jcnn: ")
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1, result.err
    for name in named:
        assert name in result.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", "train, evaluate, predict, report, explore, export, import, show, summary"),
        ("trian", "command: got 'trian'; accepted: train, evaluate, predict, "),
        ("trian", "; see jcnn --help; did you mean 'train'?"),
        ("draw netwrk", "; see jcnn draw --help; did you mean 'network'?"),
        ("trace cnv", "; see jcnn trace --help; did you mean 'conv'?"),
        (
            "data lst",
            "command: got 'lst'; accepted: show, pack, cache, list; see jcnn data --help; did you",
        ),
        ("bench startp", "; see jcnn bench --help; did you mean 'startup'?"),
        ("draw", "command: got none; accepted: strips, filters, network, convolution;"),
        ("--verion", "unknown option --verion; see jcnn --help; did you mean '--version'?"),
        ("trace conv grey", "unexpected argument 'grey'; see jcnn trace conv --help\n"),
        ("train --modl conv1", "option --modl; see jcnn train --help; did you mean '--model'?"),
        ("train --lr 0.1", "option --lr; see jcnn train --help; did you mean '--learning-rate'?"),
        ("train --epoch 3", "option --epoch; see jcnn train --help; did you mean '--epochs'?"),
        ("train --resize crp", "--resize: got 'crp'; accepted: stretch, crop, pad; see"),
        ("train --resize crp", "; did you mean 'crop'?"),
        ("train --schedule cosin", "; did you mean 'cosine'?"),
        ("train --color gray", "--color: got 'gray'; accepted: grey, rgb; see"),
        ("train --image-size 9", "--image-size: got '9'; accepted: H W; see jcnn train --help"),
        ("train --image-size", "--image-size: got no value; accepted: H W; see"),
        ("train --patience it's", '--patience: got "it\'s"; accepted: an int; see'),
        ("draw convolution", "missing: --input GRID, --kernel GRID; see jcnn draw convolution"),
        ("train --model mlp --batchsize 3", "; did you mean '--batch-size'?"),
        ("data show digits --agument flip", "; did you mean '--augment'?"),
        ("evalute x", "; did you mean 'evaluate'?"),
        ("train --optimizer adm", "; did you mean 'adam'?"),
        ("train --model conv44", "; did you mean 'conv4'?"),
        ("summary conv44", "; did you mean 'conv4'?"),
        ("explore conv44", "; did you mean 'conv4'?"),
        ("train --data fashon_mnist", "; did you mean 'fashion_mnist'?"),
        ("train --data foldr:x", "; did you mean 'folder:x'?"),
        ("train --data digits --augment flip,shfit", "; did you mean 'shift'?"),
        ("train somewhere", "somewhere"),
        ("train --model conv3", "model: got 'conv3'; accepted: mlp, mlp_dropout, conv1"),
        (
            "train --data minst",
            "got 'minst'; accepted: mnist5k, digits, fashion_mnist, mnist, kmnist, cifar10, ",
        ),
        ("train --data idx:nowhere", "nowhere: no such folder"),
        ("train --data tfds:a/b/c", "tfds: got 'a/b/c'; expected NAME, NAME/CONFIG or"),
        ("train --data fashion_mnist --data-dir nowhere", "nowhere: no such folder"),
        ("train --data digits --data-dir x", "data_dir: got 'x'; 'digits' takes none"),
        ("train --epochs 0", "epochs: got 0; accepted: an int >= 1"),
        ("train --epochs -3", "epochs: got -3;"),
        ("train --epochs two", "--epochs: got 'two'; accepted: an int; see jcnn train --help"),
        ("train --epochs 1.5", "--epochs: got '1.5'; accepted: an int;"),
        ("train --epochs", "--epochs: got no value;"),
        ("train --batch-size 0", "batch_size: got 0; accepted: an int >= 1"),
        ("train --batch-size many", "--batch-size: got 'many'; accepted: an int;"),
        ("train --learning-rate 0", "learning_rate: got 0.0; accepted: a number > 0"),
        ("train --learning-rate nan", "learning_rate: got nan"),
        ("train --learning-rate 1,5", "--learning-rate: got '1,5'; accepted: a number;"),
        (
            "train --validation-split 1",
            "validation_split: got 1.0; accepted: 0 <= validation_split < 1",
        ),
        (
            "train --data digits --validation-split 0.9999",
            "validation_split: got 0.9999 for 1438 images; no image is left for training",
        ),
        ("train --seed -1", "seed: got -1; accepted: an int, 0 <= seed"),
        ("train --data digits --model creatures", "model: 'creatures' cannot take images of"),
        ("train --resume nowhere", "nowhere: is no run folder (it has no config.json)"),
        ("evaluate", "RUN"),
        ("evaluate nowhere", "nowhere: is no run folder"),
        ("evaluate a b", "b"),
        ("report", "RUN"),
        ("report nowhere", "nowhere: is no run folder"),
        ("explore", "RUN|MODEL"),
        ("explore nowhere", "model: got 'nowhere'; accepted: a run folder, FILE.py:NAME, or "),
        ("explore tiny_vgg", "images: tiny_vgg takes 64x64x3; name some with --image or --data"),
        ("explore mlp --image nowhere.png", "nowhere.png"),
        ("explore mlp --index 1000", "--index: got 1000; accepted: 0 to 999"),
        ("explore mlp --index x", "--index"),
        ("explore mlp --data minst", "data: got 'minst'; accepted: mnist5k, "),
        ("explore mlp --out no/page.html", "no: no such folder"),
        ("predict nowhere x.png", "nowhere: is no run folder"),
        ("predict nowhere", "images: got none; name at least one image file or folder"),
        ("summary", "MODEL"),
        ("summary no/run", "no/run: no such run folder"),
        ("summary conv3", "model: got 'conv3'; accepted: mlp"),
        ("summary conv4 --input-shape 2 2", "--input-shape: got '2 2'; accepted: H W C;"),
        ("summary conv4 --input-shape 2 2 1", "'conv4' cannot take images of shape (2, 2, 1)"),
        ("summary conv4 --input-shape 0 2 1", "--input-shape: got (0, 2, 1); accepted: ints >= 1"),
        ("summary conv4 --classes 0", "--classes: got 0; accepted: an int >= 1"),
        ("models --jsn", "--jsn"),
    ],
)
def test_a_mistake_in_the_arguments(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(jcnn(*words.split()), named)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_a_file(jcnn: Jcnn, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    for words in ("evaluate RUN", "report RUN", "predict RUN RUN", "train --resume RUN"):
        result = jcnn(*words.replace("RUN", str(file)).split())
        assert_refused(result, f"{file}: is no run folder")
    train = ["train", "--data", "digits", "--model", "mlp", "--out"]
    assert_refused(jcnn(*train, file), f"{file}: is a file; a run needs a folder of its own")
    assert_refused(jcnn(*train, file / "deeper"), str(file / "deeper"))
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_run_that_exists_already(jcnn: Jcnn, trained: Trained) -> None:
    before = (trained.run / "config.json").read_bytes()
    result = jcnn("train", "--data", "digits", "--model", "mlp", "--out", trained.run)
    assert_refused(result, f"{trained.run}: exists already; name another folder", "--resume")
    assert (trained.run / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["cnv"], "freeze: got 'cnv'; accepted: backbone, or paths of layers: conv2d, "),
        (["backbone", "dense"], "freeze: got backbone, dense, which leaves no parameter to train"),
        (
            ["dense", "--augment", "flip", "--feature-views", "2"],
            "feature_views: got 2; accepted: 0 where the first trained layer is the first of",
        ),
    ],
)
def test_a_wrong_layer_to_freeze_leaves_no_run(
    jcnn: Jcnn, tmp_path: Path, names: list[str], said: str
) -> None:
    run = tmp_path / "run"
    words = ["train", "--model", "conv1", "--data", "digits", "--out", run, "--freeze", *names]
    assert_refused(jcnn(*words), said)
    assert not run.exists()


def test_a_run_without_its_parts(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(trained.run / "config.json", run)
    for command in ("evaluate", "report"):
        assert_refused(jcnn(command, run), f"{run}: has no checkpoint yet")
    (run / "config.json").write_text('{"model": "conv1"}', encoding="utf-8")
    assert_refused(jcnn("evaluate", run), f"{run / 'config.json'}: is not a run's configuration")
    (run / "config.json").write_text("{\n\n", encoding="utf-8")
    assert_refused(jcnn("train", "--resume", run), f"{run / 'config.json'}: cannot be read")


def test_a_picture_that_is_none(jcnn: Jcnn, trained: Trained, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert_refused(jcnn("predict", trained.run, tmp_path / "none.png"), "none.png: no such file")
    assert_refused(jcnn("predict", trained.run, broken), f"{broken}: ")
    assert_refused(jcnn("predict", trained.run, tmp_path), f"{broken}: ")
    assert_refused(jcnn("predict", trained.run, tmp_path / "*.gif"), "*.gif: no file matches")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(jcnn("predict", trained.run, empty), f"{empty}: no image in this folder")


def test_pictures_of_another_size_than_the_models(jcnn: Jcnn, trained: Trained) -> None:
    result = jcnn("evaluate", trained.run, "--data", "mnist5k")
    assert_refused(result, "model: cannot take images of (28, 28, 1): layer 'dense': kernel: got")


def test_data_that_is_a_folder_or_a_file(
    jcnn: Jcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("three", "four"):
        (tmp_path / name).mkdir()
    (tmp_path / "four" / "t10k-images-idx3-ubyte.gz").touch()
    (tmp_path / "five.npz").touch()
    for name, meant in (("three", "folder"), ("four", "idx"), ("five.npz", "npz")):
        result = jcnn("train", "--data", name)
        assert_refused(result, f"data: got '{name}'; ", f"; did you mean '{meant}:{name}'?")
