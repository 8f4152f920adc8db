"""Modules joined into one script: order, what is refused, and the page's own files."""

import re
import shutil
import zipfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import jcnn
from jcnn.explore._scripts import joined

PACKAGE = Path(jcnn.__file__).parent
PAGE = PACKAGE / "explore" / "page"
OWN = {file.name: file.read_text(encoding="utf-8") for file in sorted(PAGE.glob("*.js"))}

A = 'import { b } from "./b.js";\nimport {\n  c,\n  d,\n} from "./c.js";\nb(c, d);\n'
B = 'import { c } from "./c.js";\nexport function b() {\n  return c;\n}\n'
C = 'export const c = "export const x";\nexport async function d() {}\n'


def test_dependencies_come_first_and_once() -> None:
    text = joined({"main.js": A, "b.js": B, "c.js": C, "unused.js": "throw 1;"})
    assert text == (
        '// c.js\nconst c = "export const x";\nasync function d() {}\n\n'
        "// b.js\nfunction b() {\n  return c;\n}\n\n// main.js\nb(c, d);\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import { b as e } from "./b.js";\n', "main.js: imports a name under another: import"),
        ('import { x } from "./x.js";\n', "main.js: imports x.js, which does not exist"),
        ('import b from "./b.js";\n', "main.js: cannot be joined: import b from"),
        ('import * as b from "./b.js";\n', "main.js: cannot be joined: import *"),
        ("export default 1;\n", "main.js: cannot be joined: export default 1;"),
        ('const b = await import("./b.js");\n', 'main.js: cannot be joined: import("./b.js")'),
        ('const x = "</SCRIPT>";\n', "main.js: contains text that would end a script"),
        ("const x = 1 <!--2;\n", "main.js: contains text that would"),
        ('import { a } from "./a.js";\n', "main.js: import cycle: main.js -> a"),
    ],
)
def test_what_cannot_be_joined_is_refused(text: str, message: str) -> None:
    sources = {"main.js": text, "a.js": 'import { x } from "./main.js";\n', "b.js": C}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        joined(sources)


def test_a_file_imports_just_what_it_uses() -> None:
    """A forgotten import works in the joined script, but not as modules."""
    defined = {
        name: file
        for file, text in OWN.items()
        for name in re.findall(r"^export (?:async )?function\*? (\w+)", text, re.M)
    }
    assert len(defined) > 60
    for file, text in OWN.items():
        body = re.sub(r"^import [^;]*;|//.*|\"[^\"\n]*\"", "", text, flags=re.M)
        imported = {
            name.strip()
            for names in re.findall(r"^import \{([^}]*)\}", text, re.M)
            for name in names.split(",")
            if name.strip()
        }
        assert {name for name in imported if not re.search(rf"\b{name}\b", body)} == set(), file
        called = set(re.findall(r"(?<![\w.])(\w+)\(", body)) & defined.keys()
        local = {name for name in called if defined[name] == file}
        assert called - local - imported == set(), file


def test_top_level_names_differ_over_all_files() -> None:
    found: dict[str, str] = {}
    for name, text in OWN.items():
        for defined in re.findall(
            r"^(?:export )?(?:async )?(?:const|let|function\*?|class) (\w+)", text, re.M
        ):
            assert defined not in found, f"{name} and {found[defined]} both define {defined}"
            found[defined] = name
    assert found["unpack"] == "numbers.js"


def test_what_a_file_imports_the_other_exports() -> None:
    for name, text in OWN.items():
        for names, other in re.findall(
            r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w-]+\.js)"', text, re.M
        ):
            for wanted in filter(None, (word.strip() for word in names.split(","))):
                exported = rf"^export (?:async )?(?:const|let|function\*?|class) {wanted}\b"
                assert re.search(exported, OWN[other], re.M), f"{name}: {wanted} of {other}"


def test_the_page_is_one_script() -> None:
    text = joined(OWN)
    assert not re.search(r"^(import|export)\b", text, re.M)


def test_the_wheel_holds_the_pages_files(tmp_path: Path) -> None:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    root = PACKAGE.parent
    if not (root / "pyproject.toml").exists():
        pytest.skip("jcnn is installed without its sources")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        if (root / name).exists():
            shutil.copy(root / name, tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "jcnn", ignore=shutil.ignore_patterns("__pycache__"))
    builder = import_module("hatchling.builders.wheel").WheelBuilder(str(tmp_path))
    (wheel,) = builder.build(directory=str(tmp_path / "dist"), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"jcnn/explore/page/{file.name}" for file in PAGE.iterdir()} <= names
