"""What one equation of a traced model computes, before nodes have names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

from jcnn.graph.program import Value


@dataclass(frozen=True, eq=False)
class Draft:
    """A node without a name.

    Attributes:
        kind, settings, arrays, function: as of `Node`.
        inputs: the values that it reads.
        named: whether the node takes the name of its layer; else its kind is appended.
    """

    kind: str
    settings: dict[str, Any]
    inputs: tuple[Value, ...]
    arrays: Mapping[str, Any] = field(default_factory=dict)
    named: bool = False
    function: Callable[..., jax.Array] | None = None
