"""Notice changes of a model without flattening it.

`nnx.split` of a small model takes longer than its logits. A snapshot holds what `nnx.split` would
visit, and a call compares it with the model by identity. The arrays are not compared: they are
read from the model's variables each time.
"""

import enum
import types
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from jcnn.data.preprocessing import Preprocessing

# Attributes of these types are immutable, or equal only if identical.
_CONSTANTS = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    enum.Enum,
    np.dtype,
    Preprocessing,
    types.FunctionType,
    types.BuiltinFunctionType,
    jax.custom_jvp,
    jax.custom_vjp,
    type(jax.jit(lambda x: x)),
)
# Flax's own attributes of a module. Flax replaces the first when an attribute is added, and the
# second says nothing of the structure.
_OF_FLAX = ("_pytree__nodes", "_pytree__state")


class _Attributes(NamedTuple):
    """The attributes of a module, or the metadata of a variable.

    Attributes:
        kind: type of the module or variable.
        names: of the attributes, in their order.
        ids: of the values.
        values: keeps the values alive, so that no other object can get one of the ids.
    """

    kind: type
    names: list[str]
    ids: list[int]
    values: list[Any]

    def match(self, owner: object, attributes: dict[str, Any]) -> bool:
        return (
            type(owner) is self.kind
            and [*map(id, attributes.values())] == self.ids
            and [*attributes] == self.names
        )


class _Variable(NamedTuple):
    variable: nnx.Variable[Any]
    metadata: _Attributes
    shape: tuple[int, ...]
    dtype: Any


class Snapshot:
    """The structure of a model: its modules, attributes and variables, without the arrays.

    It holds no reference to the model itself, so it may be stored in a cache.
    """

    def __init__(
        self,
        root: _Attributes,
        modules: list[tuple[nnx.Pytree, _Attributes]],
        variables: list[_Variable],
        treedef: Any,
    ) -> None:
        self._root = root
        self._modules = modules
        self._variables = variables
        self._treedef = treedef

    def states(self, model: nnx.Module) -> Any:
        """The states of the model with its present arrays; None if its structure has changed.

        Args:
            model: the model that the snapshot was taken of.

        Returns:
            What `take` was given, with other arrays of the same shapes and dtypes.
        """
        if not self._root.match(model, vars(model)):
            return None
        for module, attributes in self._modules:
            if not attributes.match(module, vars(module)):
                return None
        arrays = []
        for variable, metadata, shape, dtype in self._variables:
            array = variable.get_raw_value()
            if not (
                metadata.match(variable, variable.get_metadata())
                and isinstance(array, jax.Array)
                and array.shape == shape
                and array.dtype == dtype
            ):
                return None
            arrays.append(array)
        return jax.tree.unflatten(self._treedef, arrays)


def take(model: nnx.Module, states: Any) -> Snapshot | None:
    """Take a snapshot of a model.

    Args:
        model: any module.
        states: all of its states, from `nnx.split`.

    Returns:
        None for a model whose changes a snapshot could miss: one with arrays or mutable
        containers as attributes, or with a module or variable in two places.
    """
    modules: dict[int, tuple[nnx.Pytree, _Attributes]] = {}
    variables: dict[tuple[str, ...], nnx.Variable[Any]] = {}
    if not _collect(model, (), modules, variables):
        return None
    del modules[id(model)]
    leaves, treedef = jax.tree.flatten(states)
    by_path = jax.tree_util.tree_leaves_with_path(
        states, is_leaf=lambda x: isinstance(x, nnx.Variable)
    )
    found = []
    for (path, _), leaf in zip(by_path, leaves, strict=True):
        # The first key is the index of the state.
        names = tuple(str(getattr(key, "key", key)) for key in path[1:])
        variable = variables.pop(names, None)
        if variable is None or variable.get_raw_value() is not leaf:
            return None
        if not isinstance(leaf, jax.Array):
            return None
        metadata = _attributes(variable, variable.get_metadata())
        if not all(map(_is_constant, metadata.values)):
            return None
        found.append(_Variable(variable, metadata, leaf.shape, leaf.dtype))
    if variables:
        return None
    return Snapshot(_attributes(model, vars(model)), list(modules.values()), found, treedef)


def _attributes(owner: object, attributes: dict[str, Any]) -> _Attributes:
    values = list(attributes.values())
    return _Attributes(type(owner), list(attributes), list(map(id, values)), values)


def _collect(
    module: nnx.Pytree,
    path: tuple[str, ...],
    modules: dict[int, tuple[nnx.Pytree, _Attributes]],
    variables: dict[tuple[str, ...], nnx.Variable[Any]],
) -> bool:
    """Add a module and all that it holds; False for what a snapshot cannot compare."""
    if id(module) in modules:
        return False
    modules[id(module)] = module, _attributes(module, vars(module))
    for name, value in vars(module).items():
        at = (*path, name)
        if isinstance(value, nnx.Variable):
            if any(value is other for other in variables.values()):
                return False
            variables[at] = value
        elif isinstance(value, nnx.Pytree):
            if not _collect(value, at, modules, variables):
                return False
        elif name not in _OF_FLAX and not _is_constant(value):
            return False
    return True


def _is_constant(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_constant, value))
    return isinstance(value, _CONSTANTS)
