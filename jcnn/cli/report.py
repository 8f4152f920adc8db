"""`jcnn report`: one HTML page on a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class ReportCommand:
    """One HTML page on a run: curves, confusion, mistakes, filters, settings; and PNGs.

    RUN/report/index.html opens offline and needs nothing beside it. A report on other data than
    the run's goes to a folder RUN/report-... of its own.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]
    """Run folder of jcnn train."""
    data: Annotated[
        str | None, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="(default: the run's)")
    ] = None
    """One of: jcnn data; its test pictures count, and its classes must be the run's."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's)")
    ] = None
    """Folder of the data's files, for sources that need one."""

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
            print(report_population(self.run_folder, config, read_test_images(asked), data=data)[0])
            return
        model, found = predict_test_images(self.run_folder, asked)
        print(found.report(self.run_folder, model, data))
