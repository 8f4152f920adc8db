"""The files that a data set's authors published: verified by checksum, or downloaded.

tensorflow-datasets contains a table of these files with URL, size, SHA-256 and name. The table is
read without importing the package, which would take seconds.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jcnn.data._files import check_file, show
from jcnn.data.errors import DataError
from jcnn.data.events import Notify, Reading
from jcnn.system.files import write_bytes

_REACH_SECONDS = 4.0  # until the first response, including the name lookup
_STALL_SECONDS = 30.0  # without data during a download
_CHUNK = 2**20


@dataclass(frozen=True)
class Original:
    """One published file: URL, size in bytes, SHA-256 in hexadecimal, and name."""

    url: str
    size: int
    sha256: str
    filename: str


def registered_originals(name: str) -> tuple[Original, ...]:
    """The files of data set `name`, in the order of the table; () if the table has none.

    Raises:
        DataError: tensorflow-datasets is not installed.
    """
    lines = [line.split("\t") for table in _tables(name) for line in table.splitlines()]
    # Lines without a file name (the older format) are of data sets that are not read from files.
    return tuple(
        Original(line[0], int(line[1]), line[2], line[3]) for line in lines if len(line) == 4
    )


def _tables(name: str) -> list[str]:
    package = importlib.util.find_spec("tensorflow_datasets")
    if package is None or not package.submodule_search_locations:
        raise DataError("tensorflow-datasets: not installed; pip install tensorflow-datasets")
    folder = Path(package.submodule_search_locations[0])
    older, newer = folder / "url_checksums" / f"{name}.txt", folder / "datasets" / name
    places = [place for place in (older, newer / "checksums.tsv") if place.is_file()]
    return [place.read_text(encoding="utf-8") for place in places]


def check_originals(name: str, originals: Sequence[Original], folder: Path) -> None:
    """Raise if a file is missing from the folder, or is not the published one.

    Raises:
        FileNotFoundError: there is no such folder, or files are missing.
        DataError: a file is not the published one.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{show(folder)}: no such folder")
    missing = ", ".join(one.filename for one in missing_from(folder, originals))
    if missing:
        raise FileNotFoundError(
            f"{show(folder)}: no {missing} in this folder; expected the original files "
            f"of {name}, or {name}/VERSION as tensorflow-datasets prepares it; "
            f"--data idx:DIR and folder:DIR read other files"
        )
    for one in originals:
        _check(name, one, folder / one.filename)


def download_originals(
    name: str, originals: Sequence[Original], folder: Path, notify: Notify
) -> None:
    """Download the files missing from `folder`; each appears there complete and verified.

    Raises:
        ConnectionError: a server does not respond, or the download stops; the message names the
            alternatives.
        DataError: a file is not the published one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing_from(folder, originals):
        file = folder / one.filename
        write_bytes(file, _downloaded(name, one, originals, file, notify))


def missing_from(folder: Path, originals: Sequence[Original]) -> list[Original]:
    """The files that are not in `folder`."""
    return [one for one in originals if not (folder / one.filename).exists()]


def check_reachable(name: str, originals: Sequence[Original], missing: Sequence[Original]) -> None:
    """Raise at once if the server does not respond; a download would retry for minutes.

    Requests the first missing file as the download does, with the proxies of the environment. The
    request runs in a thread because a name lookup has no timeout.

    Raises:
        ConnectionError: there is no response within a few seconds.
    """
    import requests

    reasons = ["no answer"]

    def ask() -> None:
        try:
            with requests.get(missing[0].url, stream=True, timeout=_REACH_SECONDS) as answer:
                reasons[:] = [] if answer.ok else [f"HTTP {answer.status_code}"]
        except requests.RequestException as error:
            reasons[:] = [type(error).__name__]

    if missing:
        thread = threading.Thread(target=ask, daemon=True, name="jcnn-reach")
        thread.start()
        thread.join(_REACH_SECONDS)
        for reason in reasons[:1]:
            raise _no_download(name, missing[0], originals, reason)


def _downloaded(
    name: str, one: Original, originals: Sequence[Original], file: Path, notify: Notify
) -> Iterator[bytes]:
    """The content in chunks; raises after the last one if it is not the published file."""
    import requests

    done, what, total = 0, f"downloading {one.filename} (bytes)", hashlib.sha256()
    limits = (_REACH_SECONDS, _STALL_SECONDS)
    try:
        with requests.get(one.url, stream=True, timeout=limits) as answer:
            answer.raise_for_status()
            # Limited to the published size, so that a server cannot fill the disk.
            for chunk in answer.iter_content(_CHUNK):
                done += len(chunk)
                if done > one.size:
                    break
                total.update(chunk)
                yield chunk
                notify(Reading(what, done, one.size))
    except requests.RequestException as error:
        raise _no_download(name, one, originals, type(error).__name__) from error
    if done != one.size:
        reason = f"{done} bytes; expected {one.size}"
        raise _no_download(name, one, originals, reason)
    _compare(name, one, file, total.hexdigest())


def _check(name: str, one: Original, path: Path) -> None:
    check_file(path)
    try:
        with path.open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{show(path)}: cannot be read ({error.strerror})") from None
    _compare(name, one, path, got)


def _compare(name: str, one: Original, path: Path, sha256: str) -> None:
    if sha256 != one.sha256:
        raise DataError(
            f"{show(path)}: not the published {one.filename} of {name} "
            f"(SHA-256 {sha256[:16]}..., expected {one.sha256[:16]}...)"
        )


def _no_download(
    name: str, one: Original, originals: Sequence[Original], reason: str
) -> ConnectionError:
    files = ", ".join(original.filename for original in originals)
    return ConnectionError(
        f"{name}: cannot download {one.url} ({reason}); without network: --data-dir DIR with "
        f"{files}, or --data idx:DIR or folder:DIR"
    )
