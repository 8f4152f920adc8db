"""The figures by their pixels: what is dark, what is red, and where."""

import jax
import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data import Dataset
from jcnn.layers import AveragePooling2D, Conv2D, Dense, Flatten, Sequential
from jcnn.models import build
from jcnn.report.calibration import reliability_diagram
from jcnn.report.confusion import confusion_matrix
from jcnn.report.curves import learning_curves
from jcnn.report.figure import as_colours, enlarged, mosaic, png_bytes, short
from jcnn.report.filters import LayerOutput, feature_maps, first_filters, layer_outputs
from jcnn.report.mistakes import mistakes_sheet, worst_mistakes
from jcnn.runs.history import EpochResult, History
from jcnn.train.scores import Scores, scores
from tests.report.pages import pixels
from tests.train.small import PlainNet

Colours = npt.NDArray[np.uint8]
BLUE, ORANGE, DARKEST = (31, 95, 153), (224, 129, 58), (8, 48, 107)


def like(image: Colours, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Where an image has a colour, up to rounding."""
    close: npt.NDArray[np.bool_] = np.abs(image.astype(int) - colour).max(axis=-1) <= 4
    return close


# --- learning curves ------------------------------------------------------------------------------


def history(epochs: int, *, validated: bool = True, shift: float = 0.0) -> History:
    """Falling losses, rising accuracies."""
    rows = []
    for epoch in range(1, epochs + 1):
        loss, accuracy = 1 / epoch + shift, 1 - 0.5 / epoch - shift / 10
        rows.append(
            EpochResult(
                epoch,
                loss,
                accuracy,
                loss + 0.3 if validated else None,
                accuracy - 0.1 if validated else None,
                1.0,
                100.0,
            )
        )
    return History(tuple(rows))


@pytest.mark.parametrize(
    ("validated", "epochs"),
    [
        (True, 200),
        (False, 1),
        *(
            pytest.param(validated, epochs, marks=pytest.mark.slow)
            for validated, epochs in [(True, 1), (True, 2), (False, 2), (False, 200)]
        ),
    ],
)
def test_curves_of_any_length_with_and_without_validation(epochs: int, validated: bool) -> None:
    pictures = learning_curves([history(epochs, validated=validated)])
    assert [p.name for p in pictures] == ["accuracy", "loss"]
    last = f"{1 / epochs:.4f}", f"{1 / epochs + 0.3:.4f}"
    expected = f"training {last[0]}" + (f", validation {last[1]}." if validated else ".")
    assert pictures[1].alt == f"Loss by epoch; at the last: {expected}"
    for picture in pictures:
        image = pixels(picture.png)
        assert like(image, BLUE).sum() > 50
        assert (like(image, ORANGE).sum() > 50) == validated


def test_the_loss_falls_and_the_accuracy_rises() -> None:
    for picture, falls in zip(
        learning_curves([history(40, validated=False)]), (False, True), strict=True
    ):
        ys, xs = np.nonzero(like(pixels(picture.png), BLUE))
        inside = ys > ys.max() * 0.25 if falls else ys > 0  # without the legend's line
        left, right = ys[inside & (xs < 250)].mean(), ys[inside & (xs > 700)].mean()
        assert (right > left) == falls


def test_several_runs_have_a_mean_and_a_band() -> None:
    one, two = history(5, shift=0.0), history(7, shift=1.0)
    (_, alone), (_, both) = learning_curves([two]), learning_curves([one, two])
    assert both.alt == f"Loss by epoch; at the last: training {0.2 + 0.5:.4f}, validation 1.0000."
    pale = np.round(np.array(BLUE) * 0.2 + 255 * 0.8).astype(int)
    band = (int(pale[0]), int(pale[1]), int(pale[2]))
    assert like(pixels(both.png), band).sum() > 1000 > like(pixels(alone.png), band).sum()


# --- confusion matrix -----------------------------------------------------------------------------


def confused(counts: list[list[int]], names: list[str]) -> Scores:
    """The scores for a confusion matrix of counts."""
    pairs = [(t, p) for t, row in enumerate(counts) for p, n in enumerate(row) for _ in range(n)]
    labels = np.array([true for true, _ in pairs])
    probabilities = np.eye(len(names))[[predicted for _, predicted in pairs]]
    return scores(probabilities, labels, names)


def test_rows_are_true_and_columns_predicted() -> None:
    found = confused([[1, 0, 0], [0, 1, 0], [9, 0, 0]], ["a", "b", "c"])
    image = pixels(confusion_matrix(found).png)
    ys, xs = np.nonzero(like(image, DARKEST))
    middle = image.shape[0] / 2
    in_corner = (ys > middle) & (xs < image.shape[1] / 3)
    assert in_corner.sum() > 1000  # (c, a): below, left
    others = (ys < image.shape[0] * 0.2) & (xs > image.shape[1] * 0.4) & (xs < image.shape[1] * 0.6)
    assert others.sum() == 0  # (a, c)


@pytest.mark.parametrize(
    "classes", [1, 120, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 10, 300))]
)
def test_the_matrix_grows_with_the_classes_up_to_a_size(classes: int) -> None:
    names = [f"a rather long name {i}" for i in range(classes)]
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 500)])
    predicted = np.where(rng.random(len(labels)) < 0.8, labels, rng.permutation(labels))
    picture = confusion_matrix(scores(np.eye(classes)[predicted], labels, names))
    height, width, _ = pixels(picture.png).shape
    # A CSS pixel is 1/96 inch; an inch of the picture has 160 pixels, of a large one 110.
    dpi = 160 if classes <= 10 else 110
    assert width == pytest.approx(picture.width * dpi / 96, abs=2)
    room = {1: 2.2, 2: 2.2, 10: 5.6, 120: 22, 300: 22}[classes] * dpi
    assert room < min(height, width)
    assert max(height, width) < room + 5.2 * dpi


def test_names_that_mean_something_to_the_drawer_are_only_names() -> None:
    """Formulas, scripts that the font lacks, newlines, tabs and a very long name."""
    names = ["$\\frac{$", "a_b^c", "日本語", "two\nlines\there", "x" * 5000, "<b>&amp;"]
    found = confused(np.eye(6, dtype=int).tolist(), names)
    picture = confusion_matrix(found)
    assert pixels(picture.png).shape[1] < 1600
    image = np.zeros((6, 4, 4, 1), np.uint8)
    wrong = np.roll(np.eye(6), 1, axis=1)
    sheet = mistakes_sheet(
        worst_mistakes(Dataset(image, np.arange(6, dtype=np.int32), tuple(names)), wrong)
    )
    assert pixels(sheet.png).std() > 0


def test_short_names() -> None:
    assert short("T-shirt/top") == "T-shirt/top"
    assert short(" two\nlines\t") == "two lines"
    assert short("x" * 24) == "x" * 24
    assert short("abcdefghij" * 3) == "abcdefghijabcde…cdefghij"
    assert len(short("y" * 100, 15)) == 15


# --- calibration ----------------------------------------------------------------------------------


def test_the_diagram_has_a_bar_where_examples_are() -> None:
    p = np.array([[0.95, 0.05]] * 10)
    labels = np.array([0] * 4 + [1] * 6)
    image = pixels(reliability_diagram(scores(p, labels, ["a", "b"])).png)
    ys, xs = np.nonzero(like(image, ORANGE))
    bar = xs > image.shape[1] * 0.8  # without the legend's line
    # From accuracy 0.4 to confidence 0.95, of axes that are about 0.63 of the figure high.
    assert (ys[bar].max() - ys[bar].min()) / image.shape[0] == pytest.approx(0.55 * 0.63, abs=0.06)


# --- filters and feature maps ---------------------------------------------------------------------


def one_layer(channels: int, kernel: npt.ArrayLike) -> Sequential:
    """A convolution with this kernel `(KH, KW, C, O)`, average pooling, and dense."""
    rngs = nnx.Rngs(0)
    conv = Conv2D(channels, np.shape(kernel)[3], 3, activation=ops.relu, rngs=rngs)
    conv.kernel[...] = jax.numpy.asarray(kernel, jax.numpy.float32)
    size = 3 * 2 * np.shape(kernel)[3]
    return Sequential([conv, AveragePooling2D(2), Flatten(), Dense(size, 3, rngs=rngs)])


def picture_of(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(4).integers(0, 256, shape).astype(np.uint8)


def test_grey_filters_are_orange_above_0_and_blue_below() -> None:
    kernel = np.zeros((3, 3, 1, 3))
    kernel[..., 0], kernel[..., 1] = 2.0, -2.0
    layers = layer_outputs(one_layer(1, kernel), picture_of(6, 4, 1))
    first = first_filters(layers)
    assert first is not None
    name, shape, picture = first
    assert (name, shape) == ("conv2d", (3, 3, 1, 3))
    orange, blue, zero = (pixels(picture.png)[30, x].astype(int) for x in (30, 102, 174))
    assert orange[0] > orange[2] + 50
    assert blue[2] > blue[0] + 50
    assert zero.tolist() == [244, 243, 239]


def test_colour_filters_are_in_their_colours() -> None:
    kernel = np.zeros((3, 3, 3, 2))
    kernel[:, :, 0, 0] = 5.0
    kernel[:, :, 2, 1] = -5.0
    first = first_filters(layer_outputs(one_layer(3, kernel), picture_of(6, 4, 3)))
    assert first is not None
    image = pixels(first[2].png)
    assert image[30, 30].tolist() == [255, 128, 128]
    assert image[30, 102].tolist() == [128, 128, 0]


def test_the_maps_are_those_of_the_layers() -> None:
    """An identity filter shows the image; one of zeros shows nothing."""
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1, 0, 0] = 1.0
    image = picture_of(6, 4, 1)
    conv, pool = feature_maps(layer_outputs(one_layer(1, kernel), image))
    assert (conv.layer, conv.shape, conv.shown) == ("conv2d", (6, 4, 2), 2)
    assert (pool.layer, pool.shape, pool.shown) == ("average_pooling2d", (3, 2, 2), 2)
    assert (conv.zero, conv.rectified, pool.zero) == (1, True, 1)
    colours = matplotlib.colormaps["magma"]
    copied = image[..., 0].astype(np.float64)
    pooled = copied.reshape(3, 2, 2, 2).mean(axis=(1, 3))
    for maps, expected, factor in ((conv, copied, 10), (pool, pooled, 20)):
        low, high = expected.min(), expected.max()
        tile = colours((expected - low) / (high - low))[..., :3] * 255
        rows, columns = expected.shape
        shown = pixels(maps.picture.png)
        assert shown.shape == (rows * factor, 2 * columns * factor + 3, 3)
        corner = shown[: rows * factor : factor, : columns * factor : factor]
        np.testing.assert_allclose(corner, tile, atol=2)
        assert np.all(shown[:, columns * factor + 3 :] == shown[0, -1])
        assert shown[0, -1].tolist() == [0x8C, 0x95, 0x9D]  # not black, which has a meaning


def test_maps_without_contrast() -> None:
    """Of each layer, how many maps are zero; maps of one pixel are compared with each other."""
    images = np.zeros((2, 3, 4), np.float32)
    images[..., 1] = 2.5
    images[1, 2, 2] = 1e-20
    images[0, 1, 3] = -1.0
    cases = [LayerOutput("a", images, None), LayerOutput("b", images[:1, :1], None)]
    several, one = feature_maps(cases)
    assert (several.zero, several.rectified) == (1, False)
    assert (one.zero, one.rectified) == (3, True)
    shown = pixels(one.picture.png)
    black, white = (matplotlib.colormaps["magma"](x)[:3] for x in (0.0, 1.0))
    tile = (shown.shape[1] - 9) // 4
    for place, colour in enumerate((black, white, black, black)):
        found = shown[5, place * (tile + 3) + tile // 2]
        np.testing.assert_allclose(found, np.multiply(colour, 255), atol=2)
    assert one.picture.width == 4 * 144


def test_a_users_own_module_has_its_layers_shown() -> None:
    layers = layer_outputs(PlainNet(nnx.Rngs(0)), picture_of(6, 5, 2))
    assert [layer.name for layer in layers] == ["conv"]
    first = first_filters(layers)
    assert first is not None
    assert first[:2] == ("conv", (3, 3, 2, 4))


def test_a_model_without_convolution_has_none() -> None:
    layers = layer_outputs(build("mlp", (6, 5, 1), 3), picture_of(6, 5, 1))
    assert layers == []
    assert first_filters(layers) is None
    assert feature_maps(layers) == []


def test_many_maps_are_cut_and_large_ones_shrunk() -> None:
    maps = feature_maps(layer_outputs(build("conv4", (8, 8, 1), 3), picture_of(8, 8, 1)))
    assert [m.layer for m in maps] == [
        "conv2d",
        "conv2d_1",
        "max_pooling2d",
        "conv2d_2",
        "conv2d_3",
        "max_pooling2d_1",
    ]
    assert (maps[4].shape, maps[4].shown) == ((4, 4, 128), 64)
    assert pixels(png_bytes(np.zeros((3000, 9000, 3), np.uint8))).shape == (1365, 4096, 3)


# --- pictures -------------------------------------------------------------------------------------


def test_pictures_of_any_number_of_channels() -> None:
    colour = picture_of(2, 3, 3)
    np.testing.assert_array_equal(as_colours(colour), colour)
    two = as_colours(picture_of(2, 3, 2))
    assert two.shape == (2, 3, 3)
    assert two[1, 2, 0] == two[1, 2, 2] == round(picture_of(2, 3, 2)[1, 2].mean())


def test_a_mosaic_is_laid_in_rows() -> None:
    tiles = picture_of(5, 2, 3, 3)
    sheet = mosaic(tiles, 2, 4)
    assert sheet.shape == (3 * 2 + 2 * 4, 2 * 3 + 4, 3)
    np.testing.assert_array_equal(sheet[:2, :3], tiles[0])
    np.testing.assert_array_equal(sheet[6:8, 7:], tiles[3])
    np.testing.assert_array_equal(sheet[12:, :3], tiles[4])
    assert np.all(sheet[12:, 3:] == 255)
    large = enlarged(tiles, 8)
    assert large.shape == (5, 6, 9, 3)
    np.testing.assert_array_equal(large[:, ::3, ::3], tiles)
    np.testing.assert_array_equal(large[:, 2::3, 1::3], tiles)
