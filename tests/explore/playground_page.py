"""A page with the playground alone: its modules joined as the explorer joins them."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "jcnn" / "explore" / "page"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)

# What a test may call; `said` collects what is announced.
_DOORS = (
    "showPlayground playgroundWords EXAMPLES CALCULATIONS calculated resolveWindow "
    "resolveChoices judged playOf layerOf resolvePlay state"
)
_START = f"""
globalThis.said = [];
Object.assign(state, {{ announce: (text) => said.push(text) }});
const doors = {{ {", ".join(_DOORS.split())} }};
Object.assign(globalThis, doors);
globalThis.draw = (patch = {{}}) =>
  showPlayground(document.querySelector("section"), Object.assign(state, patch));
draw();
"""


def playground_page() -> str:
    """The whole page, with a policy as strict as the explorer's about what may be loaded."""
    files = ["playground.js", "exercise.js", "calculations.js"]
    seen: set[str] = set()
    script = "".join(_joined(name, seen) for name in files) + _START
    style = (PAGE / "style.css").read_text("utf-8") + (PAGE / "playground.css").read_text("utf-8")
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Playground</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{style}</style></head><body><main><section></section></main>"
        f'<script type="module">{script}</script></body></html>'
    )


def _joined(name: str, seen: set[str]) -> str:
    """A module after all that it imports, without the words import and export."""
    if name in seen:
        return ""
    seen.add(name)
    text = (PAGE / name).read_text("utf-8")
    before = "".join(_joined(other, seen) for other in _IMPORT.findall(text))
    return before + re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)
