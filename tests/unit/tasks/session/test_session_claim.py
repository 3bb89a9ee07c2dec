"""Whose a session is: two windows never write into one folder, and a program that is gone holds none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.tasks.session import claim as claiming
from napari_cellseg_ssl.tasks.session.claim import claim, claim_again, copy_room, is_claimed
from napari_cellseg_ssl.tasks.session.folder import SessionRecord, read_record, write_record
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer, load_layer, save_layer

IN_ANOTHER_PROGRAM = (
    "import sys; from pathlib import Path; from napari_cellseg_ssl.tasks.session.claim import claim\n"
    "held = claim(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    "print(held.room, flush=True); sys.stdin.read()"
)


@pytest.fixture
def room(tmp_path):
    """A session that somebody left."""
    held = claim(tmp_path)
    write_record(held.room, SessionRecord(n_cells=7))
    held.release()
    return held.room


@pytest.fixture
def other_program(tmp_path):
    """Another program that takes a session, and where it ended up."""
    started = []

    def start(room):
        words = [sys.executable, "-c", IN_ANOTHER_PROGRAM, str(tmp_path), str(room)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def layer_of(number):
    settings = {"name": "a", "kind": "annotation"}
    pixels = np.full((4, 4), number, np.int32)
    return KeptLayer(key="one", kind="labels", image="1", image_name="a", arrays=(pixels,), settings=settings)


def test_of_two_windows_only_the_first_one_gets_a_session(tmp_path, room):
    first, second = claim(tmp_path, room), claim(tmp_path, room)

    assert first.room == room
    assert second.room != room
    assert second.room.parent == tmp_path
    assert is_claimed(first.room)
    assert is_claimed(second.room)
    first.release()
    assert not is_claimed(room)
    assert claim(tmp_path, room).room == room


def test_a_session_of_another_program_is_taken_until_that_ends_and_by_kill_too(tmp_path, room, other_program):
    process, theirs = other_program(room)
    assert theirs == room
    assert is_claimed(room)
    assert claim(tmp_path, room).room != room

    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()

    assert not is_claimed(room)
    assert claim(tmp_path, room).room == room


def test_another_program_does_not_get_a_session_of_this_one(tmp_path, room, other_program):
    mine = claim(tmp_path, room)

    _, theirs = other_program(room)

    assert theirs != mine.room
    assert theirs.is_dir()


def test_windows_that_begin_in_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    stems = iter(["now", "now", "now 2", "now 3"])
    monkeypatch.setattr(claiming, "new_room", lambda sessions: sessions / next(stems))

    assert [claim(tmp_path).room.name for _ in range(3)] == ["now", "now 2", "now 3"]


def test_looking_whether_a_session_is_open_leaves_nothing_and_takes_nothing(tmp_path, room):
    (room / "lock").unlink()

    assert not is_claimed(room)

    assert not (room / "lock").exists()


def test_a_folder_that_cannot_be_made_yet_is_made_and_locked_once_it_can(tmp_path):
    sessions = tmp_path / "sessions"
    sessions.write_text("in the way")
    held = claim(sessions)
    assert held.lock is None
    assert claim_again(held) is held

    sessions.unlink()

    again = claim_again(held)
    assert again.room == held.room
    assert is_claimed(again.room)


def test_a_copy_holds_layers_and_versions_and_is_independent_of_what_it_was_copied_from(tmp_path, room):
    save_layer(room / "layers", layer_of(500))
    (room / "001 fake").mkdir()
    (room / "001 fake" / "run.json").write_text("{}")
    (room / "001 fake" / ".half.partial").write_text("")
    (room / "log.txt").write_text("of that window")
    copy = claim(tmp_path).room

    copy_room(room, copy)
    save_layer(room / "layers", layer_of(501))

    assert load_layer(copy / "layers" / "one.safetensors").arrays[0].max() == 500
    assert load_layer(room / "layers" / "one.safetensors").arrays[0].max() == 501
    assert sorted(path.name for path in copy.rglob("*")) == [
        "001 fake",
        "layers",
        "lock",
        "one.safetensors",
        "run.json",
    ]


def test_what_the_new_window_has_written_already_is_not_overwritten(tmp_path, room):
    save_layer(room / "layers", layer_of(500))
    copy = claim(tmp_path).room
    save_layer(copy / "layers", layer_of(501))

    copy_room(room, copy)

    assert load_layer(copy / "layers" / "one.safetensors").arrays[0].max() == 501


def test_where_files_cannot_be_shared_they_are_copied_and_a_full_disk_is_said(tmp_path, room, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    def full(*_):
        raise OSError(28, "No space left on device")

    save_layer(room / "layers", layer_of(500))
    monkeypatch.setattr(os, "link", refuse)

    copy = claim(tmp_path).room
    copy_room(room, copy)
    assert load_layer(copy / "layers" / "one.safetensors").arrays[0].max() == 500

    monkeypatch.setattr(claiming.shutil, "copy2", full)
    with pytest.raises(WrongRun, match=r"cannot be copied.*No space left.*Free some space"):
        copy_room(room, claim(tmp_path).room)


def test_a_session_is_readable_while_somebody_has_it(tmp_path, room):
    claim(tmp_path, room)

    assert read_record(room).n_cells == 7
