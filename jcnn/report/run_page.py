"""Write the report of one run, section by section."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.data import Dataset
from jcnn.layers import Layer, as_model
from jcnn.models import summary
from jcnn.report.calibration import reliability_diagram
from jcnn.report.confusion import confusion_matrix, most_confused
from jcnn.report.curves import learning_curves
from jcnn.report.figure import Picture
from jcnn.report.folder import put_report
from jcnn.report.inside import inside_sections
from jcnn.report.mistakes import Mistake, mistakes_sheet, worst_mistakes
from jcnn.report.origin import headline, other_data, place, repeat_section, settings_section
from jcnn.report.page import (
    Cell,
    Section,
    Share,
    beside,
    data_uri,
    figure,
    folded,
    page,
    paragraph,
    table,
    tiles,
)
from jcnn.runs import read_config
from jcnn.runs.history import History, read_history
from jcnn.train.scores import Scores, scores

# With more classes than this, the table is collapsed and only the weakest are shown.
_MANY_CLASSES = 30
# In CSS pixels: a wider confusion matrix leaves no space for a table next to it.
_WIDEST_BESIDE = 780


def write_report(
    run: Path | str,
    model: nnx.Module | Sequence[Layer],
    test: Dataset,
    probabilities: npt.NDArray[np.floating],
    *,
    logits: npt.NDArray[np.floating] | None = None,
    data: str | None = None,
) -> Path:
    """Write RUN/report: a self-contained index.html, and its figures as PNG.

    An older report is replaced once the new one is complete.

    Args:
        run: a run folder; its `config.json` and `history.jsonl` are read.
        model: the trained model.
        test: N test examples.
        probabilities: `(N, K)`, by `jcnn.train.predict`.
        logits: `(N, K)`, by `jcnn.train.predict_logits`, for the loss; see
            `jcnn.train.scores.scores`.
        data: name of the test data if it is not the run's own. The report then goes to a separate
            folder next to RUN/report.

    Returns:
        The path of index.html.

    Raises:
        jcnn.runs.RunError: the folder is not a run.
        ValueError: its history cannot be read, the probabilities do not match the examples, or
            the classes of `test` are not those of the run.
    """
    run = Path(run)
    config = read_config(run)
    history = read_history(run / "history.jsonl") if config.trained else History()
    if test.class_names != config.class_names:
        raise ValueError(
            f"test: got the classes {', '.join(test.class_names)}; accepted: those of {run}, in "
            f"this order: {', '.join(config.class_names)}"
        )
    found = scores(probabilities, test.labels, test.class_names, logits=logits)
    module = as_model(model)
    curves = learning_curves([history]) if config.trained else []
    confusion, reliability = confusion_matrix(found), reliability_diagram(found)
    mistakes = worst_mistakes(test, probabilities)
    pictures = [*curves, confusion, reliability]
    sections = [
        *([_curves(history, curves)] if curves else []),
        _classes(found),
        _confusion(found, confusion),
        _mistakes(mistakes),
        _calibration(found, reliability),
    ]
    if mistakes:
        pictures.append(mistakes_sheet(mistakes))
    for section, drawn in inside_sections(module, test, probabilities):
        sections.append(section)
        pictures += drawn
    sections += [_model(module, test), settings_section(run, config), repeat_section(config)]
    return put_report(
        run,
        page(headline(config.model, config, data), _intro(run, found, history, data), sections),
        pictures,
        data,
    )


def _intro(run: Path, found: Scores, history: History, data: str | None) -> str:
    facts = {"test accuracy": f"{found.accuracy:.4f}"}
    if len(found.classes) > found.top_k:
        facts[f"top-{found.top_k} accuracy"] = f"{found.top_k_accuracy:.4f}"
    facts |= {
        "test loss": f"{found.loss:.4f}",
        "calibration error": f"{found.ece:.4f}",
        "test images": f"{found.n:,}",
    }
    if len(history):
        facts |= {
            "epochs": str(len(history)),
            "training time": _duration(sum(history["seconds"])),
            "images per second": f"{np.median(history['images_per_second']):,.0f}",
        }
    return f"{place(run)}\n{other_data(data)}{tiles(facts)}"


def _curves(history: History, curves: Sequence[Picture]) -> Section:
    validated = history["val_accuracy"][-1] is not None
    note = (
        "Training values are means over an epoch, measured during the updates with dropout on; "
        "validation values are measured after the epoch with dropout off. Validation accuracy can "
        "therefore exceed training accuracy."
        if validated
        else "Means over an epoch, measured during the updates with dropout on. "
        "The run has no validation images."
    )
    if validated:
        best = int(np.argmax(history["val_accuracy"]))
        value = history["val_accuracy"][best]
        note += f" The best validation accuracy, {value:.4f}, came after epoch {best + 1}."
    rows: list[tuple[Cell, ...]] = [
        (str(e.epoch), e.loss, e.accuracy, e.val_loss, e.val_accuracy, f"{e.seconds:.2f}")
        for e in history.epochs
    ]
    header = ("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds")
    drawn = "\n".join(figure(curve) for curve in curves)
    html = f'<div class="pair">{drawn}</div>\n{paragraph(note, "soft")}'
    return Section("curves", "Learning curves", html + folded("Every epoch", table(header, rows)))


def _classes(found: Scores) -> Section:
    rows = [
        (row.name, Share(row.precision), Share(row.recall), Share(row.f1), row.support)
        for row in found.classes
    ]
    means = [
        float(np.mean([getattr(row, name) for row in found.classes]))
        for name in ("precision", "recall", "f1")
    ]
    note = (
        "Precision: share of the images predicted as this class that belong to it. "
        "Recall: share of the images of this class that are predicted as it. "
        "F1: harmonic mean of precision and recall."
    )
    footer: tuple[Cell, ...] = ("mean", *map(Share, means), found.n)
    header = ("class", "precision", "recall", "F1", "images")
    html = paragraph(note, "soft")
    if len(rows) <= _MANY_CLASSES:
        html += table(header, rows, footer)
    else:
        weakest = np.argsort([row.f1 for row in found.classes], kind="stable")[: _MANY_CLASSES // 3]
        html += f"<h3>The {len(weakest)} classes with the lowest F1</h3>"
        html += table(header, [rows[i] for i in weakest], footer)
        html += folded(f"All {len(rows)} classes", table(header, rows, footer))
    return Section("classes", "Classes", html)


def _confusion(found: Scores, drawn: Picture) -> Section:
    note = (
        "Rows are true classes, columns are predicted classes; the numbers count test images. "
        "The colour scale is a square root, so that small shares are visible."
    )
    matrix = figure(drawn, note, "scroll")
    pairs = [(c.true, c.predicted, c.count, Share(c.share)) for c in most_confused(found)]
    if not pairs:
        return Section("confusion", "Confusion matrix", matrix)
    header = ("true class", "predicted class", "images", "share of the true class")
    listed = f"<h3>Most frequent confusions</h3>\n{table(header, pairs)}"
    html = beside(matrix, listed) if drawn.width <= _WIDEST_BESIDE else matrix + listed
    return Section("confusion", "Confusion matrix", html)


def _mistakes(mistakes: Sequence[Mistake]) -> Section:
    if not mistakes:
        return Section("mistakes", "Worst mistakes", paragraph("None: every prediction is right."))
    items = "\n".join(
        f'<li><img src="{data_uri(m.png())}" alt="test image {m.row}">'
        f"<strong>{escape(m.predicted)}</strong><br>{m.probability:.1%}<br>"
        f"is {escape(m.true)}, {m.of_true:.1%}<br>"
        f"<small>{escape(_which(m.row, m.file))}</small></li>"
        for m in mistakes
    )
    note = (
        "The wrong predictions with the highest confidence: the predicted class and its "
        "probability, then the true class and its probability. "
    )
    if mistakes[0].file is None:
        note += "Test images are numbered from 0."
    else:
        note += "Below are the file names, relative to the folder of the data."
    return Section(
        "mistakes", "Worst mistakes", f'{paragraph(note, "soft")}<ul class="mistakes">{items}</ul>'
    )


def _calibration(found: Scores, drawn: Picture) -> Section:
    note = (
        f"Bars below the dashed line mean overconfidence: confidence above accuracy. The expected "
        f"calibration error, the mean gap over the images, is {found.ece:.4f}."
    )
    rows = [
        (f"{row.low:.3f} to {row.high:.3f}", row.count, row.confidence, row.accuracy)
        for row in found.reliability
    ]
    header = ("confidence", "images", "mean confidence", "accuracy")
    html = beside(figure(drawn, note), table(header, rows))
    return Section("calibration", "Calibration", html)


def _which(row: int, file: str | None) -> str:
    return f"no. {row}" if file is None else file


def _model(module: nnx.Module, test: Dataset) -> Section:
    found = summary(module, test.image_shape)
    rows = [
        (
            r.name,
            r.type,
            _by(r.output_shape),
            "-" if r.receptive_field is None else _by(r.receptive_field),
            r.params,
            r.multiply_adds,
        )
        for r in found.layers
    ]
    header = ("layer", "type", "output", "receptive field", "parameters", "multiply-adds")
    total = ("total", "", "", "", found.params, found.multiply_adds)
    return Section("model", "Model", table(header, rows, total))


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _duration(seconds: float) -> str:
    """Format a duration such as "4.2 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
