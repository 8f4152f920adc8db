"""Strips and filter sheets, cell by cell: each number has its colour in its place."""

import json
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.explore import page
from jcnn.layers import Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Dropout, Flatten
from jcnn.models import intermediates
from jcnn.report import activation_strips, filter_sheet
from jcnn.report.figure import LINE, Picture, rgb
from jcnn.report.heat import EDGE, GAP, TITLE
from tests.report.pages import pixels
from tests.train.small import PlainNet

Colours = npt.NDArray[np.uint8]
RANDOM = np.random.default_rng(8)
IMAGE = RANDOM.integers(0, 256, (9, 7, 1), np.uint8)


def layers() -> list[nnx.Module]:
    """A convolution of 40 channels with numbers of both signs, and further layers."""
    rngs = nnx.Rngs(3)
    return [
        Conv2D(1, 40, kernel_size=(3, 2), rngs=rngs),
        Dropout(0.5, rngs=rngs),
        Flatten(),
        Dense(9 * 7 * 40, 5, activation=ops.relu, rngs=rngs),
    ]


def colours(numbers: npt.NDArray[np.float32]) -> Colours:
    """Orange above 0, blue below, up to the largest magnitude in `numbers`; four stops each."""
    return painted(numbers.astype(np.float64) / np.abs(numbers).max())


def painted(shares: npt.NDArray[np.float64]) -> Colours:
    """The colours of -1..1, one number at a time."""
    blue = [(244, 243, 239), (146, 190, 222), (40, 108, 178), (6, 46, 98)]
    orange = [(244, 243, 239), (249, 189, 116), (203, 103, 14), (110, 47, 4)]
    found = []
    for share in shares.ravel().tolist():
        first = min(2, int(3 * abs(share)))
        one, other = (blue if share < 0 else orange)[first : first + 2]
        part = 3 * abs(share) - first
        found.append([round(a + (b - a) * part) for a, b in zip(one, other, strict=True)])
    return np.array(found, np.uint8).reshape(*shares.shape, 3)


def blocks(picture: Picture) -> list[Colours]:
    """The maps of each panel, separated by white pixel rows."""
    image = pixels(picture.png)[:, EDGE:]
    framed = (image[:, 0] == rgb(LINE)).all(axis=-1)
    starts = np.flatnonzero(framed & ~np.roll(framed, 1))
    ends = np.flatnonzero(framed & ~np.roll(framed, -1)) + 1
    return [image[a:b] for a, b in zip(starts, ends, strict=True)]


def cells(block: Colours, count: int, shape: tuple[int, int], factor: int) -> Colours:
    """`count` maps `(H, W)` of one row of maps, each pixel a square of `factor`."""
    height, width = (size * factor for size in shape)
    assert block.shape[0] == height + 2
    found = []
    for number in range(count):
        left = number * (width + 2 + GAP)
        one = block[1:-1, left + 1 : left + 1 + width]
        small = one[::factor, ::factor]
        np.testing.assert_array_equal(small.repeat(factor, 0).repeat(factor, 1), one)
        found.append(small)
    after = block[:, count * (width + 2 + GAP) :]
    assert (after == 255).all()
    return np.stack(found)


def test_every_cell_has_its_numbers_colour() -> None:
    model = layers()
    _, outputs = intermediates(model, jnp.asarray(IMAGE[None]) / 255)
    picture = activation_strips(model, IMAGE, most=20)
    shown, first, rest, flat, dense, relu = blocks(picture)
    np.testing.assert_array_equal(cells(shown, 1, (9, 7), 6)[0], IMAGE.repeat(3, -1))
    maps = np.asarray(outputs["conv2d"])[0]
    expected = np.moveaxis(colours(maps), 2, 0)
    both = np.concatenate([cells(first, 16, (9, 7), 6), cells(rest, 4, (9, 7), 6)])
    # The program that draws is compiled as a whole: numbers differ in their last bits.
    assert np.abs(both.astype(int) - expected[:20]).max() <= 4
    assert (both == expected[:20]).mean() > 0.99
    last = model[3]
    assert isinstance(last, Dense)
    assert last.bias is not None
    flattened = np.asarray(outputs["flatten"])[0]
    logits = flattened @ np.asarray(last.kernel) + np.asarray(last.bias)
    assert (logits < 0).any()
    for block, units, count in (
        (flat, flattened, 20),
        (dense, logits, 5),
        (relu, np.asarray(outputs["dense"])[0], 5),
    ):
        found = cells(block, count, (1, 1), 24)[:, 0, 0]
        assert np.abs(found.astype(int) - colours(units)[:count]).max() <= 4
    assert (maps < 0).any()
    assert (maps > 0).any()


def test_zero_is_neutral_and_sizes_are_even() -> None:
    class Signs(nnx.Module):
        def __init__(self) -> None:
            self.same = Conv2D(1, 3, kernel_size=1, rngs=nnx.Rngs(0))
            self.same.kernel[...] = jnp.array([-2.0, 0.0, 2.0]).reshape(1, 1, 1, 3)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.same(x)

    image = np.full((2, 2, 1), 255, np.uint8)
    _, block = blocks(activation_strips(Signs(), image))
    below, zero, above = cells(block, 3, (2, 2), 30)[:, 0, 0].astype(int)
    assert below[2] > below[0] + 50
    assert above[0] > above[2] + 50
    assert zero.tolist() == [244, 243, 239]


def test_names_and_colours_are_those_of_the_page() -> None:
    """The panels are the columns of the page, as far as their numbers change."""
    model = layers()
    content = json.loads(
        re.findall('json">(.*?)</script>', page(model, IMAGE[None], ["a"] * 5).html)[0]
    )
    columns = [layer["name"] for layer in content["layers"]]
    assert columns == ["conv2d", "dropout", "flatten", "dense", "dense relu", "softmax"]
    for name in columns[:-1]:
        assert len(blocks(activation_strips(model, IMAGE, layers=[name], most=2))) == 2
    with pytest.raises(ValueError, match="accepted: conv2d, dropout, flatten, dense, dense relu;"):
        activation_strips(model, IMAGE, layers=["dense rel"])


def test_a_model_whose_graph_is_unknown_is_drawn_by_its_modules() -> None:
    class Sorted(nnx.Module):
        def __init__(self) -> None:
            self.conv = Conv2D(1, 3, kernel_size=1, activation=ops.relu, rngs=nnx.Rngs(0))

        def __call__(self, x: jax.Array) -> jax.Array:
            return jnp.sort(self.conv(x), axis=1)

    assert len(blocks(activation_strips(Sorted(), IMAGE))) == 2
    with pytest.raises(ValueError, match=r"^layers: got 'x'; accepted: conv$"):
        activation_strips(Sorted(), IMAGE, layers=["x"])


def test_equal_outputs_are_drawn_once() -> None:
    assert len(blocks(activation_strips(layers(), IMAGE, most=8))) == 5
    chosen = activation_strips(layers(), IMAGE, layers=["dropout", "dense"], most=8)
    assert len(blocks(chosen)) == 3
    height = pixels(chosen.png).shape[0]
    assert height == EDGE + 3 * (TITLE + EDGE) + 56 + 56 + 26 + EDGE


def test_a_users_module_with_two_channels_and_large_maps() -> None:
    image = np.ones((6, 5, 2), np.uint8)
    assert len(blocks(activation_strips(PlainNet(nnx.Rngs(0)), image))) == 6  # one is the picture
    rngs = nnx.Rngs(0)
    image = RANDOM.integers(0, 256, (200, 60, 1), np.uint8)
    model = [Conv2D(1, 2, kernel_size=1, rngs=rngs)]
    block = blocks(activation_strips(model, image))[1]
    kernel = np.asarray(model[0].kernel)[0, 0, 0]
    exact = image.astype(np.float64) / 255 * kernel
    means = [
        [exact[i : i + 3, j : j + 3].mean((0, 1)) for j in range(0, 60, 3)]
        for i in range(0, 200, 3)
    ]
    expected = painted(np.moveaxis(np.array(means), 2, 0) / np.abs(exact).max())
    assert np.abs(cells(block, 2, (67, 20), 1).astype(int) - expected).max() <= 5


def test_strips_refuse() -> None:
    model = layers()
    floats: Any = IMAGE / 255
    with pytest.raises(ValueError, match=r"^most: got 0; accepted: an int >= 1$"):
        activation_strips(model, IMAGE, most=0)
    with pytest.raises(ValueError, match=r"^image: got float64 of shape \(9, 7, 1\); accepted"):
        activation_strips(model, floats)
    with pytest.raises(ValueError, match=r"^layers: got 'x'; accepted: conv2d, dropout, flatten"):
        activation_strips(model, IMAGE, layers=["x"])
    bad = layers()
    assert isinstance(bad[3], Dense)
    assert bad[3].bias is not None
    bad[3].bias[...] = jnp.full(5, jnp.nan)
    with pytest.raises(ValueError, match=r"^model: layer 'dense': its bias has 5 NaN of 5 "):
        activation_strips(bad, IMAGE)


# --- filters --------------------------------------------------------------------------------------


def test_a_filter_of_one_channel_stands_in_rows_of_16() -> None:
    model = layers()
    first, second, third = blocks(filter_sheet(model))
    found = [cells(first, 16, (3, 2), 16), cells(second, 16, (3, 2), 16)]
    found.append(cells(third, 8, (3, 2), 16))
    conv = model[0]
    assert isinstance(conv, Conv2D)
    kernel = np.asarray(conv.kernel)[:, :, 0]
    np.testing.assert_array_equal(np.concatenate(found), np.moveaxis(colours(kernel), 2, 0))


def test_a_column_is_a_filter_and_a_row_an_input_channel() -> None:
    rngs = nnx.Rngs(1)
    model: list[Any] = [
        Conv2D(1, 3, rngs=rngs),
        Conv2D(3, 5, kernel_size=2, rngs=rngs),
        Conv2DTranspose(5, 4, kernel_size=2, rngs=rngs),
        DepthwiseConv2D(4, kernel_size=2, depth_multiplier=2, rngs=rngs),
    ]
    for layer, rows, columns in (
        ("conv2d_1", 3, 5),
        ("conv2d_transpose", 5, 4),
        ("depthwise_conv2d", 4, 2),
    ):
        number = {"conv2d_1": 1, "conv2d_transpose": 2, "depthwise_conv2d": 3}[layer]
        kernel = np.asarray(model[number].kernel)
        painted = colours(kernel)
        found = blocks(filter_sheet(model, layer, most=4))
        assert len(found) == min(rows, 4)
        for channel, block in enumerate(found):
            for column, tile in enumerate(cells(block, min(columns, 4), (2, 2), 24)):
                at = (column, channel) if layer == "conv2d_transpose" else (channel, column)
                np.testing.assert_array_equal(tile, painted[:, :, at[0], at[1]])


def test_filters_refuse() -> None:
    rngs = nnx.Rngs(1)
    model = [Conv2D(1, 3, rngs=rngs), Conv2D(3, 5, rngs=rngs)]
    with pytest.raises(ValueError, match=r"^layer: got None; accepted: conv2d, conv2d_1$"):
        filter_sheet(model)
    with pytest.raises(ValueError, match=r"^layer: got 'dense'; accepted: conv2d, conv2d_1$"):
        filter_sheet(model, "dense")
    with pytest.raises(ValueError, match=r"; did you mean 'conv2d_1'\?$"):
        filter_sheet(model, "conv2d-11")
    with pytest.raises(ValueError, match=r"accepted: none, for the model has no convolution$"):
        filter_sheet([Flatten(), Dense(4, 2, rngs=rngs)])
    with pytest.raises(ValueError, match=r"^most: got 0;"):
        filter_sheet(model, "conv2d", most=0)
    model[0].kernel[...] = jnp.full((3, 3, 1, 3), jnp.inf)
    with pytest.raises(ValueError, match=r"^model: layer 'conv2d': its kernel has 27 inf"):
        filter_sheet(model, "conv2d")
