"""Folders that are made once."""

import errno
import threading

import pytest

from tools.cache import cached_folder, key_of
from tools.errors import CaseCrash


def write_file(folder):
    (folder / "file").write_text("made")


def test_a_folder_is_made_once(tmp_path):
    calls = []

    def make(folder):
        calls.append(folder)
        write_file(folder)

    assert [cached_folder(tmp_path / "key", make) for _ in range(3)] == [False, True, True]
    assert len(calls) == 1
    assert (tmp_path / "key" / "file").read_text() == "made"


def test_a_failure_leaves_nothing_that_looks_complete(tmp_path):
    def fail(folder):
        write_file(folder)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        cached_folder(tmp_path / "key", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".key.lock"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / ".key.tmp").mkdir()
    (tmp_path / ".key.tmp" / "truncated").write_text("")
    assert not cached_folder(tmp_path / "key", write_file)
    assert [path.name for path in (tmp_path / "key").iterdir()] == ["file"]


def test_who_comes_second_waits_and_finds_it_made(tmp_path):
    begun, release, answers = threading.Event(), threading.Event(), []

    def slow(folder):
        begun.set()
        assert release.wait(5)
        write_file(folder)

    def second():
        answers.append(cached_folder(tmp_path / "key", lambda folder: pytest.fail("made twice")))

    first = threading.Thread(target=cached_folder, args=(tmp_path / "key", slow))
    first.start()
    assert begun.wait(5)
    other = threading.Thread(target=second)
    other.start()
    release.set()
    first.join(5)
    other.join(5)
    assert answers == [True]


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path):
    def fill_the_disk(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CaseCrash, match=r"key cannot be written: .*No space left.*disk full"):
        cached_folder(tmp_path / "key", fill_the_disk)


def test_a_key_differs_with_every_part():
    keys = {key_of("a", 1, {"x": 1}), key_of("a", 2, {"x": 1}), key_of("a", 1, {"x": 2}), key_of("a1", {"x": 1})}
    assert len(keys) == 4
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})
