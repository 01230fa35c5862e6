"""Folders that are made once."""

import errno
import threading
from types import SimpleNamespace

import pytest

from tools import cache
from tools.cache import cached_folder, compiled_file, key_of
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
        assert release.wait(60)
        write_file(folder)

    def second():
        answers.append(cached_folder(tmp_path / "key", lambda folder: pytest.fail("made twice")))

    first = threading.Thread(target=cached_folder, args=(tmp_path / "key", slow))
    first.start()
    assert begun.wait(60)
    other = threading.Thread(target=second)
    other.start()
    release.set()
    first.join(60)
    other.join(60)
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


CPU = {"cpu_model": lambda: "A Processor", "cpu_flags": lambda: "fpu avx2", "device_name": lambda: "Chip 1"}


@pytest.fixture
def compiled_on(tmp_path, monkeypatch):
    """Ask for a compiled file on some hardware, and tell whether it was there already."""
    model = tmp_path / "model.onnx"
    model.write_bytes(b"a model")
    monkeypatch.setattr(cache, "onnx_files", lambda path: [model])

    def ask(vendor="acme", given=None, **hardware):
        for name, told in {**CPU, **hardware}.items():
            monkeypatch.setattr(cache, name, told)
        names = {"case": "toy", "vendor": vendor, "compiler": "fast", "precision": "fp32", "threads": None}
        config = SimpleNamespace(perf_dir=str(tmp_path), exist_compiler_path=given, **names)
        found = compiled_file(config, "fast 1.0", str(model), "file", lambda path: path.write_text("compiled"))
        return found[1] if given is None else found

    return ask


def test_a_file_that_is_given_is_taken_and_nothing_compiled(compiled_on, tmp_path):
    assert compiled_on(given="/mine.plan") == ("/mine.plan", True)
    assert not (tmp_path / "onnxs").exists()


def test_a_compiled_file_is_found_again_on_the_same_hardware(compiled_on):
    assert [compiled_on(), compiled_on()] == [False, True]


@pytest.mark.parametrize(
    "other", [{"cpu_model": lambda: "Another"}, {"cpu_flags": lambda: "fpu avx2 avx512f"}, {"device_name": lambda: "Chip 2"}]
)
def test_a_file_compiled_on_other_hardware_is_not_taken(compiled_on, other):
    compiled_on()
    assert not compiled_on(**other)


def test_an_accelerator_beside_it_does_not_matter_to_vendor_cpu(compiled_on):
    compiled_on("cpu")
    assert compiled_on("cpu", device_name=lambda: "Chip 2")
