"""Imports between packages: every file of jcnn is parsed with `ast` and checked with a table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jcnn

ROOT = Path(jcnn.__file__).parent
ANY = "any"

# A package is a file or a folder of jcnn; the value names the packages that it may import.
PACKAGES = {
    "system": "",
    "suggest": "",
    "config": "suggest",
    "compile": "system",
    "checkpoint": "system",
    "mesh": "",
    "ops": "mesh system",
    "layers": "ops suggest",
    "graph": "layers ops suggest",
    "data": "mesh suggest system",
    "interop": "checkpoint data graph layers ops suggest system",
    "models": "compile data graph interop layers ops suggest system",
    "info": "data ops system",
    "runs": "checkpoint config data graph interop layers models ops system",
    "train": "checkpoint compile config data interop layers mesh models ops runs suggest system",
    "trace": "data ops",
    "explore": "compile data graph layers ops system",
    "report": "compile config data explore graph layers models ops runs suggest system trace train",
    "bench": ANY,
    "cli": ANY,
    "__main__": "cli",
    "__init__": "",
}
# Who may import more of `jcnn.ops` than the names that it exports.
INSIDE_CONV = ("ops", "bench", "cli", "info", "runs")
FILES = sorted(ROOT.rglob("*.py"))


def package_of(module: str) -> str:
    """The package of a module, such as "ops" for "jcnn.ops._pool"."""
    _, *parts = module.split(".")
    return parts[0] if parts else "__init__"


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that a file imports; "jcnn.x" for `from jcnn import x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            elif node.module == "jcnn":
                names = (alias.name for alias in node.names)
                yield from (f"jcnn.{name}" if name in PACKAGES else "jcnn" for name in names)
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
    """The violations of the rules in a file of jcnn, such as "ops/_pool.py"."""
    tree = ast.parse(source)
    package = name.split("/")[0].removesuffix(".py")
    found = []
    for module in imported(tree):
        top, *parts = module.split(".")
        if module.startswith("."):
            found.append(f"{name}: relative import {module}")
        if top in ("experiments", "benchmarks", "tests"):
            found.append(f"{name}: imports {module}")
        if top != "jcnn" or module == "jcnn" or package_of(module) == package:
            continue
        if PACKAGES[package] != ANY and package_of(module) not in PACKAGES[package].split():
            found.append(f"{name}: imports {module}")
        if any(part.startswith("_") for part in parts):
            found.append(f"{name}: imports {module}, which is private")
        if module.startswith("jcnn.ops.conv.") and package not in INSIDE_CONV:
            found.append(f"{name}: imports {module}; jcnn.ops exports what others may use")
    only_in = {
        "compiler_options": "compile.py",
        "conv_general_dilated": "ops/conv/lowerings/lax.py",
    }
    used = set(names_in(tree))
    found += [f"{name}: uses {x}" for x, file in only_in.items() if x in used and name != file]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_keeps_the_rules(file: Path) -> None:
    assert faults(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) == []


def test_every_package_is_in_the_table_and_no_other() -> None:
    found = {file.relative_to(ROOT).parts[0].removesuffix(".py") for file in FILES}
    assert found == set(PACKAGES)
    allowed = {name for names in PACKAGES.values() if names != ANY for name in names.split()}
    assert allowed <= found


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("ops/bad.py", "from jcnn import layers", "ops/bad.py: imports jcnn.layers"),
        ("ops/bad.py", "def f():\n    import jcnn.train", "ops/bad.py: imports jcnn.train"),
        ("data/bad.py", "from jcnn.train import fit", "data/bad.py: imports jcnn.train"),
        ("runs/bad.py", "from jcnn.train import fit", "runs/bad.py: imports jcnn.train"),
        (
            "layers.py",
            "from jcnn.ops._pool import max_pool2d",
            "layers.py: imports jcnn.ops._pool, which is private",
        ),
        (
            "layers/bad.py",
            "from jcnn.ops.conv.primitive import conv",
            "layers/bad.py: imports jcnn.ops.conv.primitive; jcnn.ops exports what others may use",
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
        ("runs/good.py", "from jcnn import __version__, config"),
        ("bench/good.py", "from jcnn.ops.conv.table.explain import directions"),
        ("compile.py", "jax.jit(f, compiler_options={})"),
        ("ops/good.py", '"""As `lax.conv_general_dilated`."""'),
    ],
)
def test_the_check_passes_a_good_file(name: str, source: str) -> None:
    assert faults(name, source) == []
