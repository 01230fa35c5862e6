"""The code on a host is what it is here: what differs travels, what is gone goes, what is somebody else's stays."""

import shutil

import pytest

from tools.errors import CommandError, ConfigError
from utils.connection import connect
from utils.connection.sync import sync_code
from utils.plan import HostTarget


def checkout(folder):
    for name in ("run_inference.py", "tools/contract.py", "configs/host.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_code_travels_once_and_then_only_what_changed(connection, tmp_path):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    copied = [sync_code(connection, here, str(there), None), sync_code(connection, here, str(there), None)]
    (here / "tools" / "contract.py").write_text("changed")
    copied.append(sync_code(connection, here, str(there), None))
    assert copied == [3, 0, 1]
    assert (there / "tools" / "contract.py").read_text() == "changed"
    assert (there / "onnxs").is_dir()
    assert (there / "result").is_dir()


def test_a_folder_that_holds_something_else_is_left_alone(connection, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"FLAGPERF_PATH .* holds something else"):
        sync_code(connection, checkout(tmp_path / "here"), str(tmp_path / "there"), None)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("after", ["the folders", "the first file"])
def test_a_copy_that_was_broken_off_is_completed(connection, tmp_path, monkeypatch, after):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    put_tree = connection.put_tree

    def first_only(root, names, target, cancelled):
        put_tree(root, names[: after == "the first file"], target, cancelled)
        raise CommandError("broken off")

    monkeypatch.setattr(connection, "put_tree", first_only)
    with pytest.raises(CommandError, match="broken off"):
        sync_code(connection, here, str(there), None)
    monkeypatch.undo()
    assert sync_code(connection, here, str(there), None) == (2 if after == "the first file" else 3)


def test_what_was_copied_once_and_is_gone_here_goes_there(connection, tmp_path):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    override = here / "configs" / "digits" / "vendor_config" / "cpu_configurations.yaml"
    override.parent.mkdir(parents=True)
    override.write_text("batch_size: 1")
    sync_code(connection, here, str(there), None)
    (there / "configs" / "digits" / "__pycache__").mkdir()
    shutil.rmtree(here / "configs" / "digits")
    assert sync_code(connection, here, str(there), None) == 0
    assert not (there / "configs" / "digits").exists()
    assert (there / "configs" / "host.yaml").exists()


def test_what_somebody_else_put_there_stays(connection, tmp_path):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    (here / "tools" / "old").mkdir()
    (here / "tools" / "old" / "module.py").touch()
    sync_code(connection, here, str(there), None)
    theirs = [there / name for name in ("tools/old/weights.pth", "result/run1/report.json", "data/x", "configs/mine.yaml")]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    shutil.rmtree(here / "tools" / "old")
    sync_code(connection, here, str(there), None)
    assert all(path.exists() for path in theirs)
    assert not (there / "tools" / "old" / "module.py").exists()


def test_a_folder_can_take_the_place_of_a_file_and_a_file_that_of_a_folder(connection, tmp_path):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    for first, then in (("tools/x", "tools/x/y"), ("tools/x/y", "tools/x")):
        shutil.rmtree(here / "tools")
        checkout(here)
        for name in (first, then):
            shutil.rmtree(here / "tools" / "x") if (here / "tools/x").is_dir() else (here / "tools/x").unlink(missing_ok=True)
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).touch()
            sync_code(connection, here, str(there), None)
            assert (there / name).is_file()


def test_a_list_that_leads_out_of_the_code_removes_nothing(connection, tmp_path):
    here, there = checkout(tmp_path / "here"), tmp_path / "there"
    sync_code(connection, here, str(there), None)
    (there / "result" / "kept").touch()
    (tmp_path / "kept").touch()
    (there / ".accelmark-files.json").write_text('["result/kept", "../kept", "tools/../../kept", 7, "/etc/hostname"]')
    sync_code(connection, here, str(there), None)
    assert (there / "result" / "kept").exists()
    assert (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_made_is_a_configuration_error(connection, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        sync_code(connection, checkout(tmp_path / "here"), str(tmp_path / "file"), None)


def test_this_very_checkout_needs_no_copy(tmp_path):
    with connect(HostTarget("localhost", 0, False)) as local:
        assert sync_code(local, checkout(tmp_path), f"{tmp_path}/tools/..", None) == 0
    assert not (tmp_path / "onnxs").exists()
