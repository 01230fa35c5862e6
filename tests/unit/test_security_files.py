"""A guest's files: plain ones of a bounded size are read, all others refused at once."""

import io
import os
import tarfile
import time

import pytest

from tools.contract import progress_from_line, result_from_json
from utils.connection import trees
from utils.connection.local import LocalConnection
from utils.guest_files import Refused, make_presentable, open_plain, read_text
from utils.monitoring.log import summarise
from utils.report.charts import latencies
from utils.runtime.masking import Masker
from utils.text_log import appending

KINDS = {
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "FIFO": os.mkfifo,
    "folder": os.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path, kind):
    KINDS[kind](tmp_path / "result.json")
    with pytest.raises(Refused, match=f"it is a {kind} and not a file"):
        read_text(tmp_path / "result.json")


def test_a_file_that_is_too_long_is_refused(tmp_path):
    (tmp_path / "long").write_bytes(b"x" * 11)
    with pytest.raises(Refused, match="11 bytes, more than the 10"):
        open_plain(tmp_path / "long", 10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_monitor_s_log_and_latencies_of_another_kind_are_an_error_or_none(tmp_path, kind):
    KINDS[kind](tmp_path / "sys_monitor.log")
    KINDS[kind](tmp_path / "latencies.npz")
    assert f"it is a {kind}" in summarise(tmp_path, "sys", tmp_path / "sys_monitor.log").errors[0]
    assert latencies(tmp_path) == {}


@pytest.mark.parametrize("text", ["[" * 10**6, '{"schema": 2, "steps": ' + "[" * 10**5, "1" * 5000, "NaN", '{"schema": 1e999}'])
def test_a_result_that_would_overwhelm_its_reader_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        result_from_json(text)


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"step": []}', '{"step": "c", "done": "x"}', '{"step": "c", "done": -1}', "1e999"]
)
def test_progress_that_makes_no_sense_is_an_ordinary_line(text):
    assert progress_from_line("::progress " + text) is None


@pytest.mark.parametrize("kind", ["link", "FIFO"])
def test_a_log_is_never_written_through_what_a_guest_put_in_its_place(tmp_path, kind):
    KINDS[kind](tmp_path / "log")
    with pytest.raises(OSError, match=r".+"), appending(tmp_path / "log"):
        pass


def test_a_guest_that_never_stops_printing_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.text_log.MOST_BYTES", 10)
    said = []
    with appending(tmp_path / "log", said.append) as append:
        for _ in range(5):
            append("1234")
    assert (tmp_path / "log").read_text() == "1234\n1234\n"
    assert said == ["log ends early: it would have more than 10 bytes"]


def test_secrets_are_taken_out_of_text_files_alone(tmp_path):
    (tmp_path / "a.log").write_text("it is s3cret")
    (tmp_path / "b.npz").write_text("s3cret")
    (tmp_path / "c.log").symlink_to(tmp_path / "b.npz")
    os.mkfifo(tmp_path / "d.log")
    make_presentable(tmp_path, Masker(("s3cret",)))
    assert [(tmp_path / name).read_text() for name in ("a.log", "b.npz")] == ["it is ***", "s3cret"]


def test_a_guest_s_logs_say_nothing_that_a_terminal_obeys(tmp_path):
    (tmp_path / "container.out.log").write_text("\x1b[31mred\x1b[0m \x9b2J\u202etext\n10%\r100%\n\tnaïve\n")
    (tmp_path / "s.log").write_text("s3c\x1b[0mret")
    (tmp_path / "result.json").write_text('{"a":\r"\u202e"}')
    (tmp_path / "good.log").write_text("as it is")
    before = (tmp_path / "good.log").stat()
    make_presentable(tmp_path, Masker(("s3cret",)))
    assert (tmp_path / "container.out.log").read_text() == "red text\n100%\n\tnaïve\n"
    assert (tmp_path / "s.log").read_text() == "***"
    assert (tmp_path / "result.json").read_bytes().decode() == '{"a":\r"\u202e"}'
    assert (tmp_path / "good.log").stat().st_ino == before.st_ino


@pytest.fixture
def host():
    with LocalConnection("host") as connection:
        yield connection


def litter(folder):
    folder.mkdir()
    (folder / "file").write_text("x")
    os.link(folder / "file", folder / "hard")
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "pipe")
    with (folder / "huge").open("wb") as file:
        file.truncate(10**13)
    (folder / "setuid").write_text("x")
    (folder / "setuid").chmod(0o6755)
    deep = folder.joinpath(*"d" * 40)
    deep.mkdir(parents=True)
    return folder


def test_what_travels_is_plain_and_of_a_bounded_size_and_the_rest_is_named(host, tmp_path):
    left = " ".join(host.get_tree(str(litter(tmp_path / "there")), tmp_path / "back"))
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"file", "hard", "setuid", "d"}
    assert (tmp_path / "back" / "hard").read_text() == "x"
    for said in ("link: it is a link", "pipe: it is a FIFO", "huge: it has 10000000000000 bytes", "nested too deeply"):
        assert said in left
    assert (tmp_path / "back" / "setuid").stat().st_mode & 0o6000 == 0


def test_many_files_and_large_ones_are_cut_off(host, tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MOST_NAMES", 3)
    (tmp_path / "there").mkdir()
    for number in range(9):
        (tmp_path / "there" / str(number)).write_text("x")
    assert "more than 3 files" in " ".join(host.get_tree(str(tmp_path / "there"), tmp_path / "back"))
    assert len(list((tmp_path / "back").iterdir())) == 3


def test_sweeping_leaves_plain_files_without_privilege_and_what_is_older(host, tmp_path):
    folder = litter(tmp_path / "logs")
    (tmp_path / "onnxs").mkdir()
    (tmp_path / "onnxs" / "mine").symlink_to("/big/model.onnx")
    time.sleep(0.05)
    said = " ".join(trees.disarm(host, {str(folder): 0.0, str(tmp_path / "onnxs"): 0.01, str(tmp_path / "none"): 0.0}))
    assert sorted(path.name for path in folder.iterdir()) == ["d", "file", "hard", "huge", "setuid"]
    assert (folder / "setuid").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "onnxs" / "mine").is_symlink()
    assert folder.joinpath(*"d" * 31).stat().st_mode & 0o777 == 0o700
    assert "link: it was a link and is removed" in said


def archive(*entries):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        for entry, content in entries:
            made.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def entry(name, size=0, **changes):
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in changes.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "entries",
    [
        [(entry("a"), b""), (entry("a/b"), b"")],
        [(entry("a/b"), b""), (entry("a"), b"")],
        [(entry("."), b"")],
        [(entry("sparse", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**13)}), b"")],
        [(entry("x", pax_headers={"path": "../out"}), b"")],
        [(entry("x", pax_headers={"comment": "y" * 3 * 2**20}), b"")],
        [(entry("n\0ul", pax_headers={"path": "n\0ul"}), b"")],
    ],
    ids=["file and folder", "folder and file", "the folder", "sparse", "out", "huge header", "nul"],
)
def test_an_archive_that_no_honest_host_sends_is_refused(tmp_path, entries):
    with pytest.raises((ValueError, tarfile.TarError)):
        trees.unpack(archive(*entries), tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} <= {"back"}


def test_an_archive_of_too_much_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MOST_TREE_BYTES", 5)
    with pytest.raises(ValueError, match="more in it"):
        trees.unpack(archive((entry("a", 3), b"xxx"), (entry("b", 3), b"xxx")), tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_is_there_already_is_not_written_through(tmp_path):
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r".+"):
        trees.unpack(archive((entry("file", 1), b"x")), tmp_path / "back")
    assert not (tmp_path / "elsewhere").exists()
