"""`jcnn report`: write an HTML page about a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jcnn.cli.run_options import BuiltBy, RunFolder


@dataclass(frozen=True)
class ReportCommand(BuiltBy):
    """Write a report on a run: curves, confusion matrix, mistakes, filters and settings.

    The page, RUN/report/index.html, works offline and is self-contained; PNG files of its figures
    are written next to it. A report on other data than the run's goes to a folder RUN/report-...
    """

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    data: Annotated[
        str | None, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="(default: the run's)")
    ] = None
    """Data source whose test images are used (see jcnn data); its classes must match the run's."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's)")
    ] = None
    """Folder with the data's files, for sources that take one."""

    def run(self) -> None:
        """Load the run and the data, write the report, and print its path."""
        from jcnn.cli.predictions import predict_test_images, read_test_images, report_population
        from jcnn.compile import keep_memory, use_cache
        from jcnn.runs import read_config

        use_cache()
        keep_memory()
        config = read_config(self.run_folder)
        asked = config.with_data(self.data, self.data_dir)
        data = asked.other_data(config)
        if len(config.members()) > 1:
            test = read_test_images(asked)
            print(report_population(self.run_folder, config, test, self.load, data=data)[0])
            return
        model, found = predict_test_images(self.run_folder, asked, self)
        print(found.report(self.run_folder, model, data))
