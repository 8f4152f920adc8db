"""A page with the playground alone: its modules joined as the explorer joins them."""

from tests.explore.scripts import PAGE, joined_files

# Functions for tests; `said` collects the announcements.
_DOORS = (
    "showPlayground playgroundWords MORE_EXAMPLES tagOf seededMask EXAMPLES CALCULATIONS "
    "calculated resolveWindow "
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
    """The whole page, with a policy as strict as the explorer's."""
    script = joined_files("playground.js", "exercise.js", "calculations.js") + _START
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
