"""The page of a run: its numbers against independent ones, and no external resources."""

import math
import re

import numpy as np
import pytest

from tests.report.conftest import Reported
from tests.report.pages import pixels

SECTIONS = [
    "curves",
    "classes",
    "confusion",
    "mistakes",
    "calibration",
    "filters",
    "maps",
    "model",
    "settings",
    "repeat",
]
PICTURES = [
    "accuracy",
    "calibration",
    "confusion",
    "feature_maps_1",
    "feature_maps_2",
    "feature_maps_3",
    "filters",
    "loss",
    "mistakes",
]


def test_all_sections_are_there_and_linked(reported: Reported) -> None:
    root = reported.page.root
    assert [s.attributes["id"] for s in root.all("section")] == SECTIONS
    (nav,) = root.all("nav")
    assert [a.attributes["href"] for a in nav.all("a")] == [f"#{name}" for name in SECTIONS]
    assert root.all("h1")[0].text == root.all("title")[0].text == "conv2pool on digits"
    assert reported.run.name in root.text
    assert str(reported.run.parent) not in root.text  # a page is shared; the path is private
    assert "$" not in reported.page.html.replace("$1 &amp; 2$", "")  # of the page's template


def test_nothing_comes_from_outside(reported: Reported) -> None:
    for element in reported.page.root.everything():
        assert element.tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for name, value in element.attributes.items():
            assert not name.startswith("on"), name
            assert name not in ("srcset", "data", "poster", "action")
            if name == "src":
                assert value.startswith("data:image/png;base64,")
            if name == "href":
                assert value.startswith("#")
    (style,) = reported.page.root.all("style")
    assert not re.search(r"url\(|@import|@font-face", style.text)
    policies = [
        m.attributes["content"]
        for m in reported.page.root.all("meta")
        if m.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_picture_opens_and_says_what_it_shows(reported: Reported) -> None:
    images = reported.page.root.all("img")
    mistakes = len(reported.page.section("mistakes").all("img"))
    assert len(images) == len(PICTURES) - 1 + 1 + mistakes  # no sheet of mistakes; the example
    for image in images:
        found = pixels(image.attributes["src"])
        assert found.std() > 0
        assert image.attributes["alt"]
    folder = reported.page.file.parent
    assert reported.page.file == reported.run / "report" / "index.html"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["index.html", *(f"{name}.png" for name in PICTURES)]
    )
    for name in PICTURES:
        assert pixels(folder / f"{name}.png").std() > 0


def test_names_are_text_and_not_tags(reported: Reported) -> None:
    page = reported.page
    assert "<script" not in page.html
    name = "<script>alert(1)</script>"
    assert page.section("classes").all("table")[0].rows()[1][0] == name
    assert page.section("classes").all("table")[0].rows()[2][0] == "$1 & 2$"
    assert "<RUN> & more" in page.root.text


def test_the_large_numbers(reported: Reported) -> None:
    p, labels = reported.probabilities.astype(np.float64), reported.test.labels
    of_label = p[np.arange(len(p)), labels]
    top5 = np.mean([label in np.argsort(-row)[:5] for row, label in zip(p, labels, strict=True)])
    history = reported.history
    facts = reported.page.root.all("dl")[0].facts()
    assert float(facts["test accuracy"]) == pytest.approx((p.argmax(1) == labels).mean(), abs=6e-5)
    assert float(facts["top-5 accuracy"]) == pytest.approx(top5, abs=6e-5)
    assert float(facts["test loss"]) == pytest.approx(-np.log(of_label).mean(), abs=6e-5)
    assert facts["test images"] == "359"
    assert facts["epochs"] == "2"
    seconds = sum(row.seconds for row in history.epochs)
    assert facts["training time"] == f"{seconds:.1f} s"
    rates = [row.images_per_second for row in history.epochs]
    assert facts["images per second"] == f"{sum(rates) / 2:,.0f}"


def test_the_calibration(reported: Reported) -> None:
    p, labels = reported.probabilities.astype(np.float64), reported.test.labels
    sums = np.zeros((15, 3))
    for row, label in zip(p, labels, strict=True):
        number = min(14, math.ceil(row.max() * 15) - 1)
        sums[number] += (1, row.max(), row.argmax() == label)
    ece = np.abs(sums[:, 1] - sums[:, 2]).sum() / len(p)
    facts = reported.page.root.all("dl")[0].facts()
    assert float(facts["calibration error"]) == pytest.approx(ece, abs=6e-5)
    section = reported.page.section("calibration")
    assert f"{ece:.4f}" in section.text
    rows = section.all("table")[0].rows()[1:]
    assert [int(row[1]) for row in rows] == sums[:, 0].astype(int).tolist()
    for row, (count, confidence, right) in zip(rows, sums, strict=True):
        expected = [f"{x / count:.4f}" for x in (confidence, right)] if count else ["-", "-"]
        assert row[2:] == expected


def test_the_classes(reported: Reported) -> None:
    labels, predicted = reported.test.labels, reported.probabilities.argmax(1)
    from sklearn.metrics import precision_recall_fscore_support  # a second, while collecting

    expected = precision_recall_fscore_support(labels, predicted, labels=range(10), zero_division=0)
    *rows, mean = reported.page.section("classes").all("table")[0].rows()[1:]
    assert [row[0] for row in rows] == list(reported.test.class_names)
    numbers = np.array([[float(x) for x in row[1:]] for row in rows])
    np.testing.assert_allclose(numbers, np.transpose(expected), atol=6e-5)
    assert mean[0] == "mean"
    np.testing.assert_allclose(
        [float(x) for x in mean[1:4]], np.mean(expected[:3], axis=1), atol=6e-5
    )


def test_the_most_confused_classes(reported: Reported) -> None:
    labels, predicted = reported.test.labels, reported.probabilities.argmax(1)
    from sklearn.metrics import confusion_matrix

    wrong = confusion_matrix(labels, predicted, labels=range(10))
    np.fill_diagonal(wrong, 0)
    rows = reported.page.section("confusion").all("table")[0].rows()[1:]
    assert [int(row[2]) for row in rows] == sorted(wrong[wrong > 0].tolist(), reverse=True)[:10]
    names = list(reported.test.class_names)
    for true, taken, count, share in rows:
        assert wrong[names.index(true), names.index(taken)] == int(count)
        expected = int(count) / (labels == names.index(true)).sum()
        assert float(share) == pytest.approx(expected, abs=6e-5)


def test_the_worst_mistakes(reported: Reported) -> None:
    names, labels = reported.test.class_names, reported.test.labels
    wrong = [
        (float(row.max()), number, int(row.argmax()))
        for number, row in enumerate(reported.probabilities)
        if row.argmax() != labels[number]
    ]
    items = reported.page.section("mistakes").all("li")
    assert len(items) == min(24, len(wrong)) >= 10
    for item, (probability, number, predicted) in zip(
        items, sorted(wrong, key=lambda mistake: (-mistake[0], mistake[1])), strict=False
    ):
        true = labels[number]
        of_true = reported.probabilities[number, true]
        assert item.text == (
            f"{names[predicted]} {probability:.1%} is {names[true]}, {of_true:.1%} no. {number}"
        )
        shown = pixels(item.all("img")[0].attributes["src"])
        assert shown.shape == (96, 96, 3)
        np.testing.assert_array_equal(
            shown[6::12, 6::12, 0], np.asarray(reported.test.images)[number, ..., 0]
        )


def test_the_epochs(reported: Reported) -> None:
    rows = reported.page.section("curves").all("table")[0].rows()[1:]
    for row, epoch in zip(rows, reported.history.epochs, strict=True):
        numbers = (epoch.loss, epoch.accuracy, epoch.val_loss, epoch.val_accuracy)
        assert row[0] == str(epoch.epoch)
        assert row[1:5] == [f"{number:.4f}" for number in numbers]
    best = max(reported.history.epochs, key=lambda epoch: epoch.val_accuracy or 0.0)
    said = f"accuracy, {best.val_accuracy:.4f}, came after epoch {best.epoch}."
    assert said in reported.page.section("curves").text


def test_the_filters_and_maps(reported: Reported) -> None:
    section = reported.page.section("filters")
    assert "Layer conv2d: 32 filters of 3x3x1." in section.text
    maps = reported.page.section("maps")
    assert [h.text for h in maps.all("h3")] == ["conv2d", "conv2d_1", "max_pooling2d"]
    for shape in ("8x8x32, all maps", "8x8x64, all maps", "4x4x64, all maps"):
        assert shape in maps.text
    right = reported.probabilities.argmax(1) == reported.test.labels
    row = int(np.flatnonzero(right)[0])
    assert f"Test image {row}: {reported.test.class_names[reported.test.labels[row]]}" in maps.text


def test_the_model_and_the_settings(reported: Reported) -> None:
    rows = reported.page.section("model").all("table")[0].rows()
    products = (8 * 8 * 32 * 9, 8 * 8 * 64 * 9 * 32, 4 * 4 * 64 * 10)
    assert rows[1] == ["conv2d", "Conv2D", "8x8x32", "3x3", "320", f"{products[0]:,}"]
    params = 320 + 18496 + 4 * 4 * 64 * 10 + 10
    assert rows[-1] == ["total", "", "", "", f"{params:,}", f"{sum(products):,}"]
    section = reported.page.section("settings")
    facts = section.facts()
    assert (facts["model"], facts["data"], facts["input_shape"]) == ("conv2pool", "digits", "8x8x1")
    assert (facts["seed"], facts["epochs"], facts["batch_size"]) == ("3", "2", "64")
    assert {"python", "jax", "flax", "processor", "cores", "memory", "device"} <= facts.keys()
    changed = [d for d in section.all("div") if d.attributes.get("class") == "changed"]
    assert {d.all("dt")[0].text for d in changed} == {"epochs", "validation_split", "seed"}
