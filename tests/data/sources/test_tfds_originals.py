"""The published files: verified by SHA-256, downloaded completely, errors within seconds."""

import contextlib
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jcnn.data import DataError, load
from jcnn.data.sources.tfds import originals as tfds_originals
from jcnn.data.sources.tfds.originals import registered_originals
from tests.data.sources.tfds_sets import idx_files, own_places, publish, write
from tests.fashion import fashion_mnist_dir

TRAIN = "train-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_places(monkeypatch, tmp_path)


@pytest.fixture
def served() -> Iterator[dict[str, bytes]]:
    """A local web server: a dictionary of its files, with its address under ""."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files.get(self.path[1:])
            self.send_response(404 if data is None else 200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the client may close the connection early
                self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        files[""] = f"http://127.0.0.1:{server.server_port}/".encode()
        yield files
        server.shutdown()


@pytest.fixture
def online(served: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A small MNIST on that server that TFDS accepts as the published one."""
    monkeypatch.setenv("NO_PROXY", "*")
    publish(monkeypatch, "mnist", idx_files(), served[""].decode())
    served.update(idx_files())
    return served


def test_fashion_mnist_is_registered() -> None:
    """With the SHA-256 of the original files, from `sha256sum`."""
    found = {one.filename: one for one in registered_originals("fashion_mnist")}
    assert len(found) == 4
    assert found[TRAIN].size == 26421880
    assert found[TRAIN].sha256[:16] == "3aede38d61863908"
    assert registered_originals("beans")[0].filename.endswith(
        ".zip"
    )  # in the newer format of the table
    assert registered_originals("no_such_set") == ()


def test_a_download_is_checked_and_kept(online: dict[str, bytes], tmp_path: Path) -> None:
    train, test = load("mnist")
    assert (len(train), len(test)) == (7, 5)
    kept = tmp_path / "home" / "downloads" / "mnist"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == idx_files()
    own = online.copy()
    online.clear()  # files on disk are not requested again
    (tmp_path / "home" / "mnist").rename(tmp_path / "away")
    assert len(load("mnist")[0]) == 7
    online.update(own)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "HTTPError"),
        (idx_files()[TRAIN][:-1], "bytes; expected"),
        (idx_files()[TRAIN] + b"x", "bytes; expected"),
        (bytes(5 * 2**20), f"{2**20} bytes; expected"),  # no more than the published size is read
    ],
)
def test_a_download_that_breaks_off_leaves_nothing(
    online: dict[str, bytes], tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is None:
        del online[TRAIN]
    else:
        online[TRAIN] = content
    with pytest.raises(ConnectionError, match=rf"^mnist: cannot download \S+{TRAIN} \(.*{reason}"):
        load("mnist")
    left = {path.name for path in (tmp_path / "home" / "downloads" / "mnist").iterdir()}
    assert left < set(idx_files())
    assert TRAIN not in left


def test_a_download_of_other_bytes_is_refused(online: dict[str, bytes], tmp_path: Path) -> None:
    data = bytearray(online[TRAIN])
    data[40] ^= 1
    online[TRAIN] = bytes(data)
    with pytest.raises(DataError, match=rf"{TRAIN}\S*: not the published {TRAIN} of mnist \(SHA"):
        load("mnist")
    left = {path.name for path in (tmp_path / "home" / "downloads" / "mnist").iterdir()}
    assert TRAIN not in left


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It accepts the connection and sends nothing; the timeout is shortened here."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(tfds_originals, "_REACH_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish(monkeypatch, "mnist", idx_files(), f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(ConnectionError, match=r"\((no answer|ReadTimeout)\); without network"):
            load("mnist")


def test_a_name_that_takes_for_ever_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        released.wait(30)
        raise OSError

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(tfds_originals, "_REACH_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with pytest.raises(ConnectionError, match=r"\(no answer\); without network: --data-dir"):
            load("mnist")
    finally:
        released.set()


def test_no_network_is_one_line_within_ten_seconds(tmp_path: Path) -> None:
    """Without a network there is one line within 10 s: the proxy here is a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    proxies = {f"{kind}_proxy": closed for kind in ("http", "https", "all")}
    environment = {**os.environ, **proxies, "no_proxy": "", "NO_PROXY": ""}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jcnn", "train", "--data", "mnist", "--out", str(tmp_path / "run")],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    seconds = time.monotonic() - began
    assert (done.returncode, done.stdout) == (2, "")
    files = ", ".join(one.filename for one in registered_originals("mnist"))
    assert re.fullmatch(
        r"jcnn: mnist: cannot download https://\S+ubyte\.gz \(ProxyError\); without network: "
        rf"--data-dir DIR with {re.escape(files)}, or --data idx:DIR or folder:DIR\n",
        done.stderr,
    ), done.stderr
    assert seconds < 10


@pytest.mark.parametrize("later", [False, True], ids=["first start", "already prepared"])
def test_one_flipped_bit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: bool
) -> None:
    publish(monkeypatch, "mnist", idx_files())
    folder = write(tmp_path / "originals", idx_files())
    if later:
        load("mnist", folder)
    data = bytearray((folder / TRAIN).read_bytes())
    data[-30] ^= 4
    (folder / TRAIN).write_bytes(data)
    with pytest.raises(DataError, match=rf"^\S+/originals/{TRAIN}: not the published .+ of mnist"):
        load("mnist", folder)


def test_genuine_files_under_another_name_of_a_set_are_refused(tmp_path: Path) -> None:
    """MNIST, Fashion-MNIST and KMNIST have files of the same names."""
    folder = fashion_mnist_dir()
    for name in ("mnist", "kmnist"):
        with pytest.raises(DataError, match=rf"\.gz: not the published \S+ of {name} \(SHA-256"):
            load(name, folder)
    assert not (tmp_path / "home").exists()


def test_genuine_files_with_one_flipped_bit_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "originals"
    folder.mkdir()
    for file in fashion_mnist_dir().glob("*.gz"):
        (folder / file.name).write_bytes(file.read_bytes())
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(labels.read_bytes())
    data[2000] ^= 1
    labels.write_bytes(data)
    with pytest.raises(DataError, match=r"/t10k-labels-idx1-ubyte\.gz: not the published "):
        load("fashion_mnist", folder)


def test_missing_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "originals"
    with pytest.raises(FileNotFoundError, match=r"/originals: no such folder$"):
        load("mnist", folder)
    write(folder, {name: b"" for name in idx_files() if "labels" not in name})
    message = (
        "/originals: no t10k-labels-idx1-ubyte.gz, train-labels-idx1-ubyte.gz in this folder; "
        "expected the original files of mnist, or mnist/VERSION as tensorflow-datasets prepares "
        "it; --data idx:DIR and folder:DIR read other files"
    )
    with pytest.raises(FileNotFoundError, match=f"{re.escape(message)}$"):
        load("mnist", folder)


def test_a_folder_under_a_files_name_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "originals", dict.fromkeys(idx_files(), b""))
    first = registered_originals("mnist")[0].filename
    (folder / first).unlink()
    (folder / first).mkdir()
    with pytest.raises(DataError, match=f"/{first}: a folder; expected a file$"):
        load("mnist", folder)
