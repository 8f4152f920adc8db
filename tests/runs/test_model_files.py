"""Runs of a user's model file: what is executed, and that nothing else is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flax import nnx

from jcnn import checkpoint, runs
from jcnn.config import Population, TrainConfig
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.models.file import read_model_file
from jcnn.runs import RunConfig, RunError
from jcnn.runs.folder import model_arrays
from jcnn.runs.history import History
from tests.train.small import assert_same_bits

TEXT = """
import pathlib

from jcnn.layers import Dense, Flatten

pathlib.Path({mark!r}).touch()


def small(input_shape, classes, *, rngs):
    return [Flatten(), Dense(12, classes, rngs=rngs)]


other = small
"""
SHAPE, NAMES = (2, 3, 2), ("a", "b", "c")


class Made:
    """A run of a model file, the file, and the mark that executing the file leaves."""

    def __init__(self, folder: Path) -> None:
        self.mark, self.run, self.path = folder / "mark", folder / "run", folder / "net.py"
        self.path.write_text(TEXT.format(mark=str(self.mark)), encoding="utf-8")
        self.file = read_model_file(f"{self.path}:small")
        self.config = RunConfig(
            "net.py:small",
            SHAPE,
            NAMES,
            "digits",
            None,
            TrainConfig(),
            model_from="file",
            model_sha256=self.file.sha256,
        )
        self.model = Sequential([Flatten(), Dense(12, 3, rngs=nnx.Rngs(8))])
        runs.create(self.run, self.config, self.file)
        checkpoint.save(self.run, 1, model_arrays(self.model), {"histories": [[]], "step": 0})

    def refuses(self, **arguments: Any) -> str:
        """The message of `load`, which must not have executed anything."""
        with pytest.raises(RunError) as caught:
            runs.load(self.run, **arguments)
        assert not self.mark.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{self.run}")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_a_run_keeps_the_text_and_its_hash(made: Made) -> None:
    assert (made.run / "model.py").read_bytes() == made.path.read_bytes()
    content = json.loads((made.run / "config.json").read_text(encoding="utf-8"))
    assert content["model"] == "net.py:small"
    assert content["model_from"] == "file"
    assert content["model_sha256"] == made.file.sha256
    assert runs.read_config(made.run) == made.config
    assert not made.mark.exists()


def test_the_model_of_a_file_is_loaded_where_the_user_names_it(made: Made) -> None:
    for arguments in ({"model": f"{made.path}:small"}, {"trust": True}):
        loaded, config = runs.load(made.run, **arguments)
        assert_same_bits(loaded, made.model)
        assert config == made.config
    assert made.mark.exists()
    renamed = made.path.rename(made.path.with_name("renamed.py"))
    runs.load(made.run, model=f"{renamed}:small")
    runs.load(made.run, model=f"{made.run}/model.py:small")
    given = Sequential([Flatten(), Dense(12, 3, rngs=nnx.Rngs(0))])
    assert runs.load(made.run, model=given)[0] is given
    assert_same_bits(given, made.model)


def test_nothing_is_executed_unless_the_user_says_so(made: Made) -> None:
    said = made.refuses()
    assert said == (
        ": its model is built by a file, net.py:small, which is not executed unless you name it "
        "again (--model FILE.py:small) or trust the run's copy of it (--trust)"
    )


@pytest.mark.parametrize("damage", ["changed", "missing", "bytes", "hash"])
def test_a_tampered_copy_is_never_executed(made: Made, damage: str) -> None:
    copy = made.run / "model.py"
    if damage == "changed":
        copy.write_text(made.file.text + " ", encoding="utf-8")
    elif damage == "missing":
        copy.unlink()
    elif damage == "bytes":
        copy.write_bytes(made.file.text.encode("utf-16"))
    else:
        content = json.loads((made.run / "config.json").read_text(encoding="utf-8"))
        content["model_sha256"] = ""
        (made.run / "config.json").write_text(json.dumps(content), encoding="utf-8")
    said = made.refuses(trust=True)
    assert said == (
        "/model.py: is missing or has changed since the run was made, and is not executed; name "
        "the file that the model was built by: --model FILE.py:small"
    )
    made.refuses()
    if damage != "hash":  # the user's own file is the recorded one
        assert_same_bits(runs.load(made.run, model=f"{made.path}:small")[0], made.model)


def test_a_changed_file_is_refused_and_the_line_is_named(made: Made) -> None:
    changed = made.file.text.replace("Dense(12", "Dense(13")
    made.path.write_text(changed, encoding="utf-8")
    said = made.refuses(model=f"{made.path}:small")
    assert said == (
        f": its model was built by another text than that of {made.path}:small: line 10 was "
        "'    return [Flatten(), Dense(12, classes, rngs=rngs)]\\n' and is "
        "'    return [Flatten(), Dense(13, classes, rngs=rngs)]\\n'; the run's text is "
        f"{made.run}/model.py: name that one, or say --trust"
    )
    made.path.write_text(made.file.text + "# more", encoding="utf-8")
    assert "line 14 was not there and is '# more'" in made.refuses(model=f"{made.path}:small")
    made.path.write_bytes(made.file.text.replace("\n", "\r\n").encode())
    assert r"line 1 was '\n' and is '\r\n'" in made.refuses(model=f"{made.path}:small")
    (made.run / "model.py").write_text("open('x')", encoding="utf-8")
    said = made.refuses(model=f"{made.path}:small")
    assert f"(SHA-256 {made.file.sha256[:12]}..., got " in said
    assert said.endswith("model.py, is missing or has changed, too")


def test_another_function_or_a_model_of_the_zoo_is_refused(made: Made) -> None:
    said = made.refuses(model=f"{made.path}:other")
    assert said == ": its model is built by 'small' of its file, not by 'other'"
    assert made.refuses(model="conv1") == ": its model is net.py:small, not conv1"
    with pytest.raises(ValueError, match=r"^trust: give either it or model, not both$"):
        runs.load(made.run, model=f"{made.path}:small", trust=True)


def test_a_run_of_the_zoo_takes_no_other_model(tmp_path: Path) -> None:
    config = RunConfig("mlp", SHAPE, NAMES, "digits", None, TrainConfig())
    runs.create(tmp_path, config)
    checkpoint.save(tmp_path, 1, model_arrays(config.build()), {"histories": [[]], "step": 0})
    assert_same_bits(runs.load(tmp_path, model="mlp")[0], runs.load(tmp_path)[0])
    with pytest.raises(RunError, match=r"its model is mlp, not conv1$"):
        runs.load(tmp_path, model="conv1")
    (tmp_path / "net.py").write_text("raise SystemError", encoding="utf-8")
    with pytest.raises(RunError, match="its model is mlp of the zoo, not"):
        runs.load(tmp_path, model=f"{tmp_path}/net.py:f")


def test_a_creation_that_was_cut_short_can_be_done_again(tmp_path: Path) -> None:
    made = Made(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    (again / "model.py").write_text(made.file.text, encoding="utf-8")
    runs.create(again, made.config, made.file)
    assert sorted(path.name for path in again.iterdir()) == ["config.json", "model.py"]
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.py").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="exists already"):
        runs.create(own, made.config, made.file)
    assert (own / "model.py").read_text(encoding="utf-8") == "mine"


def test_each_member_of_a_population_has_the_file(made: Made) -> None:
    config = replace(made.config, population=Population(seeds=2))
    models = [member.build(made.file) for member in config.members()]
    made.mark.unlink()
    runs.write_members(made.run, config, models, [History(), History()])
    for number, member in enumerate(models):
        folder = runs.member_folder(made.run, number)
        with pytest.raises(RunError, match="is not executed unless you name it again"):
            runs.load(folder)
        assert_same_bits(runs.load(folder, trust=True)[0], member)
