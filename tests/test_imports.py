"""Who may import whom: every file of jcnn is read with `ast` and held against one table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jcnn

PACKAGE = Path(jcnn.__file__).parent
ANY = "any"

# A room is a file or a folder of jcnn; the value names the rooms that it may import.
ROOMS = {
    "caches": "",
    "ops": "caches files",
    "compile": "caches",
    "config": "suggest",
    "data": "caches files suggest",
    "files": "",
    "metrics": "",
    "machine": "",
    "scores": "",
    "suggest": "",
    "history": "files",
    "info": "caches data machine ops",
    "sealed": "files",
    "checkpoint": "files sealed",
    "layers": "ops",
    "models": "compile layers ops suggest",
    "optimizers": "config",
    "plateau": "",
    "programs": "compile config data layers metrics ops optimizers schedules",
    "schedules": "config",
    "train": "checkpoint config data history layers metrics models ops plateau programs schedules",
    "logs": "files history",
    "run": "checkpoint config data files history layers machine models ops",
    "explore": "compile data files layers models ops",
    "report": (
        "compile config data files history layers machine models ops run scores suggest trace"
    ),
    "trace": "data ops",
    "bench": ANY,
    "cli": ANY,
    "__main__": "cli",
    "__init__": "",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a module by its dotted name: "ops" of "jcnn.ops._pool"."""
    _, *parts = module.split(".")
    return parts[0] if parts else "__init__"


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that a file imports anywhere; of `from jcnn import x`, "jcnn.x"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            elif node.module == "jcnn":
                names = (alias.name for alias in node.names)
                yield from (f"jcnn.{name}" if name in ROOMS else "jcnn" for name in names)
            else:
                yield node.module or ""


def names_in(tree: ast.Module) -> Iterator[str]:
    """Every name, attribute, keyword and imported name that the code of a file uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield node.name


def faults(name: str, source: str) -> list[str]:
    """What a file of jcnn, such as "ops/_pool.py", does that it may not."""
    tree = ast.parse(source)
    room = name.split("/")[0].removesuffix(".py")
    found = []
    for module in imported(tree):
        top, *parts = module.split(".")
        if module.startswith("."):
            found.append(f"{name}: relative import {module}")
        if top in ("experiments", "benchmarks", "tests"):
            found.append(f"{name}: imports {module}")
        if top != "jcnn" or module == "jcnn" or room_of(module) == room:
            continue
        if ROOMS[room] != ANY and room_of(module) not in ROOMS[room].split():
            found.append(f"{name}: imports {module}")
        if any(part.startswith("_") for part in parts):
            found.append(f"{name}: imports {module}, which is private")
    doors = {"compiler_options": "compile.py", "conv_general_dilated": "ops/conv/lowerings/lax.py"}
    used = set(names_in(tree))
    found += [f"{name}: uses {x}" for x, door in doors.items() if x in used and name != door]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_keeps_the_rules(file: Path) -> None:
    assert faults(file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")) == []


def test_every_room_is_in_the_table_and_no_other() -> None:
    found = {file.relative_to(PACKAGE).parts[0].removesuffix(".py") for file in FILES}
    assert found == set(ROOMS)
    allowed = {room for rooms in ROOMS.values() if rooms != ANY for room in rooms.split()}
    assert allowed <= found


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("ops/bad.py", "from jcnn import layers", "ops/bad.py: imports jcnn.layers"),
        ("ops/bad.py", "def f():\n    import jcnn.train", "ops/bad.py: imports jcnn.train"),
        ("data/bad.py", "from jcnn.train import fit", "data/bad.py: imports jcnn.train"),
        ("train/bad.py", "from jcnn.runs import load", "train/bad.py: imports jcnn.runs"),
        (
            "layers.py",
            "from jcnn.ops.conv.conv2d import conv2d",
            "layers.py: imports jcnn.ops.conv.conv2d, which is private",
        ),
        ("cli/bad.py", "import benchmarks.timing", "cli/bad.py: imports benchmarks.timing"),
        ("cli/bad.py", "from . import train", "cli/bad.py: relative import ."),
        ("train.py", "jax.jit(f, compiler_options={})", "train.py: uses compiler_options"),
        (
            "ops/bad.py",
            "from jax.lax import conv_general_dilated as conv",
            "ops/bad.py: uses conv_general_dilated",
        ),
    ],
)
def test_the_check_sees_a_bad_file(name: str, source: str, fault: str) -> None:
    assert faults(name, source) == [fault]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ops/good.py", "from jcnn.ops._window import Window\nimport jax.numpy"),
        ("layers.py", "from jcnn import ops\nfrom jcnn.ops import Size"),
        ("run.py", "from jcnn import __version__, checkpoint"),
        ("compile.py", "jax.jit(f, compiler_options={})"),
        ("ops/good.py", '"""As `lax.conv_general_dilated`."""'),
    ],
)
def test_the_check_passes_a_good_file(name: str, source: str) -> None:
    assert faults(name, source) == []
