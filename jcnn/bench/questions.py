"""The questions of `jcnn bench` by name, with their usual, quick and full sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jcnn.bench import algorithms, eager, inside, scaling, startup
from jcnn.bench.cases import CASES
from jcnn.bench.record import Row

Notify = Callable[[str], None]
Effort = Literal["usual", "quick", "full"]


@dataclass(frozen=True)
class Question:
    """A question that a benchmark answers.

    Attributes:
        text: the question.
        baseline: the contestant whose median is the unit of comparison.
        rows: `rows(effort, rounds, notify)` measures.
        findings: summarises the rows in lines.
    """

    text: str
    baseline: str
    rows: Callable[[Effort, int | None, Notify], list[Row]]
    findings: Callable[[list[Row]], list[str]]


def _eager(effort: Effort, rounds: int | None, notify: Notify) -> list[Row]:
    model = "conv1" if effort == "quick" else "conv4"
    return eager.rows(model, rounds=rounds or 9, notify=notify)


def _algorithms(effort: Effort, rounds: int | None, notify: Notify) -> list[Row]:
    if effort == "quick":
        cases = {name: CASES[name] for name in algorithms.QUICK}
        return algorithms.rows(cases, {"float32": None}, rounds=rounds or 3, notify=notify)
    if effort == "full":
        dtypes = {"float32": None, "bfloat16": None}
        directions = algorithms.FULL
        return algorithms.rows(CASES, dtypes, directions, rounds=rounds or 9, notify=notify)
    return algorithms.rows(rounds=rounds or 7, notify=notify)


def _startup(effort: Effort, rounds: int | None, notify: Notify) -> list[Row]:
    model = "mlp" if effort == "quick" else "conv4"
    return startup.rows(model, rounds=rounds or (2 if effort == "quick" else 5), notify=notify)


def _inside(effort: Effort, rounds: int | None, notify: Notify) -> list[Row]:
    if effort == "quick":
        return inside.rows(("conv1",), (4,), rounds=rounds or 3, notify=notify)
    return inside.rows(rounds=rounds or 7, notify=notify)


def _scaling(effort: Effort, rounds: int | None, notify: Notify) -> list[Row]:
    if effort == "quick":
        return scaling.rows(("conv1",), scaling.QUICK, rounds=rounds or 3, notify=notify)
    return scaling.rows(rounds=rounds or 5, notify=notify)


QUESTIONS = {
    "eager": Question(eager.QUESTION, eager.BASELINE, _eager, eager.findings),
    "algorithms": Question(
        algorithms.QUESTION, algorithms.BASELINE, _algorithms, algorithms.findings
    ),
    "startup": Question(startup.QUESTION, startup.BASELINE, _startup, startup.findings),
    "inside": Question(inside.QUESTION, inside.BASELINE, _inside, inside.findings),
    "scaling": Question(scaling.QUESTION, scaling.BASELINE, _scaling, scaling.findings),
}
