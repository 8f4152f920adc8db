"""Copies the weights of a Keras file into a model of jcnn's zoo, or of the user's.

Layers are matched by their names if the file has all of the model's, else by their order among the
layers of the same kind. Every array is used once, and all shapes are compared before.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from flax import nnx

from jcnn.data import Note, Notify, Preprocessing
from jcnn.data.events import silent
from jcnn.interop.imported import ASSUMED, dotted
from jcnn.interop.keras.file import is_numbered, model_of, one_line
from jcnn.interop.keras.layers import LAYERS, roles_of
from jcnn.interop.keras.names import role_of
from jcnn.interop.keras.preprocessing import Front, front, preprocessing
from jcnn.interop.loaded import Loaded, variables_of
from jcnn.layers.calls import called_modules
from jcnn.layers.freezing import head_path
from jcnn.layers.model import eval_mode, snake_case
from jcnn.system.formats import shown
from jcnn.system.hdf5 import Array, Tree
from jcnn.system.keras_file import read_stored

# jcnn's names of a layer's variables, in the order in which Keras numbers the arrays.
_ROLES = {
    "depthwise_kernel": "depthwise_kernel",
    "pointwise_kernel": "pointwise_kernel",
    "kernel": "kernel",
    "gamma": "scale",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "mean",
    "moving_variance": "var",
}
_ORDER = list(dict.fromkeys(_ROLES.values()))
_FIRST = "Normalization"  # of images, which is no part of jcnn's models
_SEPARABLE = ("SeparableConv2D", "separable convolution")
_CLASSES = {snake_case(name): name for name, kind in LAYERS.items() if kind.roles}
# Flax's layers have the same variables as jcnn's.
_OF_FLAX = {
    "Linear": "Dense",
    "Conv": "Conv2D",
    "ConvTranspose": "Conv2DTranspose",
    "BatchNorm": "BatchNormalization",
    "LayerNorm": "LayerNormalization",
    "GroupNorm": "GroupNormalization",
}


@dataclass(frozen=True)
class FileLayer:
    """A layer with weights.

    Attributes:
        name: in the file.
        kind: Keras's class, or what is known of it: "kernel of 4 axes".
        arrays: by role, or by number in Keras's order.
    """

    name: str
    kind: str
    arrays: Mapping[str, Array] = field(repr=False)


@dataclass(frozen=True)
class _Target:
    """A layer of the model, and its variables by name, in Keras's order."""

    path: str
    kind: str
    variables: Mapping[str, Any] = field(repr=False)


def load_keras_weights(
    model: nnx.Module, path: Path, input_shape: tuple[int, ...], *, notify: Notify = silent
) -> Loaded:
    """Copy a file's weights into a model.

    The head may have another number of classes, or not be in the file; it then keeps its values.

    Args:
        model: its variables are replaced, all or none.
        path: a `.keras`, `.weights.h5` or `.h5` file, with the whole model or weights alone.
        input_shape: `(H, W, C)` of one image.
        notify: called with one note that says what was loaded and what was not.

    Raises:
        ValueError: the file is damaged, or an array is missing, left over or of another shape.
    """
    with one_line(f"weights: {shown(path)}"):
        layers, first = file_layers(path)
        targets = _targets(model, input_shape)
        pairs, by_name = _paired(targets, layers, lambda: head_path(model, input_shape))
    loaded: list[str] = []
    new: list[str] = []
    for target, _, arrays in pairs:
        if arrays is None:
            new += [f"{target.path}/{name}" for name in target.variables]
            continue
        for name, array in arrays.items():
            variable = target.variables[name]
            variable.set_value(jnp.asarray(array, variable.dtype))
            loaded.append(f"{target.path}/{name}")
    used = {layer.name for _, layer, _ in pairs if layer is not None}
    left = [f"{one.name}/{role}" for one in layers if one.name not in used for role in one.arrays]
    done = Loaded(tuple(loaded), tuple(new), tuple(left))
    how = "" if by_name else "; layers are matched by their order"
    notify(Note(f"weights: {done.describe()}{how}"))
    if first is None or not first.scaling:
        notify(Note(f"weights: {ASSUMED}"))
    return done


def keras_preprocessing(path: Path, image_shape: tuple[int, int, int]) -> Preprocessing | None:
    """What a file's first layers do to images; None if it has none, or holds weights alone.

    Raises:
        ValueError: the file is damaged, or they do what jcnn's preprocessing cannot.
    """
    with one_line(f"weights: {shown(path)}"):
        tree = read_stored(path)
        if _has_weights_alone(tree):
            return None
        model = model_of(tree)
        own, _ = preprocessing(model, front(model), image_shape)
        return own


def _has_weights_alone(tree: Tree) -> bool:
    return not tree.files and "model_config" not in tree.attributes["/"]


# --- the model ------------------------------------------------------------------------------------


def _targets(model: nnx.Module, input_shape: tuple[int, ...]) -> list[_Target]:
    """The layers with variables, in the order in which the model calls them."""
    found: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    for path, module, variable in variables_of(model):
        layer, _, name = path.rpartition("/")
        if name in _ORDER:
            found.setdefault(layer, {})[name] = variable
            kind = type(module).__name__
            kinds[layer] = _OF_FLAX.get(kind, kind)
    called = called_modules(eval_mode(model), input_shape)
    order = list(dict.fromkeys(path.split("#")[0] for path, _ in called))
    missing = [path for path in found if path not in order]
    if missing:
        raise ValueError(f"the model does not call {missing[0]!r}")
    return [
        _Target(path, kinds[path], dict(sorted(found[path].items(), key=_rank)))
        for path in order
        if path in found
    ]


def _rank(item: tuple[str, Any]) -> int:
    return _ORDER.index(item[0])


# --- the file -------------------------------------------------------------------------------------


def file_layers(path: Path) -> tuple[list[FileLayer], Front | None]:
    """The layers with weights, in the order of the model where the file has one, and its first.

    Raises:
        ValueError: the file is damaged.
    """
    tree = read_stored(path)
    if _has_weights_alone(tree):
        return (_numbered(tree) if is_numbered(tree) else _listed(tree)), None
    model = model_of(tree)
    layers = [
        FileLayer(layer.path, layer.kind, model.arrays(layer))
        for layer in model.layers
        if roles_of(layer.kind, layer.config)
    ]
    return layers, front(model)


def _numbered(tree: Tree) -> list[FileLayer]:
    """The layers of Keras 3's file of weights: "/layers/conv2d_1/vars/0"."""
    found: dict[str, dict[str, Array]] = {}
    for place in tree.arrays:
        group, _, number = place.rpartition("/")
        inner, _, last = group.rpartition("/")
        if last != "vars" or re.match(r"/(optimizer|metrics)\b|.*/seed_generator$", inner):
            continue
        array = tree.array(place)
        if array is None or not number.isdecimal():
            raise ValueError(f"{place}: accepted: numbered arrays")
        found.setdefault(inner, {})[number] = array
    layers = []
    for inner in sorted(found, key=_numbers_in_order):
        group = inner.rpartition("/")[2]
        name = tree.attributes.get(f"{inner}/vars", {}).get("name") or inner.removeprefix(
            "/layers/"
        )
        kind = _CLASSES.get(re.sub(r"_\d+$", "", group), group)
        arrays = dict(sorted(found[inner].items(), key=lambda item: int(item[0])))
        layers.append(FileLayer(str(name), kind, arrays))
    return layers


def _numbers_in_order(text: str) -> list[tuple[str, int]]:
    """A key that sorts "conv2d" before "conv2d_2", and this before "conv2d_10"."""
    parts = [part.rpartition("_") for part in text.split("/")]
    return [
        (name, int(number)) if name and number.isdecimal() else (f"{name}{line}{number}", 0)
        for name, line, number in parts
    ]


def _listed(tree: Tree) -> list[FileLayer]:
    """The layers of `save_weights`, in the order of the file."""
    found: dict[str, dict[str, Array]] = {}
    for group in tree.texts("/", "layer_names"):
        for name in tree.texts(f"/{group}", "weight_names"):
            array = tree.array(f"/{group}/{name}")
            if array is None:
                raise ValueError(f"the file has no array {name!r}")
            layer, role = name.rpartition("/")[0] or group, role_of(name)
            if role in found.setdefault(layer, {}):
                raise ValueError(f"two arrays are {role} of {layer}")
            found[layer][role] = array
    if not found:
        raise ValueError("has no weights of layers")
    return [FileLayer(name, _coarse(arrays), arrays) for name, arrays in found.items()]


def _coarse(arrays: Mapping[str, Any]) -> str:
    """The kind of a layer, as far as its weights tell; Keras's roles or jcnn's."""
    if "count" in arrays:
        return _FIRST
    if "pointwise_kernel" in arrays:
        return _SEPARABLE[1]
    kernels = [arrays[one] for one in ("kernel", "depthwise_kernel") if one in arrays]
    if kernels:
        return f"kernel of {len(kernels[0].shape)} axes"
    has_mean = "moving_mean" in arrays or "mean" in arrays
    return "batch normalisation" if has_mean else "normalisation of one image"


# --- which is which -------------------------------------------------------------------------------

Pair = tuple[_Target, FileLayer | None, dict[str, Array] | None]


def _paired(
    targets: Sequence[_Target], layers: list[FileLayer], head: Callable[[], str]
) -> tuple[list[Pair], bool]:
    """Each layer of the model with one of the file and its arrays, and whether by name.

    A new head has no arrays, and no layer if the file has none.
    """
    if not any(one.kind == "SeparableConv2D" for one in targets):
        layers[:] = [half for layer in layers for half in _halves(layer)]
    pairs: list[Pair] = []
    matched, by_name = _matched(targets, layers, head)
    for target, layer in matched:
        arrays = None if layer is None else _arrays(target, layer)
        if arrays is not None and layer is not None and _differs(target, arrays):
            _check_head(target, layer, arrays, head)
            arrays = None
        pairs.append((target, layer, arrays))
    return pairs, by_name


def _halves(layer: FileLayer) -> list[FileLayer]:
    """A separable convolution as the two convolutions that it is in an imported model."""
    if layer.kind not in _SEPARABLE:
        return [layer]
    values = list(layer.arrays.values())
    is_coarse = layer.kind == _SEPARABLE[1]
    first, second = ("kernel of 4 axes",) * 2 if is_coarse else ("DepthwiseConv2D", "Conv2D")
    roles = ("kernel", "bias")
    return [
        FileLayer(f"{layer.name} depthwise", first, {"depthwise_kernel": values[0]}),
        FileLayer(layer.name, second, dict(zip(roles, values[1:], strict=False))),
    ]


def _matched(
    targets: Sequence[_Target], layers: Sequence[FileLayer], head: Callable[[], str]
) -> tuple[list[tuple[_Target, FileLayer | None]], bool]:
    named = {dotted(layer.name): layer for layer in layers}
    if len(named) == len(layers):
        found = [(target, named.get(dotted(target.path))) for target in targets]
        missing = [target for target, layer in found if layer is None]
        if not missing or [one.path for one in missing] == [head()]:
            return found, True
    is_coarse = not any(one.kind in _CLASSES.values() for one in layers if one.kind != _FIRST)
    found = []
    for kind in dict.fromkeys(_kind(target, is_coarse) for target in targets):
        ours = [target for target in targets if _kind(target, is_coarse) == kind]
        theirs: list[FileLayer | None] = [layer for layer in layers if layer.kind == kind]
        if len(ours) == len(theirs) + 1 and ours[-1].path == head():
            theirs.append(None)
        if len(ours) != len(theirs):
            raise ValueError(f"has {len(theirs)} layers ({kind}); the model has {len(ours)}")
        found += list(zip(ours, theirs, strict=True))
    used = {id(layer) for _, layer in found}
    left = [one for one in layers if id(one) not in used and one.kind != _FIRST]
    if left:
        raise ValueError(f"has a layer {left[0].name!r} ({left[0].kind}); the model has none")
    return found, False


def _kind(target: _Target, is_coarse: bool) -> str:
    return _coarse(target.variables) if is_coarse else target.kind


def _arrays(target: _Target, layer: FileLayer) -> dict[str, Array]:
    """The arrays of a layer by name of the variable."""
    if all(name.isdecimal() for name in layer.arrays):
        names = list(target.variables)
        if len(names) != len(layer.arrays):
            raise ValueError(
                f"{layer.name} has {len(layer.arrays)} arrays; {target.path} of the model has "
                f"{len(names)}"
            )
        return dict(zip(names, layer.arrays.values(), strict=True))
    found = {_ROLES.get(role, role): array for role, array in layer.arrays.items()}
    if "kernel" in target.variables and "depthwise_kernel" in found:
        found["kernel"] = found.pop("depthwise_kernel")
    for one, other, said in (
        (target.variables, found, f"{layer.name}, which is {target.path} of the model, has no"),
        (found, target.variables, f"{target.path} of the model, which is {layer.name}, has no"),
    ):
        rest = [name for name in one if name not in other]
        if rest:
            raise ValueError(f"{said} {rest[0]}")
    return {name: found[name] for name in target.variables}


def _differs(target: _Target, arrays: Mapping[str, Array]) -> bool:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise ValueError(f"{target.path}/{name} has dtype {array.dtype}; accepted: floats")
    return any(tuple(target.variables[name].shape) != one.shape for name, one in arrays.items())


def _check_head(
    target: _Target, layer: FileLayer, arrays: Mapping[str, Array], head: Callable[[], str]
) -> None:
    """Raise ValueError unless the layer is the head and differs in its number of classes alone."""
    for name, array in arrays.items():
        expected = tuple(target.variables[name].shape)
        if array.shape[:-1] != expected[:-1] or (array.shape != expected and target.path != head()):
            raise ValueError(f"{layer.name}/{name} has shape {array.shape}; expected {expected}")
