"""A Keras model's configuration as a list of layers and their inputs.

Keras 3, tf.keras 2 and Keras 2.2 write the same tree in three dialects: Sequential as a list or a
dictionary, with or without an InputLayer, inbound nodes as nested lists or as serialised tensors.
Nested models become layers of one list, named "outer/inner".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

INPUT = "input"
_MODELS = ("Sequential", "Functional", "Model")
_SUMS = ("Add", "Multiply")


@dataclass(frozen=True)
class KerasLayer:
    """One layer: its path of names, its class and settings, and the paths of its inputs."""

    path: str
    kind: str
    config: dict[str, Any] = field(repr=False)
    inputs: tuple[str, ...]


def layers_of(model: Any) -> tuple[list[KerasLayer], str, tuple[int | None, ...] | None]:
    """The layers of a model, without its inputs.

    Args:
        model: the decoded JSON of a configuration.

    Returns:
        The layers, each after its inputs; the path of the output; the shape of one input, None if
        the file does not say.

    Raises:
        ValueError: it is no Sequential or Functional model with one input and one output.
    """
    found = _Found()
    output = _model(model, "", (INPUT,), found)
    if not found.layers:
        raise ValueError("the model has no layers")
    return found.layers, output, found.shapes[0] if found.shapes else None


def trained_layers(model: Any) -> dict[str, bool]:
    """Whether each layer is trained, by its path, in Keras's order of a model's variables.

    Args:
        model: as for `layers_of`, which has accepted it.
    """
    found: dict[str, bool] = {}

    def visit(model: Any, prefix: str, trained: bool) -> None:
        for layer in listed(model):
            own = layer.get("config")
            path = f"{prefix}{_name(layer)}"
            is_trained = trained and not (isinstance(own, dict) and own.get("trainable") is False)
            if _kind(layer) in _MODELS:
                visit(layer, f"{path}/", is_trained)
            else:
                found[path] = is_trained

    visit(model, "", True)
    return found


def listed(model: Any) -> list[Any]:
    """The layers of a model's configuration, in the file's order."""
    config = model.get("config")
    layers: list[Any] = config if isinstance(config, list) else _field(config, "layers", list)
    return layers


@dataclass(frozen=True)
class _Found:
    """What is found on the way: the layers, and the shapes of inputs that they name."""

    layers: list[KerasLayer] = field(default_factory=list)
    shapes: list[tuple[int | None, ...]] = field(default_factory=list)


def _model(
    model: Any,
    prefix: str,
    inputs: tuple[str, ...],
    into: _Found,
) -> str:
    """Append the layers of a model that reads `inputs`; the path of its output."""
    if prefix.count("/") > 20:
        raise ValueError("models are nested too deeply")
    kind = _field(model, "class_name", str)
    if kind not in _MODELS:
        raise ValueError(f"is a {kind}; accepted: {', '.join(_MODELS)}")
    config = model.get("config")
    if isinstance(config, list):  # Keras 2.2's Sequential
        config = {"layers": config}
    layers = _field(config, "layers", list)
    if "input_layers" not in config:
        if len(inputs) != 1:
            raise ValueError(f"a Sequential model reads {len(inputs)} inputs; accepted: one")
        last = inputs[0]
        for layer in layers:
            last = _layer(layer, prefix, (last,), into)
        return last
    return _functional(config, layers, prefix, inputs, into)


def _functional(
    config: dict[str, Any],
    layers: list[Any],
    prefix: str,
    inputs: tuple[str, ...],
    into: _Found,
) -> str:
    begins, ends = (_ends(config.get(key)) for key in ("input_layers", "output_layers"))
    if len(begins) != len(inputs):
        raise ValueError(f"has {len(begins)} inputs; accepted: {len(inputs)}")
    if len(ends) != 1:
        raise ValueError(f"has {len(ends)} outputs; accepted: one")
    # For each layer its first call alone, which is what its name means.
    values = dict(zip(begins, inputs, strict=True))
    waiting = list(layers)
    for layer in waiting:
        if _field(layer, "class_name", str) == "InputLayer":
            _note_shape(layer, into)
    waiting = [layer for layer in waiting if layer["class_name"] != "InputLayer"]
    while waiting:
        ready = []
        for layer in waiting:
            calls = layer.get("inbound_nodes") or []
            name = _name(layer)
            if len(calls) != 1:
                raise ValueError(f"{prefix}{name} is called {len(calls)} times; accepted: once")
            needed = list(_inbound(calls[0]))
            if all(one in values for one in needed):
                given = tuple(values[one] for one in needed)
                values[name] = _layer(layer, prefix, given, into)
                ready.append(layer)
        if not ready:
            raise ValueError(f"{prefix}{_name(waiting[0])} has inputs that no layer gives")
        waiting = [layer for layer in waiting if not any(layer is one for one in ready)]
    if ends[0] not in values:
        raise ValueError(f"its output {ends[0]!r} is no layer")
    return values[ends[0]]


def _layer(
    layer: Any,
    prefix: str,
    inputs: tuple[str, ...],
    into: _Found,
) -> str:
    """Append one layer, or those of a nested model; the path of its output."""
    kind, config = _kind(layer), layer.get("config")
    if kind in _MODELS:
        return _model(layer, f"{prefix}{_name(layer)}/", inputs, into)
    _note_shape(layer, into)
    if kind == "InputLayer":
        return inputs[0]
    path = f"{prefix}{_name(layer)}"
    if not isinstance(config, dict):
        raise ValueError(f"{path}: its config is no JSON object")
    if any(path == other.path for other in into.layers):
        raise ValueError(f"{path}: two layers have this name")
    into.layers.append(KerasLayer(path, kind, config, inputs))
    return path


def _kind(layer: Any) -> str:
    """The class of a layer, with its module if that is not one of Keras's layers.

    Classes of others, and the functions of `keras.ops`, may have the names of layers.
    """
    kind: str = _field(layer, "class_name", str)
    module, registered = layer.get("module"), layer.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return registered
    if module is None or (str(module).split(".")[0] == "keras" and ".ops" not in str(module)):
        return kind
    if kind in _SUMS and str(module).startswith("keras.") and not _has_constants(layer):
        return kind  # x + y, as the layer
    return f"{module}.{kind}"


def _has_constants(layer: Any) -> bool:
    """Whether a function reads anything but the outputs of two layers."""
    calls = layer.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) != 1 or not isinstance(calls[0], dict):
        return True
    args = calls[0].get("args")
    return (
        bool(calls[0].get("kwargs"))
        or not isinstance(args, list)
        or len(args) != 2
        or not all(
            isinstance(one, dict) and one.get("class_name") == "__keras_tensor__" for one in args
        )
    )


def _note_shape(layer: Any, into: _Found) -> None:
    config = layer.get("config")
    if not isinstance(config, dict):
        return
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    if isinstance(shape, list) and all(one is None or type(one) is int for one in shape):
        into.shapes.append(tuple(shape[1:]))


def _name(layer: Any) -> str:
    config = layer.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    name = name or layer.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"a {layer.get('class_name')} has no name")
    return name


def _ends(value: Any) -> list[str]:
    """The names of a model's inputs or outputs: `["a", 0, 0]`, or a list of these."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(one, list) and one for one in value):
        raise ValueError("its input_layers or output_layers are no lists")
    return [str(one[0]) for one in value]


def _inbound(call: Any) -> Iterator[str]:
    """The names of the layers whose outputs a call reads."""
    if isinstance(call, dict):  # Keras 3: serialised tensors
        yield from _tensors(call.get("args"))
        return
    if isinstance(call, list):  # Keras 2: [[name, node, tensor, arguments], ...]
        entries = [call] if call and isinstance(call[0], str) else call
        for entry in entries:
            if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
                raise ValueError("inbound_nodes has an unknown form")
            yield entry[0]
        return
    raise ValueError("inbound_nodes has an unknown form")


def _tensors(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        history = _field(value.get("config"), "keras_history", list)
        if not history or not isinstance(history[0], str):
            raise ValueError("inbound_nodes has an unknown form")
        yield history[0]


def _field(content: Any, name: str, kind: Any) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get(name), kind):
        raise ValueError(f"the configuration has no {name}")
    return content[name]
