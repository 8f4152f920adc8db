"""Lowering "native": the C++ functions against the oracle, how they are compiled and used."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from jcnn import ops
from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.native import library
from jcnn.ops.conv.primitive import conv
from jcnn.ops.conv.table.lookup import Measured, Table, choose
from jcnn.system.caches import CacheWarning
from tests.ops.conv import oracle
from tests.ops.conv.cases import Case, Operands, draw, expected, operands
from tests.ops.conv.strategies import check_random
from tests.ops.conv.tolerances import assert_close

pytestmark = pytest.mark.skipif(
    library.unavailable() is not None, reason=str(library.unavailable())
)


def run(case: Case) -> Any:
    """`f(x, kernel)`: the case's convolution in its lowering, gradients included."""
    window = ops.resolve_window(
        case.x_shape[1:3],
        case.kernel_shape[:2],
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
    )
    return lambda x, k: conv(
        x,
        k,
        lowering="native" if case.groups == 1 else "native_depthwise",
        stride=window.stride,
        padding=window.padding,
        in_dilation=(1, 1),
        dilation=window.dilation,
        groups=case.groups,
        precision=None,
    )


def value_and_gradients(case: Case, a: Operands) -> tuple[jax.Array, ...]:
    def both(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        y, pull_back = jax.vjp(run(case), x, kernel)
        return (y, *pull_back(g))

    made: tuple[jax.Array, ...] = jax.jit(both)(a.x, a.kernel, a.g)
    return made


def check(case: Case) -> None:
    a = operands(case)
    y, by_x, by_kernel, _ = expected(case, a)
    wanted = (y - oracle.float64(a.bias), by_x, by_kernel)
    row = "native" if case.groups == 1 else "lax"  # the sums of "native_depthwise" are plain
    for got, want, terms in zip(value_and_gradients(case, a), wanted, case.terms, strict=False):
        assert_close(got, want, dtype="float32", method=row, terms=terms)


CASES = {
    "whole tiles": Case((2, 8, 12, 16), (3, 3, 16, 32)),
    "tiles cut off": Case((3, 7, 9, 32), (3, 3, 32, 16), padding="VALID"),
    "one row, three columns": Case((2, 1, 3, 16), (3, 3, 16, 16)),
    "padding of four sizes": Case((1, 5, 6, 48), (3, 3, 48, 16), padding=((0, 4), (3, 1))),
    "several blocks of tiles": Case((5, 21, 18, 16), (3, 3, 16, 48)),
    "groups of output channels": Case((1, 6, 5, 496), (3, 3, 496, 48)),
    "depthwise": Case((2, 9, 11, 19), (3, 3, 1, 19), groups=19),
    "depthwise, every parameter": Case(
        (3, 10, 9, 33), (4, 7, 1, 33), (2, 3), ((0, 4), (3, 1)), (2, 1), 33
    ),
    "depthwise, one image": Case((1, 5, 6, 3), (2, 5, 1, 3), groups=3),
    "depthwise, a wide kernel": Case((2, 6, 13, 16), (1, 11, 1, 16), stride=2, groups=16),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    check(CASES[name])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any size and padding; 16 to 48 channels."""
    channels, filters = (draw(st.sampled_from([16, 32, 48])) for _ in range(2))
    height, width = draw(st.integers(1, 13)), draw(st.integers(1, 13))
    pads = [(draw(st.integers(1, 3)), draw(st.integers(1, 3))) for _ in range(2)]
    shape = (draw(st.integers(1, 3)), height, width, channels)
    return Case(shape, (3, 3, channels, filters), padding=(pads[0], pads[1]))


@pytest.mark.parametrize("count", [10, pytest.param(25, marks=pytest.mark.slow)])
def test_random_cases(count: int) -> None:
    check_random(check, cases(), count)


@st.composite
def depthwise_cases(draw: st.DrawFn) -> Case:
    """Any kernel, stride, dilation and padding; 2 to 20 channels."""
    channels = draw(st.integers(2, 20))
    kernel, stride, dilation = ((draw(st.integers(1, 4)), draw(st.integers(1, 4))) for _ in "ksd")
    pads = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2)]
    size = [
        max(1, (k - 1) * d + 1 - sum(p)) + draw(st.integers(0, 6))
        for k, d, p in zip(kernel, dilation, pads, strict=True)
    ]
    return Case(
        (draw(st.integers(1, 3)), size[0], size[1], channels),
        (*kernel, 1, channels),
        stride,
        (pads[0], pads[1]),
        dilation,
        channels,
    )


@pytest.mark.parametrize("count", [10, pytest.param(25, marks=pytest.mark.slow)])
def test_random_depthwise_cases(count: int) -> None:
    check_random(check, depthwise_cases(), count)


def test_a_cropped_input() -> None:
    """Padding below zero, as the gradient of a convolution with a wide padding has."""
    x, kernel = draw("x", (2, 11, 9, 16)), draw("kernel", (3, 3, 16, 16))
    params = Params((1, 1), ((-2, 1), (3, -4)), (1, 1), (1, 1), 1)
    got = jax.jit(LOWERINGS["native"].fn, static_argnums=(2, 3))(x, kernel, None, params)
    whole = np.pad(oracle.float64(x)[:, 2:, :-4], ((0, 0), (0, 1), (3, 0), (0, 0)))
    want = oracle.conv2d(whole, oracle.float64(kernel), padding="VALID")
    assert_close(got, want, dtype="float32", method="native", terms=144)


def test_the_same_bits_twice_in_a_scan_and_under_vmap() -> None:
    case = Case((3, 20, 17, 16), (3, 3, 16, 32))
    a = operands(case)
    first = value_and_gradients(case, a)
    for one, other in zip(first, value_and_gradients(case, a), strict=True):
        np.testing.assert_array_equal(one, other)

    def step(carry: jax.Array, _: None) -> tuple[jax.Array, Any]:
        value, pull_back = jax.vjp(run(case), a.x + carry, a.kernel)
        return carry, (value, *pull_back(a.g))

    _, looped = jax.jit(lambda: jax.lax.scan(step, jnp.zeros(()), length=2))()
    xs = jnp.stack([a.x, 2 * a.x])
    mapped = jax.jit(jax.vmap(run(case), in_axes=(0, None)))(xs, a.kernel)
    each = jax.jit(jax.vmap(run(case)))(xs, jnp.stack([a.kernel, -a.kernel]))
    for one, in_loop in zip(first, looped, strict=True):
        np.testing.assert_array_equal(in_loop[1], one)
    np.testing.assert_array_equal(mapped[1], 2 * first[0])
    np.testing.assert_array_equal(each[1], -2 * first[0])


def test_many_calls_at_once_do_not_wait_for_each_other() -> None:
    """More calls than threads, each of which wants the whole pool."""
    case = Case((4, 16, 16, 16), (3, 3, 16, 16))
    x, kernel, one = draw("x", case.x_shape), draw("kernel", case.kernel_shape), run(case)
    many = jax.jit(lambda x: [one(x + i, kernel) for i in range(64)])(x)
    np.testing.assert_array_equal(many[63], jax.jit(one)(x + 63, kernel))


def program(function: Any, *arrays: jax.Array) -> str:
    return str(jax.jit(function).lower(*arrays).as_text())


def test_the_transpositions_of_a_depthwise_gradient_vanish() -> None:
    case = Case((8, 9, 12, 24), (3, 3, 1, 24), groups=24)
    gradients = jax.grad(lambda x, k: run(case)(x, k).sum(), argnums=(0, 1))
    a = operands(case)
    text = str(jax.jit(gradients).lower(a.x, a.kernel).compile().as_text())
    assert text.count('custom_call_target="jcnn_depthwise"') == 1
    assert text.count('custom_call_target="jcnn_depthwise_kernel_gradient"') == 1
    assert "transpose_copy" not in text
    assert "8,9,12,24]{3,2,1,0} copy(" not in text


def test_auto_calls_it_and_its_transpositions_vanish() -> None:
    x, kernel = draw("x", (64, 14, 14, 64)), draw("kernel", (3, 3, 64, 64))
    gradients = jax.grad(lambda x, k: ops.conv2d(x, k).sum(), argnums=(0, 1))
    text = str(jax.jit(gradients).lower(x, kernel).compile().as_text())
    assert text.count('custom_call_target="jcnn_winograd"') == 1
    assert text.count('custom_call_target="jcnn_winograd_kernel_gradient"') == 1
    assert " convolution(" not in text
    # Of the three arrays, only the kernel is rotated.
    assert "64,14,14,64]{3,2,1,0} transpose(" not in text
    assert "64,14,14,64]{3,2,1,0} copy(" not in text


def test_a_precision_or_an_export_gets_xlas_own() -> None:
    x, kernel = draw("x", (64, 14, 14, 64)), draw("kernel", (3, 3, 64, 64))
    assert "jcnn_winograd" in program(ops.conv2d, x, kernel)
    precise = program(lambda x, k: ops.conv2d(x, k, precision="highest"), x, kernel)
    assert "jcnn_winograd" not in precise
    exported = jax.export.export(jax.jit(ops.conv2d))(x, kernel).mlir_module()
    assert "jcnn_winograd" not in exported


def test_where_it_cannot_run_the_next_best_is_chosen() -> None:
    params = Params((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    able = Conv("cpu", "float32", (8, 14, 14, 16), (3, 3, 16, 16), params)
    unable = Conv("cpu", "float32", (8, 14, 14, 24), (3, 3, 24, 16), params)
    times = {"lax": 3.0, "native": 1.0, "taps": 2.0}
    table = Table(Path("table.json"), "a machine", (Measured(able, "native", times, "16"),))
    assert choose(able, [table]).lowering == "native"
    assert choose(able, [table], plain=True).lowering == "lax"  # taps are for few products
    assert choose(unable, [table]).lowering == "lax"


# --- compiling and loading ------------------------------------------------------------------------


def reason(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return library.unavailable.__wrapped__()


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "JCNN_NATIVE=0" in str(reason({"JCNN_NATIVE": "0"}, monkeypatch))


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    message = reason({"PATH": str(tmp_path), "CXX": ""}, monkeypatch)
    assert message is not None
    assert message.startswith("no C++ compiler was found (c++, g++, clang++")


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho no such luck >&2\nexit 1\n')
    broken.chmod(0o755)
    message = reason({"CXX": str(broken), "XDG_CACHE_HOME": str(tmp_path)}, monkeypatch)
    assert message == f"{broken} did not make a library: no such luck"
    assert not list(tmp_path.rglob("*.so"))


class Compiler:
    """A fake compiler that copies a library and counts its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.gives = folder / "compiler", folder / "gives.so"
        self._calls = folder / "calls"
        self.path.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && exit 0\n'
            'while [ "$1" != -o ]; do shift; done\n'
            f"echo >> {self._calls}\ncp {self.gives} $2\n"
        )
        self.path.chmod(0o755)
        self.gives.write_bytes(b"a library")
        monkeypatch.setenv("CXX", str(self.path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._calls.read_text()) if self._calls.exists() else 0

    def library(self) -> Path:
        """What would be loaded."""
        return library._ready(str(self.path))


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    return Compiler(tmp_path, monkeypatch)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)


SPOILT: dict[str, Callable[[Path], object]] = {
    "cut": lambda file: os.truncate(file, 4),
    "empty": lambda file: os.truncate(file, 0),
    "one bit": flip,
    "gone": Path.unlink,
    "others may write it": lambda file: file.chmod(0o722),
    "its group may write it": lambda file: file.chmod(0o770),
}


def test_a_library_is_compiled_once(compiler: Compiler) -> None:
    libraries = {compiler.library() for _ in range(3)}
    assert compiler.calls == 1
    (library,) = libraries
    assert library.read_bytes() == b"a library"
    assert {path.stat().st_mode & 0o077 for path in (library, *library.parent.iterdir())} == {0}
    assert {path.suffix for path in library.parent.iterdir()} == {".so", ".sha256"}


@pytest.mark.parametrize("suffix", [".so", ".sha256"])
@pytest.mark.parametrize("how", SPOILT)
def test_a_library_that_is_not_as_it_was_is_compiled_anew(
    compiler: Compiler, tmp_path: Path, how: str, suffix: str
) -> None:
    library = compiler.library()
    loaded = tmp_path / "as a process has loaded it"
    os.link(library, loaded)
    SPOILT[how](library.with_suffix(suffix))
    assert compiler.library() == library
    assert compiler.calls == 2
    assert library.read_bytes() == b"a library"
    assert not library.samefile(loaded)  # which would be written over under its feet
    compiler.library()
    assert compiler.calls == 2


def test_a_library_of_another_user_is_not_loaded(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a matching checksum, as an attacker would write it."""
    library = compiler.library()
    state = Path.stat

    def foreign(self: Path, **options: Any) -> Any:
        found = state(self, **options)
        if self.suffix == ".so" and self.is_relative_to(library.parent):
            return os.stat_result((*found[:4], 12345, *found[5:]))
        return found

    monkeypatch.setattr(Path, "stat", foreign)
    compiler.library()
    assert compiler.calls == 2


@pytest.mark.parametrize("folder", ["jcnn/native", "jcnn"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_folder_that_others_may_write_is_not_used(
    compiler: Compiler, tmp_path: Path, folder: str, mode: int
) -> None:
    compiler.library()
    place = tmp_path / "cache" / folder
    place.chmod(mode)
    reason = f"{place}: other users may write it (mode {mode:o}); remove it, or chmod go-w"
    with pytest.warns(CacheWarning) as warned:
        message = library.unavailable.__wrapped__()
    assert message == f"{reason}; the compiled kernels are not used"
    assert [str(warning.message) for warning in warned] == [message]
    assert compiler.calls == 1


def test_the_processors_flags_are_in_the_librarys_name(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines may share a home folder, and the code of one may crash on another."""
    info, names = tmp_path / "cpuinfo", list[str]()
    monkeypatch.setattr(library, "_PROCESSORS", info)
    for flags in ("fpu sse avx512f", "fpu sse", "fpu sse"):
        info.write_text(f"processor\t: 0\ncpu MHz\t\t: {len(names)}\nflags\t\t: {flags}\n\n")
        names.append(compiler.library().name)
    assert names[0] != names[1] == names[2]


def loaded() -> Path:
    """The library that this process has loaded."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    found = (re.search(r"/\S+/native/\w+\.so", line) for line in lines)
    return next(Path(path[0]) for path in found if path)


@pytest.mark.parametrize("how", ["cut", "overwritten"])
def test_a_process_survives_a_damaged_library(compiler: Compiler, how: str) -> None:
    """In its own process, which a truncated library would crash."""
    shutil.copy(loaded(), compiler.gives)
    library = compiler.library()
    whole = library.read_bytes()
    spoilt = whole[: len(whole) // 2] if how == "cut" else b"\x7fELF" + b"junk" * (len(whole) // 4)
    library.write_bytes(spoilt)
    code = "from jcnn.ops.conv.native import library; print(library.unavailable())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
    assert library.read_bytes() == whole
