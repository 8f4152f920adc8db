"""`jcnn bench`: measure how fast jcnn is on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from jcnn.bench.questions import Effort, Question
    from jcnn.bench.record import Result

Name = Literal["all", "eager", "algorithms", "startup", "inside", "scaling", "tune"]


@dataclass(frozen=True)
class BenchCommand:
    """Run benchmarks on this machine; write tables, JSON, Markdown and plots to a folder.

    eager: compiled ops and steps against eager ones. algorithms: every convolution method on 22
    shapes. startup: time of imports, --help and the first step. inside: a training step by itself,
    in a loop, and of a population. scaling: time against batch size, image size, population and
    data set size. Results are checked; the exit code is 1 if one is wrong. tune: measure the
    lowerings of convolution and save the table that method "auto" uses; not part of all, since it
    changes what the others measure.
    """

    question: Annotated[tyro.conf.Positional[Name], tyro.conf.arg(metavar="QUESTION")] = "all"
    """Benchmark to run: all, eager, algorithms, startup, inside, scaling or tune."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("bench")
    """Folder for the results; files of an earlier run are replaced."""
    rounds: Annotated[
        int | None,
        tyro.conf.arg(metavar="INT", help_behavior_hint="(default: 5 to 11, by question)"),
    ] = None
    """Number of timed runs of each contestant, at most; slow ones are timed less often."""
    quick: bool = False
    """Run only a few cases."""
    full: bool = False
    """For algorithms: measure every direction, and bfloat16 on every case."""

    def run(self) -> None:
        """Measure each question, print the table and save it."""
        if self.quick and self.full:
            raise ValueError("--quick: got --full too; accepted: one of them")
        if self.rounds is not None and self.rounds < 1:
            raise ValueError(f"--rounds: got {self.rounds}; accepted: an int >= 1")
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"--out: got {self.out}, which is a file; accepted: a folder")
        from jcnn.compile import keep_memory

        keep_memory()  # as in every command that computes
        if self.question == "tune":
            self._tune()
            return
        self.out.mkdir(parents=True, exist_ok=True)
        from jcnn.bench.questions import QUESTIONS
        from jcnn.bench.save import save
        from jcnn.bench.table import terminal

        wrong = []
        for name in QUESTIONS if self.question == "all" else [self.question]:
            result = self._measure(name, QUESTIONS[name])
            print(terminal(result), end="")
            for line in (*result.findings, result.machine):
                print(line)
            print(", ".join(map(str, save(result, self.out))))
            wrong += [f"{name}: {row.case}, {row.contestant}" for row in result.wrong]
        if wrong:
            raise ArithmeticError(f"wrong answers: {'; '.join(wrong)}")

    def _tune(self) -> None:
        from jcnn.bench.tune import tune

        print(tune(rounds=self.rounds or 11))

    def _measure(self, name: str, question: "Question") -> "Result":
        from rich.markup import escape

        from jcnn.bench.record import new_result
        from jcnn.cli.console import progress_console
        from jcnn.system.machine import describe_machine

        effort: Effort = "quick" if self.quick else "full" if self.full else "usual"
        console = progress_console()
        with console.status(f"{name} ...") as status:

            def notify(line: str) -> None:
                if console.is_terminal:
                    status.update(f"{name}: {escape(line)}")
                else:
                    console.print(f"{name}: {line}", markup=False)

            rows = question.rows(effort, self.rounds, notify)
        device = describe_machine()["device"]
        return new_result(
            name,
            question.text,
            rows,
            command=self._command(name),
            findings=question.findings(rows),
            baseline=question.baseline,
            device="" if "(cpu)" in device else device,
        )

    def _command(self, name: str) -> str:
        words = ["jcnn bench", name]
        words += ["--quick"] * self.quick + ["--full"] * self.full
        words += [] if self.rounds is None else ["--rounds", str(self.rounds)]
        return " ".join(words)
