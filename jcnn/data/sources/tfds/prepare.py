"""Prepares a data set with tensorflow-datasets, without TensorFlow and without its output."""

import contextlib
import difflib
import importlib
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jcnn.data._files import show
from jcnn.data.errors import DataError
from jcnn.data.events import Note, Notify, Reading
from jcnn.data.sources.tfds.builders import PATCHED, patched_builder
from jcnn.data.sources.tfds.folder import TfdsName
from jcnn.data.sources.tfds.originals import (
    check_originals,
    check_reachable,
    download_originals,
    missing_from,
    registered_originals,
)


@contextlib.contextmanager
def quiet_tfds() -> Iterator[Any]:
    """Import tensorflow-datasets and suppress its output; jcnn reports its own events.

    TFDS prints to stdout, draws progress bars on stderr and logs through absl, and some of its
    imports warn. `notify` must still be able to print: see `notify_aloud`.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        tfds = importlib.import_module("tensorflow_datasets")
        logger = logging.getLogger("absl")  # after the import: absl replaces the logger's class
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        tfds.display_progress_bar(enable=False)
        try:
            yield tfds
        finally:
            tfds.display_progress_bar(enable=True)
            logger.setLevel(level)


def prepare(wanted: TfdsName, data_dir: Path | None, home: Path, notify: Notify) -> None:
    """Prepare a data set in `home`, where other users of tensorflow-datasets find it too.

    Args:
        wanted: the name of the data set.
        data_dir: the folder of the original files; None downloads them.
        home: `tfds_home()`.
        notify: called with the progress.

    Raises:
        ValueError: there is no such data set, or it is not an image classification data set.
        ConnectionError: the files cannot be downloaded.
        FileNotFoundError: an original file is missing.
        DataError: a file is not the published one, TensorFlow is needed, or TFDS fails.
    """
    stdout = sys.stdout

    def notify_aloud(event: Reading | Note) -> None:
        with contextlib.redirect_stdout(stdout):
            notify(event)

    patched = wanted.name in PATCHED
    originals = registered_originals(wanted.name)
    folder = data_dir or home / "downloads" / wanted.name
    if patched and data_dir is None:  # before the import of TFDS, which takes a second
        check_reachable(wanted.name, originals, missing_from(folder, originals))
    with quiet_tfds() as tfds:
        builder = _builder(tfds, wanted, home, notify_aloud)
        image_and_label_keys(str(wanted), builder.info)
        if not patched and importlib.util.find_spec("tensorflow") is None:
            raise DataError(
                f"{wanted}: preparing it needs TensorFlow: pip install 'jcnn[tensorflow]'; without "
                f"it: {', '.join(PATCHED)}, and what is already prepared in {show(home)}"
            )
        _check_writable(home)
        if patched and data_dir is None:
            download_originals(wanted.name, originals, folder, notify_aloud)
        if patched:
            check_originals(wanted.name, originals, folder)
        else:  # TFDS downloads the files itself, and retries for minutes
            check_reachable(wanted.name, originals, missing_from(folder, originals))
        config = tfds.download.DownloadConfig(
            manual_dir=folder if patched else data_dir,
            try_download_gcs=False,
            force_checksums_validation=True,
        )
        notify_aloud(Note(f"preparing {wanted} in {show(home)}, once"))
        try:
            builder.download_and_prepare(download_config=config)
        except FileExistsError:  # another process has prepared it in the meantime
            return
        except (DataError, OSError):
            raise
        except Exception as error:  # a builder may raise any error
            raise DataError(
                f"{wanted}: tensorflow-datasets cannot prepare it ({_one_line(error)})"
            ) from error


def image_and_label_keys(name: str, info: Any) -> tuple[str, str]:
    """The keys of the image and the label in a data set's records.

    Raises:
        ValueError: it is not an image classification data set with 8-bit images.
    """
    tfds = importlib.import_module("tensorflow_datasets")
    features, keys = info.features, info.supervised_keys or ("image", "label")
    good = (
        hasattr(features, "keys")
        and len(keys) == 2
        and all(isinstance(key, str) and key in features for key in keys)
        and type(features[keys[0]]) is tfds.features.Image
        and np.dtype(features[keys[0]].np_dtype) == np.uint8
        and type(features[keys[1]]) is tfds.features.ClassLabel
    )
    if not good:
        raise ValueError(
            f"data: {name} of tensorflow-datasets is no image classification; "
            f"expected one 8-bit image and one class label an example"
        )
    return keys[0], keys[1]


def _builder(tfds: Any, wanted: TfdsName, home: Path, notify: Notify) -> Any:
    names = tfds.list_builders(with_community_datasets=False)
    if wanted.name not in names:
        near = difflib.get_close_matches(wanted.name, names, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "see tensorflow.org/datasets/catalog"
        raise ValueError(f"data: tensorflow-datasets has no {wanted.name!r}; {hint}")
    try:
        cls = tfds.builder_cls(wanted.name)
        if wanted.name in PATCHED:
            with tfds.core.registered.skip_registration():
                cls = patched_builder(cls, PATCHED[wanted.name], notify)
        return cls(
            data_dir=home,
            config=wanted.config or None,
            version=wanted.version or None,
            file_format="array_record",
        )
    except ImportError as error:
        raise DataError(
            f"{wanted.name}: its builder needs {error.name or 'another package'}, which is not "
            f"installed (TensorFlow comes with pip install 'jcnn[tensorflow]')"
        ) from error
    except Exception as error:  # an unknown version or configuration
        raise ValueError(f"data: tfds:{wanted}: {_one_line(error)}") from error


def _check_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".jcnn-{id(home)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"{show(home)}: cannot be written ({error.strerror}); set TFDS_DATA_DIR to a folder "
            f"for prepared data sets"
        ) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
