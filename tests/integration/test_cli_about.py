"""What the command line tells about itself, and what it says to a mistyped name."""

import json

import pytest

from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.options import option_specs, with_values
from napari_cellseg_ssl.tasks.support import LOG_FILE, RecentLines, logger, newest_log, report


def told(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cellseg_ssl.cli.about.sessions_folder", lambda: tmp_path)
    return tmp_path


def test_info_tells_versions_device_and_the_end_of_the_newest_log(sessions, capsys):
    (sessions / "yesterday").mkdir()
    (sessions / "yesterday" / LOG_FILE).write_text("first\nlast line of the log\n")

    text = told(capsys, "info")

    assert "napari-cellseg-ssl: " in text
    assert "torch: " in text
    assert "device: " in text
    assert text.rstrip().endswith("last line of the log")


def test_info_works_where_nothing_was_ever_logged(sessions, capsys):
    found = json.loads(told(capsys, "info", "--json"))

    assert found["last_lines"] == []
    assert found["versions"]["device"]


def test_every_option_of_a_method_is_told_with_default_range_and_help(capsys):
    text = told(capsys, "methods", "cellulus")

    for spec in option_specs(get_method("cellulus").info.train_options):
        assert f"  {spec.name} = " in text
        assert spec.help in text


def test_options_are_told_to_scripts_with_their_range(capsys):
    found = json.loads(told(capsys, "methods", "classical", "--json"))

    assert {"name", "type", "default", "min", "max", "choices", "help"} <= set(found["segment_options"][0])


def test_a_mistyped_option_is_answered_with_the_nearest_names():
    options = get_method("cellulus").info.preset(None)

    with pytest.raises(WrongOption, match=r"Unknown option .working_diametr.\. Did you mean: working_diameter"):
        with_values(options, {"working_diametr": 1})


def test_a_mistyped_method_is_answered_with_the_nearest_one(tmp_path, capsys):
    assert main(["methods", "celulus"]) == 2
    assert "Did you mean 'cellulus'?" in capsys.readouterr().err


def test_lines_from_before_there_was_a_file_are_in_it_later(tmp_path):
    lines = RecentLines()
    logger().addHandler(lines)
    logger().error("before")
    lines.write_to(tmp_path / LOG_FILE)
    logger().error("after")
    logger().removeHandler(lines)

    text = (tmp_path / LOG_FILE).read_text()
    assert text.index("before") < text.index("after")


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    lines = RecentLines()
    lines.write_to(tmp_path / "absent" / LOG_FILE)
    logger().addHandler(lines)
    logger().error("still kept")
    logger().removeHandler(lines)

    assert lines.lines[-1].endswith("still kept")


def test_a_report_begins_with_what_went_wrong():
    assert report({"Python": "3"}, ["a line"], "It broke.").startswith("It broke.\n\nPython: 3\n\nlog:\na line")


def test_the_newest_log_is_found(tmp_path):
    assert newest_log(tmp_path) is None
