"""Tar streams: what is packed comes out again, and an archive that leads elsewhere is refused before anything is written."""

import io
import tarfile

import pytest

from utils.connection import trees


def archive_of(**changes):
    entry = tarfile.TarInfo("inner/file")
    for name, value in changes.items():
        setattr(entry, name, value)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        harmless = tarfile.TarInfo("harmless")
        archive.addfile(harmless, io.BytesIO())
        archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    stream.seek(0)
    return stream


def test_packed_files_come_out_again(tmp_path):
    (tmp_path / "from" / "a").mkdir(parents=True)
    (tmp_path / "from" / "a" / "ü x.py").write_text("text")
    (archive,) = trees.packed(tmp_path / "from", ["a/ü x.py"])
    trees.unpack(io.BytesIO(archive), tmp_path / "to")
    assert (tmp_path / "to" / "a" / "ü x.py").read_text() == "text"


def test_large_trees_travel_in_several_archives(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "BATCH_BYTES", 100)
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 60)
    assert len(list(trees.packed(tmp_path, ["a", "b", "c"]))) == 3


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="leads out"):
        trees.unpack(archive_of(name=name), tmp_path / "to")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_is_neither_file_nor_folder_is_refused(tmp_path, kind):
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        trees.unpack(archive_of(type=kind, linkname="/etc/passwd"), tmp_path / "to")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_archive_is_an_error(tmp_path):
    whole = archive_of(size=5000).getvalue()
    with pytest.raises(tarfile.TarError):
        trees.unpack(io.BytesIO(whole[:2000]), tmp_path / "to")
