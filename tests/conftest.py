"""Settings of every test: random cases are new each run, and a failing one can be replayed."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import pytest
from hypothesis import settings

from jcnn.ops.conv.native import library
from jcnn.system.caches import cache_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# Nearly all of the suite's time was XLA's: thousands of small programs, each run once. They are
# compiled with little effort here, in a tenth of the time: no optimisation by LLVM, and the plain
# code generator. XLA reads this when it starts, which importing JAX does not do. What is set
# already stands: with `XLA_FLAGS=` as in `make test-slow`, programs are those that users get. They
# always are in the contract of the convolutions in float32, in the cases that differ most, and in a
# training from the command line.
QUICK_XLA = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
PLAIN_EMITTERS = (
    "--xla_cpu_use_fusion_emitters=false"  # XLA of JAX 0.12 has no others, nor the flag
)


def _is_known(flag: str) -> bool:
    """Whether this XLA knows a flag: where it does not, it ends the whole process."""
    code = "import jax; jax.devices()"
    environment = os.environ | {"XLA_FLAGS": flag}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    return done.returncode == 0


if "XLA_FLAGS" not in os.environ:  # the processes that pytest-xdist starts have it from the first
    known = _is_known(PLAIN_EMITTERS)
    os.environ["XLA_FLAGS"] = f"{QUICK_XLA} {PLAIN_EMITTERS}" if known else QUICK_XLA

# Tests of several devices need no process of their own; the others use the first one. Processes
# that tests start have as many: the number sets how many threads share a sum, and so its rounding.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
jax.config.update("jax_num_cpu_devices", int(os.environ["JAX_NUM_CPU_DEVICES"]))

# No deadline: the first call of a shape compiles. A failure prints the line that replays it.
settings.register_profile("jcnn", deadline=None, print_blob=True)
settings.load_profile("jcnn")


def pytest_collection_finish() -> None:
    """What is imported by now stays: collecting garbage looked through all of it for each test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache folder holds what would change results: a tuned table of convolutions."""
    cache = tmp_path_factory.mktemp("cache")
    give_native(cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


def give_native(cache: Path) -> None:
    """Copy the compiled library into another cache, whose processes need not compile it again."""
    library.unavailable()  # compiled once for all sessions, in the user's folder
    compiled = cache_folder() / "native"
    if compiled.is_dir():
        (cache / "jcnn").mkdir(mode=0o700)
        shutil.copytree(compiled, cache / "jcnn" / "native")


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """The Chromium that is installed, without a window: one for all tests of a process."""
    from playwright.sync_api import sync_playwright

    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser; looked for {', '.join(BROWSERS)} on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
