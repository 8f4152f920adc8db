"""`jcnn.compile`: compiler options, the compilation cache, and memory reuse."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from jcnn import compile as jcnn_compile
from jcnn.system.caches import CacheWarning

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


def settings() -> dict[str, Any]:
    return {name: getattr(jax.config, name) for name in SETTINGS}


@pytest.fixture
def _restored_settings() -> Iterator[None]:
    before = settings()
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_jit_computes_what_the_function_does() -> None:
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(jcnn_compile.jit(lambda a, b: a @ b)(x, x.T), x @ x.T)


def test_jit_donates_buffers() -> None:
    add = jcnn_compile.jit(lambda a, b: a + b, donate_argnums=(1,))
    kept, given = jnp.ones(4), jnp.ones(4)
    assert add(kept, given).tolist() == [2, 2, 2, 2]
    assert given.is_deleted()
    assert not kept.is_deleted()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the option is XLA:CPU's")
def test_the_option_reaches_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA refuses an invalid value, so it reads the option; this version knows the real one."""
    assert list(jcnn_compile.compiler_options("cpu")) == ["xla_cpu_experimental_ynn_fusion_type"]
    monkeypatch.setattr(
        jcnn_compile, "compiler_options", lambda backend: {"no_such_option": backend}
    )
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        jcnn_compile.jit(lambda: 0)()


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jcnn_compile, "_CPU_OPTIONS", {"no_such_option": "1"})
    assert jcnn_compile.compiler_options.__wrapped__("cpu") == {}


def test_other_backends_have_no_options() -> None:
    assert jcnn_compile.compiler_options("gpu") == {}


def test_run_once_gives_what_the_function_does() -> None:
    drawn = jcnn_compile.run_once(lambda: {"a": jax.random.normal(jax.random.key(1), (3,))})
    np.testing.assert_allclose(drawn["a"], jax.random.normal(jax.random.key(1), (3,)), rtol=1e-6)


def test_run_once_runs_on_the_cpu_and_moves_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    drawn = jcnn_compile.run_once(lambda seed: jax.random.key(seed), np.uint32(5))
    assert drawn == jax.random.key(5)
    assert drawn.device == jax.local_devices()[0]


@pytest.mark.usefixtures("_restored_settings")
def test_the_cache_is_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jcnn_compile.use_cache() == tmp_path / "jcnn" / "xla"
    assert settings()["jax_compilation_cache_dir"] == str(tmp_path / "jcnn" / "xla")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jcnn_compile.use_cache() == tmp_path / ".cache" / "jcnn" / "xla"
    assert jcnn_compile.use_cache(tmp_path / "here") == tmp_path / "here"
    # Small programs that compile quickly are cached, too.
    assert settings()["jax_persistent_cache_min_compile_time_secs"] == 0
    assert settings()["jax_persistent_cache_min_entry_size_bytes"] == -1
    assert settings()["jax_compilation_cache_dir"] == str(tmp_path / "here")


def start_anew() -> None:
    """Reset JAX as in a new process: the cache is opened, and nothing is compiled yet."""
    reset_cache()
    jax.clear_caches()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Path]:
    """A cache with three programs."""
    before = settings()
    start_anew()
    assert jcnn_compile.use_cache(tmp_path / "xla") == tmp_path / "xla"
    compute()
    yield tmp_path / "xla"
    for name, value in before.items():
        jax.config.update(name, value)
    start_anew()


def compute() -> None:
    for n in range(3):
        np.testing.assert_array_equal(jax.jit(lambda x, n=n: n * x + n)(np.ones(3)), 2.0 * n)


def entries(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.glob("*-cache")}


def cut(file: Path) -> None:
    os.truncate(file, 100)


def overwrite(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("spoil", [cut, overwrite])
def test_damaged_programs_are_one_warning_and_compiled_anew(
    programs: Path, spoil: Callable[[Path], None]
) -> None:
    whole = entries(programs)
    assert len(whole) >= 3
    for path in programs.glob("*-cache"):
        spoil(path)
    start_anew()
    with pytest.warns(CacheWarning) as warned:
        jcnn_compile.use_cache(programs)
        compute()
    assert len(warned) == 1
    start = f"{programs}: damaged programs are compiled anew (error: Error -"
    assert str(warned[0].message).startswith(start)
    assert entries(programs).keys() == whole.keys()
    start_anew()
    jcnn_compile.use_cache(programs)
    compute()  # without a warning, which would be an error


def test_an_unusable_cache_is_one_warning(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Existing programs are still used."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    kept = entries(programs)
    start_anew()
    with pytest.warns(CacheWarning, match="new programs are compiled at every start") as warned:
        jcnn_compile.use_cache(programs)
        compute()
        jax.jit(lambda x: x - 7)(np.ones(5))
    assert len(warned) == 1
    assert entries(programs) == kept


def test_a_disk_that_fails_later_is_one_warning(programs: Path) -> None:
    with pytest.warns(CacheWarning) as warned:
        jcnn_compile.use_cache(programs)
        shutil.rmtree(programs)
        for n in range(3):
            jax.jit(lambda x, n=n: x / 3 - n)(np.ones(5))
    (warning,) = warned
    start = f"{programs}: new programs are compiled at every start (FileNotFoundError: "
    assert str(warning.message).startswith(start)


def test_programs_that_another_user_could_have_written_are_not_run(programs: Path) -> None:
    first, *others = sorted(programs.glob("*-cache"))
    first.chmod(0o666)
    jcnn_compile.use_cache(programs)
    assert sorted(programs.glob("*-cache")) == others
    programs.chmod(0o777)
    reason = r"other users may write it \(mode 777\); .*; compiled programs are not kept"
    with pytest.warns(CacheWarning, match=reason):
        assert jcnn_compile.use_cache(programs) is None
    assert settings()["jax_compilation_cache_dir"] is None


@pytest.mark.skipif(
    jax.default_backend() != "cpu" or platform.libc_ver()[0] != "glibc", reason="glibc's, on a CPU"
)
def test_reused_memory_has_no_page_faults() -> None:
    """Each page of a program's 41 MB of temporary memory comes from the kernel only once."""
    pages = 4 * 3200**2 // os.sysconf("SC_PAGE_SIZE")
    assert faults_of_a_call("") > 0.9 * pages
    assert faults_of_a_call("keep_memory()") < 0.05 * pages


def faults_of_a_call(first: str) -> float:
    """Page faults of a call after the heap has grown, in a new process."""
    program = f"""
import resource, statistics
import jax, jax.numpy as jnp
from jcnn.compile import keep_memory
{first}
products = jax.jit(lambda x: jnp.abs(x @ x.T) @ x)
x = jnp.ones((3200, 8))
counts = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    products(x).block_until_ready()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(statistics.median(counts[-9:]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)
