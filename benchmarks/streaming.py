"""How many JPEG pictures a second are read for a training, compared with PyTorch's DataLoader?

    python -m benchmarks.streaming [--rounds 7]

Pictures are made in a temporary folder and packed into tar shards: 256 x 256 at 16 KB, and 500 x
375 at 60 KB, the size of ImageNet's. In turn, each contestant reads all of them once in a shuffled
order, decodes them and resizes them to 224 x 224 by Pillow's triangle filter, into batches of 32;
no step is trained. jcnn has a thread for each core, as in a training; PyTorch (`pip install
torch==2.13.0`) a worker process for each. All must return the same pixels.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jcnn.bench.processes import machine

SHAPE = (224, 224, 3)
BATCH = 32


class Case(NamedTuple):
    """Height and width of the pictures, JPEG quality, and how many there are."""

    height: int
    width: int
    quality: int
    files: int


CASES = {
    "256 x 256 of 16 KB": Case(256, 256, 82, 640),
    "500 x 375 of 60 KB": Case(375, 500, 90, 320),
}


def make_pictures(case: Case, folder: Path) -> None:
    """Write smooth, noisy pictures of two classes, whose files are as large as photographs'."""
    rng = np.random.default_rng(0)
    size = (case.width, case.height)

    def blobs(cells: int, contrast: float) -> np.ndarray:
        grid = np.clip(128 + contrast * rng.normal(size=(cells, cells, 3)), 0, 255)
        image = Image.fromarray(grid.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(image, np.float64) - 128

    for n in range(case.files):
        noise = 4 * rng.normal(size=(case.height, case.width, 1))
        pixels = 128 + blobs(8, 50) + 0.6 * blobs(64, 40) + noise
        file = folder / "ab"[n % 2] / f"{n:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, quality=case.quality)


def jcnn_reads(source: str, count: int) -> tuple[Callable[[], None], int]:
    """jcnn: windows of an epoch, the next one read while the last is used."""
    import jax

    from jcnn.data import Dataset, load
    from jcnn.data.streamed import StreamedImages
    from jcnn.train.evaluate import chunk_examples
    from jcnn.train.prefetch import PrefetchedWindows

    os.environ["JCNN_MEMORY_BYTES"] = "1000"  # nothing fits, so it is streamed
    train, test = load(source, image_shape=SHAPE)
    del os.environ["JCNN_MEMORY_BYTES"]
    if not isinstance(train.images, StreamedImages):
        raise TypeError("the pictures are not streamed")
    images = StreamedImages(train.images.read, np.arange(count), SHAPE)
    labels = np.zeros(count, np.int32)
    data = Dataset(images, labels, train.class_names)
    if len(train) + len(test) != count:
        raise ValueError(f"{len(train) + len(test)} pictures; expected {count}")
    rng = np.random.default_rng(0)
    steps = -(-count // BATCH)

    def read(use: Callable[[Any], None]) -> None:
        order = jax.numpy.asarray(rng.permutation(count).astype(np.int32))
        with PrefetchedWindows(
            data,
            lambda _: order,
            steps,
            batch_size=BATCH,
            window_steps=max(1, chunk_examples(images) // BATCH),
            epochs=1,
        ) as windows:
            step = 0
            while step < steps:
                window, step = windows.window(1, step)
                use(jax.block_until_ready(window.images))

    sums: list[int] = []
    read(lambda window: sums.append(int(np.asarray(window).sum(dtype=np.int64))))
    return lambda: read(lambda _: None), sum(sums)


class Pictures:
    """JPEG files for PyTorch's DataLoader, whose worker processes receive it."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Any:
        """The picture `(H, W, C)` uint8 and a label."""
        import torch

        height, width, _ = SHAPE
        with self.paths[row].open("rb") as stream, Image.open(stream) as opened:
            image = opened.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)), 0


def torch_reads(folder: Path) -> tuple[Callable[[], None], int]:
    """PyTorch: a DataLoader with a worker process for each core, which are kept."""
    import torch
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        Pictures(sorted(folder.rglob("*.jpg"))),
        BATCH,
        shuffle=True,
        num_workers=os.cpu_count() or 1,
        persistent_workers=True,
        multiprocessing_context="forkserver",
    )
    total = sum(int(images.sum(dtype=torch.int64)) for images, _ in loader)

    def run() -> None:
        for _ in loader:
            pass

    return run, total


def main() -> None:
    """Time the contestants of each case and print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(machine("jax", "pillow", "torch"))
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as place:
            os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
            measure(name, case, Path(place), options.rounds)


def measure(name: str, case: Case, place: Path, rounds: int) -> None:
    """Time the contestants of one case, and print a line for each."""
    from jcnn.data.pack import pack

    make_pictures(case, place / "pictures")
    pack(f"folder:{place}/pictures", place / "shards", shard_bytes=2**23)
    contestants = {
        "jcnn, folder": jcnn_reads(f"folder:{place}/pictures", case.files),
        "jcnn, tar": jcnn_reads(f"tar:{place}/shards/*.tar", case.files),
        "PyTorch": torch_reads(place / "pictures"),
    }
    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in list(contestants)[:: 1 if number % 2 == 0 else -1]:
            began = time.perf_counter()
            contestants[contestant][0]()
            seconds[contestant].append(time.perf_counter() - began)
    print(name)
    for contestant, (_, total) in contestants.items():
        if total != contestants["PyTorch"][1]:
            raise SystemExit(f"{contestant}: other pixels than PyTorch")
        print(_line(contestant, seconds[contestant], case.files, seconds["PyTorch"]))


def _line(contestant: str, seconds: list[float], count: int, theirs: list[float]) -> str:
    low, median, high = statistics.quantiles((count / s for s in seconds), n=4)
    ratio = statistics.median(theirs) / statistics.median(seconds)
    return (
        f"  {contestant:<14} {median:6.0f} pictures/s  (quartiles {low:.0f} to {high:.0f}, "
        f"n={len(seconds)})  rate / PyTorch's: {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
