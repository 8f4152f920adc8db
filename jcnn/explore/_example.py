"""Build a page with the playground alone, for examples of one's own."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from jcnn.explore._scripts import joined


def example_page(examples: Sequence[Mapping[str, Any]], title: str) -> str:
    """The HTML of a page that shows examples in the playground, without a model.

    Args:
        examples: as in `page/examples_more.js`, each with an `id` of its own and a `title`.
        title: of the page.
    """
    sources = {
        file.name: file.read_text(encoding="utf-8")
        for file in files("jcnn.explore").joinpath("page").iterdir()
        if file.is_file()
    }
    style = sources["style.css"] + sources["playground.css"]
    scripts = {name: text for name, text in sources.items() if name.endswith(".js")}
    script = joined(scripts, "example_main.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(sources["example.html"]).substitute(
        policy=policy,
        title=escape(title),
        style=style,
        script=script,
        # Escaped, no text can end the element.
        examples=json.dumps(list(examples)).replace("<", "\\u003c"),
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
