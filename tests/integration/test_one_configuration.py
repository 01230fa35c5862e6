"""A remote host measures what the plan shows: the configuration travels, and what is gone here is gone there."""

import pytest
from run_fixtures import MEASURED
from toy import add_case

from tools.contract import FAILED

OTHER_GUEST = """
import pathlib, sys
from tools.contract import OK, Phase, Result, to_json, write_atomically
log, case = (sys.argv[sys.argv.index(name) + 1] for name in ("--log_dir", "--case"))
config = {"batch_size": {"value": 1, "origin": "what lay there"}}
result = Result(case, "pytorch_2.13", "cpu", status=OK, validation=Phase(1.0, 1.0, None), config=config)
write_atomically(pathlib.Path(log) / "result.json", to_json(result))
"""
OVERRIDE = "configs/toy/vendor_config/cpu_configurations.yaml"


@pytest.fixture
def there(project, sshd):
    """The project's folder on a host that is reached over SSH; its toy case has batch size 4."""
    folder = project.folder.parent / "there"
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    project.host_yaml(CASES=add_case(project, "toy"), CONNECTION="ssh", FLAGPERF_PATH=str(folder), **keys)
    return folder


def measured_batch(finished):
    case = finished.case("toy")
    assert case["status"] in MEASURED, finished.output
    return case["batch_size"], case["config"]["batch_size"]


def test_an_override_that_was_deleted_here_is_not_measured_there(project, there):
    override = project.write(OVERRIDE, "batch_size: 1\n")
    assert measured_batch(project.run()) == (1, {"value": 1, "origin": f"{OVERRIDE}:1"})
    override.unlink()
    assert measured_batch(project.run())[0] == 4
    assert not (there / OVERRIDE).exists()


def test_an_override_that_only_the_host_has_is_not_measured_and_stays(project, there):
    assert measured_batch(project.run())[0] == 4
    (there / OVERRIDE).parent.mkdir(parents=True)
    (there / OVERRIDE).write_text("batch_size: 1\n")
    assert measured_batch(project.run()) == (4, {"value": 4, "origin": "configs/toy/configurations.yaml:1"})
    assert (there / OVERRIDE).exists()


def test_what_the_command_line_overrides_travels_as_it_was_understood(project, there):
    case = project.run("run", "--set", "percentiles=[99, 50]").case("toy")
    assert case["config"]["percentiles"] == {"value": [50.0, 99.0], "origin": "--set"}
    assert case["config"]["data_dir"]["origin"].startswith("configs/host.yaml:")


def test_a_result_of_another_configuration_is_failed(project, there):
    project.write("run_inference.py", OTHER_GUEST)
    finished = project.run()
    [reason] = finished.case("toy")["reasons"]
    assert (finished.status, finished.case("toy")["status"], reason["kind"]) == (2, FAILED, "CONFIG")
    assert "batch_size is 4 in the plan and 1 in the result" in reason["message"]
