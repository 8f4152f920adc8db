"""Join ES modules into one script, which a browser can run without a server."""

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import\s*\{[^{}]*\}\s*from\s*"\./([\w-]+\.js)";[ \t]*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function\b|const\b|let\b|class\b)", re.MULTILINE)
# A line with a comment alone; comments are for those who read the files, not for the page.
_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|^import .*\bas\b.*", re.MULTILINE)


def joined(sources: Mapping[str, str], main: str = "main.js") -> str:
    """Join `main` and all its imports into one module, dependencies first.

    Supported are imports of names from files in the same folder, `import {a, b} from "./c.js";`,
    without renaming, and exports of definitions, `export function a`. Both are removed in the
    joined module, so top-level names must be unique across all files. Lines with a comment alone
    are left out.

    Args:
        sources: text of each file by name.
        main: name of the entry file.

    Raises:
        ValueError: a file imports or exports in another way, imports a missing file, is part of
            an import cycle, or contains text that would end a script in HTML.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"{name}: import cycle: {' -> '.join(importers)}")
        if name in done:
            return
        if name not in sources:
            raise ValueError(f"{importers[-1]}: imports {name}, which does not exist")
        text = sources[name]
        for found in _IMPORT.finditer(text):
            if re.search(r"\bas\b", found.group()):
                raise ValueError(f"{name}: imports a name under another: {found.group().strip()}")
            add(found.group(1), (*importers, name))
        plain = _COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))
        other = _OTHER.search(plain)
        if other:
            raise ValueError(f"{name}: cannot be joined: {other.group().strip()}")
        if re.search("</script|<!--|\r|\0", plain, re.IGNORECASE):
            raise ValueError(f"{name}: contains text that would end a script in HTML")
        done.add(name)
        parts.append(f"// {name}\n{plain}")

    add(main, ())
    return "\n".join(parts)
