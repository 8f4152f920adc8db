"""The report of several runs trained together: mean, standard deviation, and each of them."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from jcnn.history import History
from jcnn.report.curves import learning_curves
from jcnn.report.folder import put_report
from jcnn.report.page import Cell, Section, Share, figure, page, paragraph, table, tiles
from jcnn.scores import Scores

_VALIDATED = ("val_accuracy", "val_loss")


def write_population_report(
    run: Path | str, histories: Mapping[str, History], test_scores: Mapping[str, Scores]
) -> Path:
    """Make RUN/report for runs that were trained together.

    Args:
        run: the folder of all; the settings of member NAME are read from RUN/NAME/config.json.
        histories: of each member, by the name of its folder.
        test_scores: likewise, on the same test pictures.

    Returns:
        The path of RUN/report/index.html.

    Raises:
        ValueError: the two are not of the same members, or of none.
        FileNotFoundError: a member has no `config.json`.
    """
    run = Path(run)
    if not histories or histories.keys() != test_scores.keys():
        raise ValueError(
            f"test_scores: got {', '.join(test_scores) or 'none'}; "
            f"accepted: the members of histories, {', '.join(histories) or 'at least one'}"
        )
    curves = learning_curves(list(histories.values()))
    settings = {name: _settings(run / name) for name in histories}
    sections = [
        _curves(histories, "".join(map(figure, curves))),
        _members(settings, histories, test_scores),
        _classes(test_scores),
    ]
    intro = _intro(run, histories, test_scores)
    title = f"{len(histories)} runs: {_common_title(settings)}"
    return put_report(run, page(title, intro, sections), curves)


def spread(values: list[float]) -> tuple[float, float]:
    """Mean, and standard deviation over n - 1; that of one value is 0."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _intro(run: Path, histories: Mapping[str, History], found: Mapping[str, Scores]) -> str:
    accuracy = [scores.accuracy for scores in found.values()]
    facts = {
        "runs": str(len(found)),
        "mean test accuracy": _plus_minus(accuracy),
        "lowest and highest": f"{min(accuracy):.4f}, {max(accuracy):.4f}",
        "mean test loss": _plus_minus([scores.loss for scores in found.values()]),
        "test pictures": f"{next(iter(found.values())).n:,}",
        "epochs": str(max(map(len, histories.values()))),
    }
    note = "After ± stands the standard deviation over the runs (n - 1)."
    where = f'<p class="where soft">{escape(str(run.resolve()))}</p>'
    return f"{where}\n{tiles(facts)}\n{paragraph(note, 'soft')}"


def _curves(histories: Mapping[str, History], drawn: str) -> Section:
    lengths = sorted({len(history) for history in histories.values()})
    note = "The line is the mean over the runs, the band one standard deviation to either side."
    if len(lengths) > 1:
        note += f" Drawn as far as all go: {lengths[0]} of up to {lengths[-1]} epochs."
    html = f'<div class="pair">{drawn}</div>\n{paragraph(note, "soft")}'
    return Section("curves", "Learning curves", html)


def _members(
    settings: Mapping[str, dict[str, Any]],
    histories: Mapping[str, History],
    found: Mapping[str, Scores],
) -> Section:
    names = list(settings)
    keys = list(dict.fromkeys(key for name in names for key in settings[name]))
    varied = [key for key in keys if len({str(settings[n].get(key)) for n in names}) > 1]
    validated = all(history["val_accuracy"][-1] is not None for history in histories.values())
    header = ["run", *varied]
    columns: list[list[float]] = [
        [found[name].accuracy for name in names],
        [found[name].loss for name in names],
        [found[name].ece for name in names],
    ]
    header += ["test accuracy", "test loss", "ECE"]
    if validated:
        columns += [[histories[name][key][-1] for name in names] for key in _VALIDATED]
        header += ["validation accuracy", "validation loss"]
    rows: list[list[Cell]] = [
        [
            name,
            *(str(settings[name].get(key)) for key in varied),
            *(column[i] for column in columns),
        ]
        for i, name in enumerate(names)
    ]
    blanks = [""] * len(varied)
    means: list[Cell] = ["mean", *blanks, *(spread(column)[0] for column in columns)]
    deviations: list[Cell] = ["deviation", *blanks, *(spread(column)[1] for column in columns)]
    note = "Settings that all runs share are in each one's config.json."
    return Section(
        "runs", "Each run", table(header, rows, means, deviations) + paragraph(note, "soft")
    )


def _classes(found: Mapping[str, Scores]) -> Section:
    rows: list[list[Cell]] = []
    for of_class in zip(*(scores.classes for scores in found.values()), strict=True):
        recall, deviation = spread([row.recall for row in of_class])
        f1 = spread([row.f1 for row in of_class])
        rows.append(
            [of_class[0].name, Share(recall), deviation, Share(f1[0]), f1[1], of_class[0].support]
        )
    header = ("class", "recall", "deviation", "F1", "deviation", "pictures")
    return Section("classes", "Classes, mean over the runs", table(header, rows))


def _settings(member: Path) -> dict[str, Any]:
    """What can differ from member to member: the settings of its training."""
    file = member / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {"model": content["model"], "data": content["data"]} | dict(content["train"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: is not a run's configuration: {error!r}") from error


def _common_title(settings: Mapping[str, dict[str, Any]]) -> str:
    models = dict.fromkeys(str(values["model"]) for values in settings.values())
    data = dict.fromkeys(str(values["data"]) for values in settings.values())
    return f"{', '.join(models)} on {', '.join(data)}"


def _plus_minus(values: list[float]) -> str:
    mean, deviation = spread(values)
    return f"{mean:.4f} ± {deviation:.4f}"
