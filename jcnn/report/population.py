"""Write the report of a population: mean, standard deviation, and every run."""

import dataclasses
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from jcnn.report.curves import learning_curves
from jcnn.report.folder import put_report
from jcnn.report.origin import (
    as_text,
    headline,
    other_data,
    place,
    repeat_section,
    settings_section,
)
from jcnn.report.page import Cell, Section, Share, figure, page, paragraph, table, tiles
from jcnn.runs import RunConfig, read_config
from jcnn.runs.history import History
from jcnn.train.scores import Scores
from jcnn.train.winner import Winner, winner

# Attributes of `Scores` in the table of runs.
_SCORES = ("accuracy", "loss", "ece")


def write_population_report(
    run: Path | str,
    histories: Mapping[str, History],
    test_scores: Mapping[str, Scores],
    *,
    data: str | None = None,
    best_page: Path | None = None,
) -> Path:
    """Write RUN/report for a population. It names the best model by `jcnn.train.winner`.

    Args:
        run: the run folder; its `config.json` is read.
        histories: by member name, in the order of the members in the configuration.
        test_scores: by member name, on the same test images; diverged members may be missing.
        data: name of the test data if it is not the run's own, as for `write_report`.
        best_page: the page of the best model, in a folder of RUN/member-..., to link.

    Returns:
        The path of RUN/report/index.html.

    Raises:
        jcnn.runs.RunError: the folder is not a run.
        ValueError: the number of histories is wrong, or there are no scores.
    """
    run = Path(run)
    config = read_config(run)
    members = config.members()
    if len(histories) != len(members):
        raise ValueError(
            f"histories: got {len(histories)}; accepted: one for each of {len(members)} models"
        )
    if not test_scores or not test_scores.keys() <= histories.keys():
        got, accepted = ", ".join(test_scores) or "none", ", ".join(histories)
        raise ValueError(f"test_scores: got {got}; accepted: at least one of {accepted}")
    sound = [history for history in histories.values() if not _diverged(history)]
    curves = learning_curves(sound or list(histories.values()))
    drawn = "".join(figure(curve) for curve in curves)
    sections = [
        _curves(len(histories), len(sound), drawn),
        _members(dict(zip(histories, members, strict=True)), histories, test_scores),
        _classes(test_scores),
        settings_section(run, config),
        repeat_section(config),
    ]
    title = headline(f"{len(histories)} runs of {config.model}", config, data)
    best = winner(config.train, list(histories.values()))
    intro = _intro(run, histories, test_scores, data)
    if best is not None:
        intro += _best(run, best, list(histories)[best.member], test_scores, best_page)
    html = page(title, intro, sections)
    return put_report(run, html, curves, data)


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of the finite numbers; NaN if there are too few."""
    finite = np.array([value for value in values if math.isfinite(value)])
    mean = float(finite.mean()) if len(finite) else math.nan
    return mean, float(finite.std(ddof=1)) if len(finite) > 1 else math.nan


def _diverged(history: History) -> bool:
    return not all(math.isfinite(loss) for loss in history["loss"])


def _intro(
    run: Path,
    histories: Mapping[str, History],
    found: Mapping[str, Scores],
    data: str | None,
) -> str:
    accuracy = [scores.accuracy for scores in found.values()]
    facts = {
        "runs": str(len(histories)),
        "mean test accuracy": _plus_minus(accuracy),
        "lowest": f"{min(accuracy):.4f}",
        "highest": f"{max(accuracy):.4f}",
        "mean test loss": _plus_minus([scores.loss for scores in found.values()]),
        "test images": f"{next(iter(found.values())).n:,}",
        "epochs": str(max(map(len, histories.values()))),
        "diverged": str(len(histories) - len(found)),
    }
    note = "± is the standard deviation over the runs (n - 1)."
    return f"{place(run)}\n{other_data(data)}{tiles(facts)}\n{paragraph(note, 'soft')}"


def _best(
    run: Path, best: Winner, name: str, found: Mapping[str, Scores], best_page: Path | None
) -> str:
    """The line that names the winner, says by what, and links its page."""
    said = f"{escape(name)}</strong> has the best {best.by}, {best.value:.4f}"
    if name in found:
        said += f"; its test accuracy is {found[name].accuracy:.4f}"
    if best.by == "training loss":
        said += ". There are no validation images, on which models are better compared"
    if best_page is not None:
        # Reports are in a folder of the run, or of one of its members.
        place = quote(f"../{best_page.relative_to(run).as_posix()}")
        said += f'. <a href="{place}">Report of {escape(name)}</a>'
    return f'\n<p class="best"><strong>{said}.</p>'


def _curves(runs: int, sound: int, drawn: str) -> Section:
    note = "The line is the mean over the runs, the band is one standard deviation on either side."
    if 0 < sound < runs:
        lost = runs - sound
        note += f" {lost} of them diverged and {'is' if lost == 1 else 'are'} left out."
    html = f'<div class="pair">{drawn}</div>\n{paragraph(note, "soft")}'
    return Section("curves", "Learning curves", html)


def _members(
    members: Mapping[str, RunConfig],
    histories: Mapping[str, History],
    found: Mapping[str, Scores],
) -> Section:
    settings = {
        name: dataclasses.asdict(member.train) | {"dropout": member.dropout}
        for name, member in members.items()
    }
    keys = next(iter(settings.values())).keys()
    varied = [key for key in keys if len({str(values[key]) for values in settings.values()}) > 1]
    header = ["test accuracy", "test loss", "calibration error", "training accuracy"]
    numbers = [[getattr(found.get(name), key, math.nan) for name in members] for key in _SCORES]
    numbers.append([history["accuracy"][-1] for history in histories.values()])
    if all(history["val_accuracy"][-1] is not None for history in histories.values()):
        header.append("validation accuracy")
        numbers.append([history["val_accuracy"][-1] for history in histories.values()])
    rows: list[list[Cell]] = [
        [name, *(as_text(settings[name][key]) for key in varied), *(of[i] for of in numbers)]
        for i, name in enumerate(members)
    ]
    blanks = [""] * len(varied)
    spreads = [spread(column) for column in numbers]
    means: list[Cell] = ["mean", *blanks, *(mean for mean, _ in spreads)]
    deviations: list[Cell] = ["deviation", *blanks, *(deviation for _, deviation in spreads)]
    html = table(["run", *varied, *header], rows, means, deviations)
    tried = [key for key in varied if key != "seed"]
    if tried and "seed" in varied:
        groups: dict[tuple[str, ...], list[int]] = {}
        for i, values in enumerate(settings.values()):
            groups.setdefault(tuple(as_text(values[key]) for key in tried), []).append(i)
        by_setting: list[list[Cell]] = [
            [*group, *(_plus_minus([of[i] for i in places]) for of in numbers)]
            for group, places in groups.items()
        ]
        html += f"<h3>Over the seeds</h3>\n{table([*tried, *header], by_setting)}"
    return Section("runs", "Each run", html)


def _classes(found: Mapping[str, Scores]) -> Section:
    rows: list[list[Cell]] = []
    for of_class in zip(*(scores.classes for scores in found.values()), strict=True):
        cells: list[Cell] = []
        for key in ("precision", "recall", "f1"):
            mean, deviation = spread([getattr(row, key) for row in of_class])
            cells += [Share(mean), deviation]
        rows.append([of_class[0].name, *cells, of_class[0].support])
    header = ["class", "precision", "±", "recall", "±", "F1", "±", "images"]
    return Section("classes", "Classes, mean over the runs", table(header, rows))


def _plus_minus(values: list[float]) -> str:
    mean, deviation = spread(values)
    return f"{mean:.4f}" if math.isnan(deviation) else f"{mean:.4f} ± {deviation:.4f}"
