"""The page's modules joined as the package joins them, by code of the tests' own."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "jcnn" / "explore" / "page"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)


def joined(text: str, seen: set[str] | None = None) -> str:
    """A module's text after all that it imports, without the words import and export."""
    seen = set() if seen is None else seen
    parts = []
    for name in _IMPORT.findall(text):
        if name not in seen:
            seen.add(name)
            parts.append(joined((PAGE / name).read_text(encoding="utf-8"), seen))
    return "".join([*parts, re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)])


def joined_files(*names: str) -> str:
    """The same for files of the page."""
    return joined("".join(f'import {{ all }} from "./{name}";\n' for name in names))
