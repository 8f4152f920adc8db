"""Join the modules of the page as the package does, independently of its code."""

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "jcnn" / "explore" / "page"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)


def joined(text: str, seen: set[str] | None = None) -> str:
    """The text of a module after its imports, without import and export."""
    seen = set() if seen is None else seen
    parts = []
    for name in _IMPORT.findall(text):
        if name not in seen:
            seen.add(name)
            parts.append(joined((PAGE / name).read_text(encoding="utf-8"), seen))
    return "".join([*parts, re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)])


@cache
def joined_files(*names: str) -> str:
    """The same for files of the page."""
    return joined("".join(f'import {{ all }} from "./{name}";\n' for name in names))
