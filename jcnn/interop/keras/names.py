"""Where the weights of each layer are in an `.h5` file, which has a group for each top layer.

A group lists the names of its weights. Those of a nested model are one list, the trained ones
first. In a file of weights alone the names of the layers may be others than in the architecture,
since Keras numbers them anew in each session; then the order of the layers counts, as in Keras.
"""

from collections.abc import Collection, Mapping, Sequence

from jcnn.interop.keras.config import KerasLayer
from jcnn.interop.keras.layers import roles_of, trained_roles
from jcnn.system.hdf5 import Tree

Places = dict[str, dict[str, str]]


def weight_places(
    layers: Sequence[KerasLayer], trained: Mapping[str, bool], tree: Tree, root: str
) -> tuple[Places, tuple[str, ...]]:
    """The place in the file of each layer's weights, by path and role, and notes.

    Args:
        layers: of the model.
        trained: whether each layer is, in Keras's order.
        tree: the file.
        root: of the groups: "/model_weights", or "" in a file of weights alone.

    Raises:
        ValueError: two weights of a layer have one role, or the file is of other layers.
    """
    by_path = {layer.path: layer for layer in layers}
    tops: dict[str, list[KerasLayer]] = {}
    for path in trained:
        layer = by_path.get(path)  # None for an input
        if layer is not None and roles_of(layer.kind, layer.config):
            tops.setdefault(path.split("/")[0], []).append(layer)
    if root or all(tree.texts(f"/{top}", "weight_names") for top in tops):
        return {layer.path: _by_role(layer, tree, root) for layer in layers}, ()
    return _in_order(tops, trained, tree)


def own_places(layer: KerasLayer, tree: Tree, root: str) -> list[str]:
    """The places of a layer's weights, whatever its class."""
    outer, *_ = layer.path.split("/")
    own = layer.path.rsplit("/", 1)[-1]
    names = tree.texts(f"{root}/{outer}", "weight_names")
    # Keras 3 writes the whole path; before, the name of the layer alone.
    whole = [name for name in names if f"/{name}".rpartition("/")[0].endswith(f"/{layer.path}")]
    found = whole or [name for name in names if outer == own or own in name.split("/")[:-1]]
    return [f"{root}/{outer}/{name}" for name in found]


def role_of(name: str, roles: Collection[str] = ()) -> str:
    """The role "kernel" of a weight "conv1/kernel:0", of a layer with some roles."""
    role = name.split("/")[-1].split(":")[0]
    if role == "depthwise_kernel" and role not in roles and "kernel" in roles:
        return "kernel"  # as Keras 3 calls that of DepthwiseConv2D
    return role


def _by_role(layer: KerasLayer, tree: Tree, root: str) -> dict[str, str]:
    roles = roles_of(layer.kind, layer.config)
    found: dict[str, str] = {}
    for place in own_places(layer, tree, root) if roles else []:
        role = role_of(place, roles)
        if role not in roles:
            continue
        if role in found:
            raise ValueError(f"{layer.path}: {role}: two arrays have this role: {place!r} is one")
        found[role] = place
    return found


def _in_order(
    tops: Mapping[str, list[KerasLayer]], trained: Mapping[str, bool], tree: Tree
) -> tuple[Places, tuple[str, ...]]:
    groups = tree.texts("/", "layer_names")
    listed = {group: tree.texts(f"/{group}", "weight_names") for group in groups}
    listed = {group: names for group, names in listed.items() if names}
    if len(listed) != len(tops):
        raise ValueError(
            f"has weights of {len(listed)} layers; the architecture has {len(tops)} with weights"
        )
    places: Places = {}
    for (top, layers), (group, names) in zip(tops.items(), listed.items(), strict=True):
        first = [
            (layer.path, role)
            for layer in layers
            if trained[layer.path]
            for role in trained_roles(layer.kind, layer.config)
        ]
        all_roles = [(one.path, role) for one in layers for role in roles_of(one.kind, one.config)]
        wanted = first + [one for one in all_roles if one not in first]
        roles = [role for _, role in wanted]
        if len(names) != len(roles) or any(
            role_of(name, [role]) != role for name, role in zip(names, roles, strict=True)
        ):
            raise ValueError(
                f"its layer {group!r} has other weights than {top!r} of the architecture"
            )
        for (path, role), name in zip(wanted, names, strict=True):
            places.setdefault(path, {})[role] = f"/{group}/{name}"
    others = [f"{group} for {top}" for top, group in zip(tops, listed, strict=True) if top != group]
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return places, (f"weights are taken by the order of the layers: {', '.join(others[:3])}{more}",)
