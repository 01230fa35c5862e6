"""What a command reads of host.yaml: it fails for that, and for nothing else."""

import pytest
from run_fixtures import copy_project

WITHOUT_CASES = {
    "an empty CASES": {"CASES": {}},
    "no CASES": {"CASES": ...},
    "a case that is not there": {"CASES": {"digit:pytorch_2.13": "embedded"}},
    "two cases of one folder": {"CASES": {"digits:pytorch_2.13:a": "embedded", "digits:pytorch_2.13:b": "embedded"}},
    "an unknown vendor": {"VENDOR": "nvidai"},
    "no vendor": {"VENDOR": ...},
    "container options": {"ACCE_CONTAINER_OPT": "--gpu all", "SHM_SIZE": 5},
    "how images are made": {"IMAGE_SOURCE": "pull", "BUILD_ARGS": {"A": 1}},
    "an unknown key": {"TIMEZONE": "UTC"},
    "a host's own": {"HOST_OPTIONS": {"127.0.0.1": {"DATA": {"gone:pytorch": "/data"}, "SHM_SIZE": 5}}},
}


@pytest.fixture(scope="module")
def with_run(tmp_path_factory):
    """A project with one run, which failed as its data is not there."""
    project = copy_project(tmp_path_factory.mktemp("commands") / "project")
    project.host_yaml(CASES={"digits:pytorch_2.13": "/no/such/folder"})
    assert project.run().status == 2
    return project


@pytest.mark.parametrize("keys", WITHOUT_CASES.values(), ids=WITHOUT_CASES)
def test_report_and_clean_do_not_mind_what_they_do_not_read(with_run, keys):
    with_run.host_yaml(**keys)
    reported, cleaned = with_run.run("report"), with_run.run("clean")
    assert (reported.status, "0 of 1 case OK, 1 FAILED" in reported.output) == (0, True), reported.output
    assert (cleaned.status, cleaned.output) == (0, "127.0.0.1: nothing to remove\n")


def test_report_needs_no_host_that_is_one(with_run):
    with_run.host_yaml(HOSTS=["-x"], SSH_PORT="ssh", CONNECTION="telnet")
    assert with_run.run("report").status == 0


@pytest.mark.parametrize(
    ("command", "keys", "message"),
    [
        ("report", {"FLAGPERF_LOG_PATH": 5}, "FLAGPERF_LOG_PATH is 5: input should be a valid string"),
        ("report", {"FLAGPERF_LOG_PAHT": "logs"}, "unknown key 'FLAGPERF_LOG_PAHT'; did you mean 'FLAGPERF_LOG_PATH'?"),
        ("clean", {"HOSTS": ...}, "configs/host.yaml: key 'HOSTS' is missing"),
        ("clean", {"HOST_OPTIONS": {"127.0.0.1": {"SSH_PROT": 1}}}, "unknown key 'SSH_PROT'; did you mean 'SSH_PORT'?"),
    ],
)
def test_report_and_clean_refuse_what_they_read(with_run, command, keys, message):
    with_run.host_yaml(**keys)
    refused = with_run.run(command)
    assert (refused.status, message in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("command", ["run", "check", "report", "clean"])
def test_a_file_that_was_named_must_be_there(with_run, command):
    refused = with_run.run(command, "--config", "nothing.yaml")
    assert (refused.status, refused.output) == (2, "run.py: nothing.yaml: no such file\n")
    by_path = with_run.run("report", "result/latest", "--config", "nothing.yaml")
    assert (by_path.status, by_path.output) == (2, "run.py: nothing.yaml: no such file\n")


@pytest.mark.parametrize(
    ("command", "option"),
    [*((command, "config") for command in ("run", "check", "report", "clean")), ("check", "vendor"), ("check", "case")],
)
def test_a_name_that_is_empty_is_refused(with_run, command, option):
    refused = with_run.run(command, f"--{option}", "")
    assert (refused.status, refused.output) == (2, f"run.py: --{option} is empty; is a variable of the shell not set?\n")


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("batch_size=4", "--set batch_size: clean does not read that key"),
        ("VENDOR=cpu", "--set VENDOR: clean does not read that key"),
        ("SSH_PROT=22", "--set SSH_PROT: clean does not read that key; did you mean 'SSH_PORT'?"),
    ],
)
def test_a_setting_that_clean_does_not_read_is_refused(with_run, setting, text):
    refused = with_run.run("clean", "--set", setting)
    assert (refused.status, refused.output) == (2, f"run.py: {text}\n")


@pytest.mark.parametrize(
    "arguments", [("list", "--config", "configs/host.yaml"), ("clean", "--case", "digits"), ("clean", "--vendor", "cpu")]
)
def test_an_option_that_would_change_nothing_is_refused(with_run, arguments):
    refused = with_run.run(*arguments)
    assert (refused.status, f"unrecognized arguments: {' '.join(arguments[1:])}" in refused.output) == (2, True)
