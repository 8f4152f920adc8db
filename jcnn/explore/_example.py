"""Build a page with the playground alone, for examples of one's own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jcnn.explore._assemble import assemble, in_script


def example_page(examples: Sequence[Mapping[str, Any]], title: str) -> str:
    """The HTML of a page that shows examples in the playground, without a model.

    Args:
        examples: as in `page/examples_more.js`, each with an `id` of its own and a `title`.
        title: of the page.
    """
    return assemble(
        "example.html",
        "example_main.js",
        title,
        sheets=("style.css", "playground.css", "tour.css", "lecture.css"),
        examples=in_script(json.dumps(list(examples))),
    )
