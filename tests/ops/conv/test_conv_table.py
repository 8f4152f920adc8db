"""Method "auto": lookup in the tables, the files, and `explain_conv`."""

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.explain import directions
from jcnn.ops.conv.table.file import SHIPPED, read, tables, text, tuned_file
from jcnn.ops.conv.table.lookup import Choice, Conv, Measured, Params, Table, choose
from jcnn.system.caches import CacheWarning
from tests.hlo import convolutions
from tests.ops.conv.cases import draw

PLAIN = Params((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
BASE = Conv("cpu", "float32", (8, 12, 12, 16), (3, 3, 16, 32), PLAIN)
STRIDED = dataclasses.replace(BASE, params=dataclasses.replace(PLAIN, stride=(2, 2)))
DEPTHWISE = Conv(
    "cpu", "float32", (8, 12, 12, 6), (3, 3, 1, 6), dataclasses.replace(PLAIN, groups=6)
)


def line(conv: Conv, lowering: str) -> Measured:
    return Measured(conv, lowering, {"lax": 2.0, lowering: 1.0}, f"a case of {lowering}")


def table(*lines: Measured) -> Table:
    return Table(Path("some.json"), "a machine", lines)


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Writes the user's table, in a cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def write(*lines: Measured) -> Path:
        file = tuned_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text("this machine", lines))
        forget()
        return file

    yield write
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Forget the tables and compiled programs, which are cached per process."""
    tables.cache_clear()
    jax.clear_caches()


# --- lookup ---------------------------------------------------------------------------------------


def test_a_measured_convolution_takes_its_lowering() -> None:
    for lowering in ("lax", "taps"):
        choice = choose(DEPTHWISE, [table(line(BASE, "lax"), line(DEPTHWISE, lowering))])
        assert (choice.lowering, choice.reason) == (lowering, "measured")


def test_others_take_the_lowering_of_the_nearest_within_a_factor_of_two() -> None:

    def grouped(channels: int) -> Conv:
        shapes = (8, 12, 12, 2 * channels), (3, 3, channels, 32)
        return Conv("cpu", "float32", *shapes, replace_groups(2))

    lines = table(line(grouped(16), "groups"), line(grouped(40), "lax"))
    for channels, lowering in (
        (16, "groups"),
        (20, "groups"),
        (38, "lax"),
        (80, "lax"),
        (8, "groups"),
    ):
        assert choose(grouped(channels), [lines]).lowering == lowering, channels
    assert choose(grouped(20), [lines]).reason == "nearest measured: a case of groups"
    # Beyond a factor of two no line is near.
    assert choose(grouped(7), [lines]) == Choice("lax", "nothing like it was measured")


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("image", [(32, 32, 32), (960, 2, 2), (96, 7, 9), (17, 112, 100)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.skipif(
    LOWERINGS["native_depthwise"].unsupported(DEPTHWISE) is not None, reason="no C++ compiler"
)
def test_a_depthwise_layer_of_any_size_is_native(
    kernel: int, image: tuple[int, int, int], stride: int
) -> None:
    """Even where the maps are smaller than the kernel; XLA's takes ten times as long."""
    channels, *size = image
    for examples in (1, 2, 32):
        found = ops.explain_conv(
            (examples, *size, channels),
            (kernel, kernel, 1, channels),
            stride=stride,
            groups=channels,
            platform="cpu",
        )
        chosen = {name: choice.lowering for name, choice in found.items()}
        assert set(chosen.values()) == {"native_depthwise"}, (examples, chosen)


def replace_groups(groups: int) -> Params:
    return dataclasses.replace(PLAIN, groups=groups)


def test_more_and_larger_images_take_the_same_lowering() -> None:
    for x in ((512, 12, 12, 6), (8, 96, 90, 6)):
        other = dataclasses.replace(DEPTHWISE, x=x)
        assert choose(other, [table(line(DEPTHWISE, "taps"))]).lowering == "taps"


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(DEPTHWISE, platform="gpu"),
        dataclasses.replace(DEPTHWISE, dtype="bfloat16"),
        dataclasses.replace(DEPTHWISE, kernel=(3, 5, 1, 6)),
        dataclasses.replace(DEPTHWISE, kernel=(3, 3, 1, 12)),
        dataclasses.replace(DEPTHWISE, x=(8, 5, 5, 6)),
        dataclasses.replace(
            DEPTHWISE, params=dataclasses.replace(replace_groups(6), stride=(2, 1))
        ),
        dataclasses.replace(
            DEPTHWISE, params=dataclasses.replace(replace_groups(6), dilation=(2, 2))
        ),
        dataclasses.replace(
            DEPTHWISE, params=dataclasses.replace(replace_groups(6), in_dilation=(2, 2))
        ),
    ],
)
def test_another_kind_or_size_does_not(other: Conv) -> None:
    assert choose(other, [table(line(DEPTHWISE, "taps"))]) == choose(other, [])


def test_depthwise_channels_may_differ_if_as_many_numbers() -> None:
    lines = table(line(DEPTHWISE, "taps"))

    def depthwise(*x: int) -> Conv:
        return dataclasses.replace(
            DEPTHWISE, x=x, kernel=(3, 3, 1, x[3]), params=replace_groups(x[3])
        )

    for other in (depthwise(2, 12, 12, 24), depthwise(1, 12, 12, 96)):
        assert choose(other, [lines]).lowering == "taps"
    smaller = depthwise(1, 8, 8, 24)
    assert choose(smaller, [lines]) == choose(smaller, [])


def test_large_kernels_of_nearly_one_size_are_one_kind() -> None:
    def large(side: int, image: int = 40) -> Conv:
        around = (side // 2, (side - 1) // 2)
        params = dataclasses.replace(PLAIN, padding=(around, around))
        return Conv("cpu", "float32", (8, image, image, 16), (side, side, 16, 16), params)

    lines = table(line(large(31), "fft"))
    for side, lowering in ((31, "fft"), (29, "fft"), (35, "fft"), (25, "lax"), (41, "lax")):
        assert choose(large(side), [lines]).lowering == lowering, side
    assert choose(large(31, 80), [lines]).lowering == "fft"
    small = table(line(large(7), "native"), line(DEPTHWISE, "lax"))
    reasons = [choose(large(side), [small]).reason for side in (6, 7, 8)]
    assert reasons == ["nothing like it was measured", "measured", "nothing like it was measured"]


def test_the_nearest_of_several_is_taken() -> None:
    lines = [
        line(dataclasses.replace(DEPTHWISE, x=(n, *DEPTHWISE.x[1:])), f)
        for n, f in ((8, "lax"), (64, "taps"))
    ]
    for n, lowering in ((8, "lax"), (16, "lax"), (60, "taps"), (500, "taps")):
        other = dataclasses.replace(DEPTHWISE, x=(n, *DEPTHWISE.x[1:]))
        for order in (lines, lines[::-1]):
            assert choose(other, [table(*order)]).lowering == lowering, n


def test_padding_does_not_matter() -> None:
    params = dataclasses.replace(replace_groups(6), padding=((0, 1), (2, 0)))
    other = dataclasses.replace(DEPTHWISE, params=params)
    assert choose(other, [table(line(DEPTHWISE, "taps"))]).lowering == "taps"


def test_a_family_that_agrees_decides_for_every_size() -> None:
    lines = [line(dataclasses.replace(DEPTHWISE, x=(n, 12, 12, 6)), "taps") for n in (8, 16, 32)]
    huge = dataclasses.replace(DEPTHWISE, x=(8, 300, 300, 6), kernel=(5, 5, 1, 6))
    assert choose(huge, [table(*lines)]).lowering == "taps"
    assert choose(huge, [table(*lines[:2])]) == choose(huge, [])
    odd_one = dataclasses.replace(lines[0], lowering="lax")
    assert choose(huge, [table(*lines, odd_one)]) == choose(huge, [])
    # The family's lowering may not be able to.
    too_many_cells = dataclasses.replace(huge, kernel=(15, 15, 1, 6))
    assert choose(too_many_cells, [table(*lines)]).lowering == "lax"


def test_gradients_are_convolutions_with_lines_of_their_own() -> None:
    made = {name: one.conv for name, one in directions(STRIDED).items()}
    assert made["forward"] == STRIDED
    assert made["by input"].params.in_dilation == (2, 2)
    assert made["by input"].x == (8, 6, 6, 32)
    assert made["by kernel"].params.dilation == (2, 2)
    assert made["by kernel"].kernel == (6, 6, 8, 32)
    assert [one.is_by_kernel for one in made.values()] == [False, False, True]
    # Of a gradient by kernel, a larger image is a longer sum.
    larger = directions(dataclasses.replace(STRIDED, x=(8, 16, 12, 16)))["by kernel"].conv
    choice = choose(larger, [table(line(made["by kernel"], "phases"))])
    assert choice.lowering == "phases"


# --- the named lowering runs ----------------------------------------------------------------------


def program(conv: Conv, direction: str) -> str:
    one = directions(conv)[direction]
    arrays = [jax.ShapeDtypeStruct(shape, "float32") for shape in one.shapes]
    return str(jax.jit(one.function).lower(*arrays).compile().as_text())


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the lines are the CPU's")
@pytest.mark.parametrize(
    ("lowering", "conv", "direction", "count", "absent"),
    [
        ("lax", STRIDED, "by input", 1, "while"),
        ("phases", STRIDED, "by input", 4, "lhs_dilate"),
        ("phases", STRIDED, "by kernel", 4, "rhs_dilate"),
        ("lax", DEPTHWISE, "forward", 1, "while"),
        ("taps", DEPTHWISE, "forward", 0, "convolution("),
        ("taps", DEPTHWISE, "by input", 0, "convolution("),
        ("groups", DEPTHWISE, "forward", 6, "feature_group_count"),
        ("rows", DEPTHWISE, "by kernel", 0, "convolution("),
    ],
)
def test_the_lowering_that_the_users_table_names_runs(
    tuned: Callable[..., Path], lowering: str, conv: Conv, direction: str, count: int, absent: str
) -> None:
    tuned(line(directions(conv)[direction].conv, lowering))
    compiled = program(conv, direction)
    found = convolutions(compiled)
    assert len(found) == count
    assert [x for x in ([compiled] if absent == "while" else found) if absent in x] == []


def test_the_users_table_comes_first_and_changes_what_runs(
    tuned: Callable[..., Path],
) -> None:
    for lowering in ("lax", "taps", "groups"):
        file = tuned(line(DEPTHWISE, lowering))
        found = ops.explain_conv(DEPTHWISE.x, DEPTHWISE.kernel, groups=6, platform="cpu")
        choice = found["forward"]
        assert choice.table is not None
        assert (choice.lowering, choice.table.file) == (lowering, file)
    # For convolutions without a line there, the shipped table is used.
    known = next(one for one in read(SHIPPED).lines if one.lowering != "lax")
    assert choose(known.conv, tables()).lowering == known.lowering
    assert [one.file for one in tables()] == [file, SHIPPED]


def test_a_lowering_is_the_same_convolution_without_jit(tuned: Callable[..., Path]) -> None:
    x, kernel = draw("x", DEPTHWISE.x), draw("kernel", DEPTHWISE.kernel)
    values = []
    for lowering in ("lax", "taps"):
        tuned(line(DEPTHWISE, lowering))
        values.append(ops.conv2d(x, kernel, groups=6))
        with jax.disable_jit():
            np.testing.assert_array_equal(ops.conv2d(x, kernel, groups=6), values[-1])
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)


def test_taps_are_inside_a_loop(tuned: Callable[..., Path]) -> None:
    """Else XLA fuses the sum into every operation that reads it, and each computes it again."""
    tuned(line(DEPTHWISE, "taps"))
    cells = math.prod(DEPTHWISE.kernel[:2])
    assert products_of_two_readers(lambda x, k: ops.conv2d(x, k, groups=6)) == cells
    assert products_of_two_readers(sum_of_taps) == 2 * cells  # as it would be without


def sum_of_taps(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A depthwise convolution as a user would write it."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1:3]
    y = jnp.zeros_like(x)
    for i, j in np.ndindex(3, 3):
        y += padded[:, i : i + rows, j : j + columns] * kernel[i, j, 0]
    return y


def products_of_two_readers(convolve: Callable[..., jax.Array]) -> int:
    """How often a compiled program multiplies where two operations read the convolution."""

    def read_twice(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = convolve(x, kernel)
        return jnp.tanh(y), jnp.exp(y)

    shapes = [jax.ShapeDtypeStruct(s, "float32") for s in (DEPTHWISE.x, DEPTHWISE.kernel)]
    text = jax.jit(read_twice).lower(*shapes).compile().as_text()
    return len(re.findall(r"= f32\[[\d,]+\]\S* multiply\(", str(text)))


def test_a_symbolic_size_is_lax() -> None:
    """`jax.export` with a symbolic batch."""
    export = pytest.importorskip("jax.export")
    (n,) = export.symbolic_shape("n")
    x = jax.ShapeDtypeStruct((n, *DEPTHWISE.x[1:]), "float32")
    kernel = jax.ShapeDtypeStruct(DEPTHWISE.kernel, "float32")
    exported = export.export(jax.jit(lambda x, k: ops.conv2d(x, k, groups=6)))(x, kernel)
    values = draw("x", DEPTHWISE.x), draw("kernel", DEPTHWISE.kernel)
    np.testing.assert_allclose(exported.call(*values), ops.conv2d(*values, groups=6), atol=1e-5)


# --- files ----------------------------------------------------------------------------------------


def test_the_shipped_table_is_in_canonical_format() -> None:
    shipped = read(SHIPPED)
    assert text(shipped.measured_on, reversed(shipped.lines)) == SHIPPED.read_text()
    assert {one.lowering for one in shipped.lines} <= set(LOWERINGS)
    for one in shipped.lines:
        assert choose(one.conv, [shipped]).reason == "measured"
        if one.lowering != "native":  # which needs a compiler
            assert LOWERINGS[one.lowering].unsupported(one.conv) is None
        if one.lowering != "lax":
            assert one.milliseconds[one.lowering] <= 0.9 * one.milliseconds["lax"]


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lines = (line(BASE, "lax"), line(DEPTHWISE, "taps"), line(STRIDED, "lax"))
    file = tmp_path / "table.json"
    file.write_text(text('a "machine"', lines))
    back = read(file)
    assert back.measured_on == 'a "machine"'
    assert sorted(back.lines, key=str) == sorted(lines, key=str)


def damaged(change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(text("a machine", [line(DEPTHWISE, "taps")]))
    change(content["convolutions"][0])
    return json.dumps(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "not a 'jcnn convolution table 2'"),
        ('{"format": "jcnn convolution table 3"}', "not a 'jcnn convolution table 2'"),
        ('{"format": "jcnn convolution table 2"}', "'convolutions' is missing"),
        (damaged(lambda e: e.pop("kernel")), "'kernel' is missing"),
        (damaged(lambda e: e.update(lowering="magic")), "lowering: got 'magic'; accepted: 'lax', "),
        (damaged(lambda e: e.update(stride=[0, 1])), "got 0 where a whole number belongs"),
        (damaged(lambda e: e.update(groups="6")), "got '6' where a whole number belongs"),
        (damaged(lambda e: e.update(x=[1, 2, 3])), "not enough values to unpack"),
        (damaged(lambda e: e.update(x=[8, 1, 12, 6], padding=[[0, 0], [0, 0]])), "do not fit"),
        (damaged(lambda e: e.update(ms={"lax": "fast"})), "could not convert"),
        (damaged(lambda e: e.update(ms=3)), "'int' object is not iterable"),
    ],
)
def test_a_damaged_table_is_refused_by_name(
    tuned: Callable[..., Path], content: str, reason: str
) -> None:
    file = tuned()
    file.write_text(content)
    with pytest.raises(ValueError, match=re.escape(reason)) as raised:
        read(file)
    message = str(raised.value)
    assert message.startswith(f"{file}: ")
    assert "jcnn bench tune" in message
    assert "\n" not in message


OTHER_VERSIONS = damaged(lambda e: e.update(lowering="magic", ms={"lax": 2.0, "magic": 1.0}))


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (OTHER_VERSIONS, 0o600, "lowering: got 'magic'; accepted: 'lax', "),
        (damaged(lambda e: e["ms"].update(magic=3.0)), 0o600, "lowering: got 'magic'; accepted: "),
        (OTHER_VERSIONS[:99], 0o600, "; delete it, or measure anew with `jcnn bench tune`"),
        (damaged(lambda _: None), 0o666, "other users may write it (mode 666); remove it, or"),
    ],
)
def test_a_table_that_cannot_be_used_is_left_out_with_one_warning(
    tuned: Callable[..., Path], content: str, mode: int, reason: str
) -> None:
    file = tuned()
    file.write_text(content)
    file.chmod(mode)
    forget()
    x, kernel = draw("x", DEPTHWISE.x), draw("kernel", DEPTHWISE.kernel)
    with pytest.warns(CacheWarning) as warned:
        got = [jax.jit(lambda x, k, n=n: ops.conv2d(x * n, k, groups=6))(x, kernel) for n in (1, 2)]
    (warning,) = warned
    message = str(warning.message)
    assert message.startswith(f"{file}: ")
    assert reason in message
    assert message.endswith("; jcnn's own table is used")
    np.testing.assert_allclose(got[1], 2 * got[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        got[0], ops.conv2d(x, kernel, groups=6, method="lax"), rtol=1e-5, atol=1e-5
    )
    assert [one.file for one in tables()] == [SHIPPED]


# --- explain_conv ---------------------------------------------------------------------------------


def test_an_explanation_names_lowerings_times_and_the_table(tuned: Callable[..., Path]) -> None:
    by_input = directions(STRIDED)["by input"].conv
    file = tuned(line(by_input, "phases"))
    found = ops.explain_conv(STRIDED.x, STRIDED.kernel, stride=2, padding=1, platform="cpu")
    assert list(found) == ["forward", "by input", "by kernel"]
    assert found["by input"].lowering == "phases"
    written = str(found).splitlines()
    assert len(written) == 3
    assert written[1] == (
        f"by input:  phases (measured; lax 2 ms, phases 1 ms; {file}, this machine)"
    )
    other = ops.explain_conv(STRIDED.x, STRIDED.kernel, stride=2, dtype="float16", platform="tpu")
    assert {str(choice) for choice in other.values()} == {"lax (nothing like it was measured)"}
