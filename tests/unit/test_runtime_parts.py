import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.errors import ConfigError
from utils.plan import CasePlan, ImagePlan
from utils.runtime import in_place, labels
from utils.runtime.limits import oom_kills_in
from utils.runtime.masking import masked
from utils.runtime.prepare import csrc_folder, requirements_file


def case(vendor="cpu"):
    return CasePlan("toy", "pytorch_2.13", vendor, "synthetic", None, ImagePlan(vendor, "pytorch_2.13", Path()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-i https://me:secret@mirror/simple x", "-i https://***@mirror/simple x"),
        ("https://token@mirror", "https://***@mirror"),
        ("https://mirror/a@b", "https://mirror/a@b"),
        ("mail me@home", "mail me@home"),
    ],
)
def test_secrets_in_addresses_are_masked(text, shown):
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        ("low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\noom_group_kill 0\n", 1),
        ("cat: no such file\n", 0),
    ],
)
def test_the_kernels_count_of_ended_processes_is_read(text, kills):
    assert oom_kills_in(text) == kills


def test_the_owner_of_a_container_is_this_process_and_no_later_one_with_its_id():
    mine = labels.container_labels("20990101000000", "toy:pytorch")
    assert labels.owner_lives(mine)
    assert not labels.owner_lives({**mine, labels.PID_STARTED: "1"})
    assert not labels.owner_lives({**mine, labels.HOST: "elsewhere"})
    assert not labels.owner_lives({**mine, labels.PID: "4194305"})
    assert not labels.owner_lives({})
    assert mine[labels.PID] == str(os.getpid())


def test_the_vendors_requirements_take_the_place_of_the_cases(tmp_path):
    folder = tmp_path / "benchmarks" / "toy" / "pytorch"
    folder.mkdir(parents=True)
    assert requirements_file(tmp_path, case()) is None
    (folder / "requirements.txt").write_text("one\n")
    assert requirements_file(tmp_path, case()) == Path("benchmarks/toy/pytorch/requirements.txt")
    (folder / "cpu_requirements.txt").write_text("# nothing\n\n")
    assert requirements_file(tmp_path, case()) is None


def test_csrc_needs_something_to_install(tmp_path):
    folder = tmp_path / "inference_engine" / "cpu" / "csrc"
    folder.mkdir(parents=True)
    assert csrc_folder(tmp_path, "none") is None
    with pytest.raises(ConfigError, match=r"neither setup\.py nor pyproject\.toml"):
        csrc_folder(tmp_path, "cpu")
    (folder / "setup.py").touch()
    assert csrc_folder(tmp_path, "cpu") == Path("inference_engine/cpu/csrc")


def test_a_requirement_is_met_or_left_to_pip():
    """In a process of its own: once pip is imported, setuptools no longer gets to be distutils, which torch's compiler needs."""
    met = {
        "pytest": True,
        "pytest>=1": True,
        "pytest==0.0.1": False,
        "accelmark-no-such-package": False,
        "accelmark-no-such-package; python_version < '3'": True,
        "pytest[dev]": False,
        "--extra-index-url https://mirror": False,
        "git+https://mirror/x": False,
    }
    ask = "import json, sys\nfrom utils.runtime.in_place import satisfied\nprint(json.dumps([*map(satisfied, sys.argv[1:])]))"
    said = subprocess.run([sys.executable, "-c", ask, *met], stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2])
    assert dict(zip(met, json.loads(said.stdout), strict=True)) == met


def test_comments_are_no_requirements():
    assert in_place.requirement_lines("# a\n\nb==1  # why\n-r other.txt\nc@ https://x/#egg=c\n") == [
        "b==1",
        "-r other.txt",
        "c@ https://x/#egg=c",
    ]


def test_the_script_runs_from_its_text_as_a_container_gets_it(tmp_path):
    (tmp_path / "requirements.txt").write_text("accelmark-no-such-package==1\npytest\n")
    command = [sys.executable, "-c", Path(in_place.__file__).read_text(), "missing", str(tmp_path / "requirements.txt")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.splitlines() == ["::unsatisfied accelmark-no-such-package==1"]
