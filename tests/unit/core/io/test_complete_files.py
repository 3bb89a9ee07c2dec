"""Files that have their name only once they are complete."""

import os
import stat
import subprocess
import sys

import pytest

from napari_cellseg_ssl.core.io import complete_files as module
from napari_cellseg_ssl.core.io.complete_files import complete_file, complete_files, complete_folder, write_text

GONE = 2**22 + 7
"""A process number that Linux does not give."""


@pytest.fixture(params=["file", "folder"])
def kind(request):
    return request.param


def write(kind, target, text, error=None):
    """Write a file, or a folder with a file in it, and fail in the middle if so wanted."""
    if kind == "file":
        with complete_file(target) as partial:
            partial.write_text(text)
            if error is not None:
                raise error
    else:
        with complete_folder(target) as partial:
            (partial / "inside").write_text(text)
            if error is not None:
                raise error


def content(kind, target):
    return (target if kind == "file" else target / "inside").read_text()


def test_nothing_has_the_final_name_while_it_is_written(tmp_path):
    with complete_file(tmp_path / "a.tif") as partial:
        partial.write_bytes(b"half")
        assert not (tmp_path / "a.tif").exists()
        assert partial.parent == tmp_path
        assert partial.name.startswith(".")
        assert not list(tmp_path.glob("*.tif"))

    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(
    "error", [OSError("disk full"), ValueError("x"), KeyboardInterrupt(), SystemExit(143)], ids=repr
)
def test_whatever_ends_the_writing_leaves_what_was_there(tmp_path, kind, error):
    target = tmp_path / "result"
    write(kind, target, "old")

    with pytest.raises(type(error)):
        write(kind, target, "new", error)

    assert content(kind, target) == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_is_replaced_as_a_whole(tmp_path, kind):
    target = tmp_path / "result"
    write(kind, target, "old, and longer")
    if kind == "folder":
        (target / "more").write_text("of the old one")

    write(kind, target, "new")

    assert content(kind, target) == "new"
    assert list(tmp_path.iterdir()) == [target]
    assert kind == "file" or [path.name for path in target.iterdir()] == ["inside"]


def test_files_that_belong_together_are_replaced_together(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_text(one, "old")
    write_text(two, "old")

    def write_both():
        with complete_files(one, two) as (first, second):
            first.write_text("new")
            second.write_text("ne")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_both()

    assert (one.read_text(), two.read_text()) == ("old", "old")
    assert sorted(tmp_path.iterdir()) == [one, two]


def test_folders_on_the_way_are_made(tmp_path, kind):
    write(kind, tmp_path / "a" / "b" / "result", "text")

    assert content(kind, tmp_path / "a" / "b" / "result") == "text"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_has_the_permissions_of_any_new_file_even_where_its_writer_hides_it(tmp_path):
    before = os.umask(0o027)
    try:
        with complete_file(tmp_path / "a") as partial:
            partial.unlink()
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_long_names_and_names_of_all_scripts_can_be_written(tmp_path):
    for name in ("x" * 250 + ".tif", "細胞" * 40, "a b"):
        write_text(tmp_path / name, "text")

    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_what_a_kill_leaves_is_removed_by_the_next_program(tmp_path, kind, monkeypatch):
    code = (
        "import os, sys; from pathlib import Path; from napari_cellseg_ssl.core.io import complete_files as c\n"
        f"with c.complete_{kind}(Path(sys.argv[1])) as partial: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "result")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(module.SUFFIX)

    write(kind, tmp_path / "other", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_others_are_writing_and_hidden_files_of_the_user_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_tidied", set())
    machine = module._machine()
    kept = [f".a.{machine}-{os.getppid()}-abcdef.partial", ".a.ffffff-1-abcdef.partial", ".mine.partial", ".a"]
    for name in (*kept, f".a.{machine}-{GONE}-abcdef.partial"):
        (tmp_path / name).touch()
    with complete_file(tmp_path / "b") as partial:
        module.remove_left_over(tmp_path)
        assert partial.exists()

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "b"])


def test_what_another_machine_left_goes_after_a_day(tmp_path):
    left = tmp_path / ".a.ffffff-1-abcdef.partial"
    left.touch()
    os.utime(left, (0, 0))

    write_text(tmp_path / "b", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_is_not_replaced(tmp_path):
    file = tmp_path / "a"
    file.write_text("mine")
    file.chmod(0o444)

    with pytest.raises(PermissionError):
        write_text(file, "new")

    assert file.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)

    write_text(pipe, "text")

    assert reader.communicate(timeout=30)[0] == b"text"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_in_the_way_of_a_file_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "a", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
