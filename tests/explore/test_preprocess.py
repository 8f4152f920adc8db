"""The page's preprocessing of pixels against jcnn's, its reading of files against Pillow's."""

import base64
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Page

from jcnn.data import read_image
from jcnn.data.image_files import fit_image
from jcnn.data.request import Resize
from tests.explore.built import built, plain
from tests.explore.scripts import joined_files
from tests.explore.small import OpenPage, bytes_of, drawn, numbers

# Since 13, Pillow sometimes begins with the height, and the page does as Pillow 13 does.
_ORDER = 0 if int(PIL.__version__.split(".")[0]) >= 13 else 1
_RANDOM = np.random.default_rng(23)


def noise(*shape: int) -> npt.NDArray[np.uint8]:
    return _RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def prepare(browser_page: OpenPage) -> Callable[..., npt.NDArray[np.int64]]:
    """`prepared` of preprocess.js."""
    page = browser_page(
        f"<body><script>{joined_files('preprocess.js')}; "
        "document.body.dataset.ready = 'true';</script>"
    )

    def call(
        rgba: npt.NDArray[np.uint8], shape: tuple[int, ...], resize: Resize
    ) -> npt.NDArray[np.int64]:
        height, width, _ = rgba.shape
        found = page.evaluate(
            """([data, width, height, shape, resize]) => Array.from(prepared(
                {data: Uint8ClampedArray.from(atob(data), (c) => c.charCodeAt(0)), width, height},
                shape, resize))""",
            [base64.b64encode(rgba.tobytes()).decode(), width, height, list(shape), resize],
        )
        return np.reshape(np.array(found, np.int64), shape)

    return call


def test_pixels_become_what_python_makes_of_them(
    prepare: Callable[..., npt.NDArray[np.int64]],
) -> None:
    """Smaller, larger, flat and high, in all modes, opaque and not: byte for byte."""
    sizes = [(5, 14), (1, 1), (5, 90), (90, 5), (28, 28), (37, 23), (64, 63), (141, 97), (60, 55)]
    shapes = [(28, 28, 1), (6, 7, 3), (7, 51, 1), (40, 3, 3), (32, 32, 3)]
    modes: tuple[Resize, ...] = ("stretch", "crop", "pad")
    for number, size in enumerate(sizes):
        rgba = noise(*size, 4)
        if number % 2:
            rgba[..., 3] = 255
        for shape in shapes:
            for resize in modes:
                wanted = fit_image(Image.fromarray(rgba), shape, resize).astype(np.int64)
                found = prepare(rgba, shape, resize)
                assert np.abs(found - wanted).max() <= _ORDER, (size, shape, resize)


@pytest.mark.slow
def test_every_colour_and_opacity_is_laid_over_white(
    prepare: Callable[..., npt.NDArray[np.int64]],
) -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, 255 - colour, colour // 2, alpha], -1).astype(np.uint8)
    white = Image.new("RGBA", (256, 256), "white")
    wanted = np.array(Image.alpha_composite(white, Image.fromarray(rgba)))[..., :3]
    assert (prepare(rgba, (256, 256, 3), "stretch") == wanted).all()
    grey = np.array(Image.fromarray(wanted).convert("L"))[..., None]
    assert (prepare(rgba, (256, 256, 1), "stretch") == grey).all()


# --- files ----------------------------------------------------------------------------------------


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def _gamma() -> PngImagePlugin.PngInfo:
    """A colour profile with which a colour-managed viewer would darken the picture."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100_000))
    return info


def _smooth(height: int, width: int) -> Image.Image:
    """A picture that JPEG keeps well."""
    r, c = np.mgrid[:height, :width]
    planes = [200 * r / height + 20, 220 * c / width + 10, 120 + 80 * np.sin(r / 9 + c / 13)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def _files(folder: Path) -> dict[str, int]:
    """Pictures of every kind: the accepted difference between browser and Pillow, by name."""
    rgb = Image.fromarray(noise(19, 26, 3))
    wide = Image.fromarray((noise(9, 31).astype(np.uint16) * 256) + noise(9, 31))
    opaque_then = [Image.fromarray(noise(12, 10, 3)).quantize(16) for _ in range(2)]
    saved: dict[str, tuple[Image.Image, dict[str, Any], int]] = {
        "grey.png": (Image.fromarray(noise(13, 5)), {}, 0),
        "palette.png": (rgb.quantize(40), {}, 0),
        "palette-clear.png": (rgb.quantize(8), {"transparency": 3}, 0),
        "colour.png": (Image.fromarray(noise(45, 38, 3)), {}, 0),
        "small.png": (Image.fromarray(noise(2, 3, 3)), {}, 0),
        "same-size.png": (Image.fromarray(noise(6, 7, 3)), {}, 0),
        "alpha.png": (Image.fromarray(noise(17, 40, 4)), {}, 0),
        "grey-alpha.png": (Image.fromarray(noise(21, 8, 2), "LA"), {}, 0),
        "bits.png": (Image.fromarray(noise(15, 15)).convert("1"), {}, 0),
        "gamma.png": (rgb, {"pnginfo": _gamma()}, 0),
        "turned.png": (rgb, {"exif": _exif(8)}, 0),
        "sixteen.png": (wide, {}, 1),  # the browser keeps the high byte, Pillow's grey is rounded
        "moving.gif": (opaque_then[0], {"save_all": True, "append_images": opaque_then[1:]}, 0),
        "plain.bmp": (rgb, {}, 0),
        "lossless.webp": (Image.fromarray(noise(11, 23, 4)), {"lossless": True, "exact": True}, 0),
        # JPEG decoders round differently.
        "turned.jpg": (_smooth(50, 70), {"exif": _exif(6), "quality": 95, "subsampling": 0}, 2),
        "grey.jpg": (_smooth(40, 30).convert("L"), {"quality": 95}, 2),
    }
    for name, (picture, options, _) in saved.items():
        picture.save(folder / name, **options)
    return {name: allowed for name, (_, _, allowed) in saved.items()}


@pytest.mark.parametrize(
    ("shape", "resize"),
    [
        pytest.param((9, 8, 1), "pad", marks=pytest.mark.slow),
        pytest.param((6, 7, 3), "stretch", marks=pytest.mark.slow),
        ((6, 7, 3), "crop"),
    ],
)
def test_files_become_what_read_image_makes_of_them(
    browser_page: OpenPage, tmp_path: Path, shape: tuple[int, int, int], resize: Resize
) -> None:
    page, weights = _page_of(browser_page, shape, resize)
    for name, allowed in _files(tmp_path).items():
        _open(page, tmp_path / name)
        wanted = read_image(tmp_path / name, shape, resize).astype(np.int64)
        found = bytes_of(page, ".photo", shape[2])
        assert np.abs(found - wanted).max() <= allowed + _ORDER, name
        # The input of the network is float32 of pixel / 255.
        x = (found.astype(np.float32) / np.float32(255)).astype(np.float64).ravel()
        np.testing.assert_allclose(
            numbers(page, '[data-layer="1"] .amount'), x @ weights, rtol=0, atol=1e-12
        )
    assert page.locator(".thumb").count() == 2  # the embedded one, and the last that was opened


def _page_of(
    browser_page: OpenPage, shape: tuple[int, int, int], resize: Resize
) -> tuple[Page, npt.NDArray[np.float64]]:
    """A page with one dense layer."""
    size = int(np.prod(shape))
    weights = drawn(9, size, 4)
    chain = [
        plain("flatten", "flatten", list(shape), [size]),
        plain("dense", "dense", [size], [4], arrays={"kernel": weights}),
    ]
    page = browser_page(built(chain, noise(1, *shape), classes=["a"] * 4, resize=resize))
    return page, weights


def _open(page: Page, file: Path) -> None:
    page.locator('#tools input[type="file"]').set_input_files(file)
    page.wait_for_selector(f'.thumb[title="{file.name}"][aria-pressed="true"]')


def test_what_is_no_picture_is_refused_by_name(browser_page: OpenPage, tmp_path: Path) -> None:
    page, _ = _page_of(browser_page, (6, 7, 3), "stretch")
    before = bytes_of(page, ".photo", 3).tolist()
    cut = io.BytesIO()
    Image.fromarray(noise(30, 30, 3)).save(cut, "PNG")
    message = page.locator("#tools > .refused")
    for name, content in {"<b>words</b>.txt": b"words", "cut.png": cut.getvalue()[:40]}.items():
        file: Any = {"name": name, "mimeType": "image/png", "buffer": content}
        page.locator('#tools input[type="file"]').set_input_files([file])
        page.wait_for_function(
            "(name) => document.querySelector('#tools > .refused').textContent.startsWith(name)",
            arg=name,
        )
        assert message.is_visible()
        assert bytes_of(page, ".photo", 3).tolist() == before
        assert page.locator(".thumb").count() == 1
    page.locator('[data-control="language"]').select_option("ja")
    assert message.inner_text().startswith("cut.png は")
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "good.png")
    _open(page, tmp_path / "good.png")
    assert message.is_hidden()
    page.locator('#tools input[type="file"]').set_input_files([file])
    message.wait_for()
    page.locator('[data-tool="reset"]').click()  # then something was changed
    assert message.is_hidden()


def test_a_file_can_be_dropped(browser_page: OpenPage, tmp_path: Path) -> None:
    """The last of two files counts, even if the first takes longer to read."""
    page, _ = _page_of(browser_page, (6, 7, 3), "stretch")
    Image.new("RGB", (3000, 2000)).save(tmp_path / "large.png")
    file = tmp_path / "dropped.png"
    Image.fromarray(noise(14, 9, 3)).save(file)
    page.locator('[data-tool="draw"]').click()
    for name in ("large.png", "dropped.png"):
        page.locator(".pad-frame").evaluate(
            """(pad, [name, content]) => {
              const dataTransfer = new DataTransfer();
              const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
              dataTransfer.items.add(new File([bytes], name, {type: "image/png"}));
              const event = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
              pad.dispatchEvent(event);
              if (!event.defaultPrevented) throw new Error("the browser would leave the page");
            }""",
            [name, base64.b64encode((tmp_path / name).read_bytes()).decode()],
        )
    page.wait_for_selector('.thumb[title="dropped.png"]')
    page.wait_for_timeout(500)
    assert page.locator(".thumb").nth(1).get_attribute("title") == "dropped.png"
    wanted = read_image(file, (6, 7, 3))
    assert np.abs(bytes_of(page, ".pad-frame canvas", 3) - wanted).max() <= _ORDER


def test_resize_is_one_of_those_of_read_image() -> None:
    from jcnn.explore import page
    from jcnn.layers import Flatten, Sequential

    images = noise(1, 2, 2, 1)
    words: Any = ["a", "b", "c", "d"]
    wrong: Any = "squeeze"
    with pytest.raises(ValueError, match=r"^resize: got 'squeeze'; accepted: stretch, crop, pad$"):
        page(Sequential([Flatten()]), images, words, resize=wrong)
    assert '"resize": "crop"' in page(Sequential([Flatten()]), images, words, resize="crop").html
