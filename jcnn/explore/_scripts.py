"""ES modules joined into one script, which a page can hold and a browser runs without a server."""

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import\s*\{[^{}]*\}\s*from\s*"\./([\w-]+\.js)";[ \t]*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function\b|const\b|let\b|class\b)", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|^import .*\bas\b.*", re.MULTILINE)


def joined(sources: Mapping[str, str], main: str = "main.js") -> str:
    """One module with the text of `main` and of all that it imports, dependencies first.

    A module imports names from files beside it, `import {a, b} from "./c.js";`, under the names
    that they have there, and exports what it defines, `export function a`. In the joined module
    both fall away, so top-level names must differ over all files.

    Args:
        sources: the text of each file by its name.
        main: the file to begin with.

    Raises:
        ValueError: a file imports or exports in another way, imports one that is not there or
            that imports it in turn, or holds what would end a script in HTML.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"{name}: is imported by what it imports: {' -> '.join(importers)}")
        if name in done:
            return
        if name not in sources:
            raise ValueError(f"{importers[-1]}: imports {name}, which is not there")
        text = sources[name]
        for found in _IMPORT.finditer(text):
            if re.search(r"\bas\b", found.group()):
                raise ValueError(f"{name}: imports a name under another: {found.group().strip()}")
            add(found.group(1), (*importers, name))
        plain = _EXPORT.sub("", _IMPORT.sub("", text))
        other = _OTHER.search(plain)
        if other:
            raise ValueError(f"{name}: cannot be joined: {other.group().strip()}")
        if re.search("</script|<!--|\r|\0", plain, re.IGNORECASE):
            raise ValueError(f"{name}: holds what HTML takes for the end of a script")
        done.add(name)
        parts.append(f"// {name}\n{plain}")

    add(main, ())
    return "\n".join(parts)
