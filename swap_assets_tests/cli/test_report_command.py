"""`swap-assets report` on the terminal."""

import pytest
import yaml
from typer.testing import CliRunner

from swap_assets.backends.report.archive import write_report
from swap_assets.cli.app import app
from swap_assets_tests.domain.reports import full_report


@pytest.fixture
def experiment_file(experiment_data, tmp_path):
    path = tmp_path / "swap.yaml"
    path.write_text(yaml.safe_dump({**experiment_data, "storage": str(tmp_path / "state")}))
    return path


def _run(path, *arguments):
    return CliRunner().invoke(app, ["report", "--config", str(path), "--no-open", *arguments], env={"COLUMNS": "200"})


def test_the_main_tables_are_printed_with_the_path_of_the_page(experiment_file, tmp_path):
    folder = tmp_path / "state" / "work" / "reports" / "small"
    folder.mkdir(parents=True)
    report = write_report(full_report(), folder)
    done = _run(experiment_file)
    assert done.exit_code == 0, done.output
    for words in (
        "Tool calls",
        "Criteria by verdict",
        "phi (paper adapter)",
        "One card that is always on",
        "fine_tune_decision",
    ):
        assert words in done.output
    assert str(report / "report.html") in done.output


def test_a_scale_without_a_report_is_one_sentence_with_the_command_that_makes_it(experiment_file):
    done = _run(experiment_file, "--scale", "tiny")
    assert done.exit_code == 2
    assert "comparison_report --partition 'tiny'" in " ".join(done.output.split())


def test_a_scale_that_is_not_in_the_file_is_refused(experiment_file):
    done = _run(experiment_file, "--scale", "huge")
    assert done.exit_code == 2
    assert "there is no scale 'huge'" in done.output
