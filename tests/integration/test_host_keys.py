"""Keys of host.yaml that do what their names say, seen from the guest's side and from the report's."""

import ctypes
import math
import mmap
import os
import subprocess
import sys

import pytest
from run_fixtures import CHECKOUT, MEASURED
from toy import add_case

TELL = (
    'import os\nopen(config.log_dir + "/seen", "w").write(" ".join(os.environ[n] for n in ("RANK", "WORLD_SIZE", "MASTER_PORT")))'
)


def seen(project, case, host, rank):
    return (project.results / f"latest/{case}:pytorch_2.13/{host}_noderank{rank}/seen").read_text()


def over_ssh(sshd, folder):
    """Keys of host.yaml by which an sshd of this machine is reached under both of its names."""
    known = sshd.known_hosts.read_text()
    file = folder / "known_hosts"
    file.write_text(known + known.replace("127.0.0.1", "localhost"))
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(file), "SSH_PORT": sshd.port}
    return {"CONNECTION": "ssh", "FLAGPERF_PATH": str(folder.parent / "there"), **keys}


def test_every_host_runs_every_case_and_knows_its_rank(project, sshd):
    cases = add_case(project, "toy", compile=TELL)
    hosts = {"HOSTS": ["127.0.0.1", "localhost"], "HOSTS_PORTS": ["2222"], "MASTER_PORT": "29777"}
    project.host_yaml(**hosts, **over_ssh(sshd, project.folder), CASES=cases)
    finished = project.run()
    assert finished.status == 0, finished.output
    assert [(case["host"], case["rank"]) for case in finished.report["cases"]] == [("127.0.0.1", 0), ("localhost", 1)]
    assert seen(project, "toy", "127.0.0.1", 0) == "0 2 29777"
    assert seen(project, "toy", "localhost", 1) == "1 2 29777"
    assert [case["environment"]["host_port"] for case in finished.report["cases"]] == [2222, 2222]


def test_a_case_past_its_timeout_fails_with_that_reason_and_the_next_one_runs(project):
    cases = {**add_case(project, "slow", "slow", call="import time\ntime.sleep(600)"), **add_case(project, "toy")}
    project.host_yaml(CASE_TIMEOUT=15, CASES=cases)
    finished = project.run()
    assert finished.status == 1
    assert finished.case("slow")["reasons"][0]["kind"] == "TIMEOUT"
    assert finished.case("toy")["status"] in MEASURED


def resident_pages(path):
    """How many pages of a file are in the page cache; asking brings none there."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        start = ctypes.c_char.from_buffer(view)
        pages = (ctypes.c_ubyte * math.ceil(len(view) / mmap.PAGESIZE))()
        failed = ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(len(view)), pages)
        del start
    assert failed == 0
    return sum(page & 1 for page in pages)


@pytest.fixture
def may_drop_caches():
    if not os.access("/proc/sys/vm/drop_caches", os.W_OK):
        pytest.skip("only root of a whole machine can drop its page cache")


def test_clear_caches_drops_the_page_cache(project, may_drop_caches):
    read = project.folder / "read before"
    read.write_bytes(bytes(40 * mmap.PAGESIZE))
    assert resident_pages(read) == 40
    project.host_yaml(CLEAR_CACHES=True, CASES=add_case(project, "toy"))
    assert "CLEAR_CACHES" not in " ".join(project.run().case("toy")["notes"])
    assert resident_pages(read) == 0


def test_the_log_level_hides_lines_of_the_logs_and_never_the_report(project):
    project.host_yaml(FLAGPERF_LOG_LEVEL="warning", CASES=add_case(project, "toy"))
    finished = project.run()
    run = project.results / "latest"
    assert "INFO" not in (run / "host.out.log").read_text()
    assert "INFO" not in (run / "toy:pytorch_2.13/127.0.0.1_noderank0/container.out.log").read_text()
    assert f"Accelmark {finished.report['run']['id']}" in finished.output
    assert str(run.resolve() / "report.html") in finished.output


def test_log_call_information_says_which_function_logged(project):
    project.host_yaml(LOG_CALL_INFORMATION=True, CASES=add_case(project, "toy"))
    assert project.run().status == 0
    run = project.results / "latest"
    assert "utils.case_run:_phase:" in (run / "host.out.log").read_text()
    assert "tools.steps:" in (run / "toy:pytorch_2.13/127.0.0.1_noderank0/container.out.log").read_text()


def test_a_run_says_what_the_vendor_changed_and_which_keys_are_new(project):
    project.host_yaml(CASES=add_case(project, "toy"))
    file = "configs/toy/vendor_config/cpu_configurations.yaml"
    project.write(file, "batch_size: 2\nstreams: 2\n")
    output = project.run().output
    log = (project.results / "latest/host.out.log").read_text()
    new, changed = f"toy:pytorch_2.13: {file}:2: new key 'streams' set by cpu", f"{file}:1: cpu sets batch_size to 2 (was 4)"
    assert (f"note: {new}" in output, new in log) == (True, True), output
    assert (changed in output, changed in log) == (False, True)


def test_pip_source_is_where_packages_come_from(project):
    project.write("benchmarks/toy/pytorch/requirements.txt", "a-package-that-is-nowhere==1\n")
    project.host_yaml(PIP_SOURCE="http://me:secret@127.0.0.1:9/simple", CASES=add_case(project, "toy"))
    project.environment["PIP_RETRIES"] = "0"
    finished = project.run()
    log = (project.results / "latest/toy:pytorch_2.13/127.0.0.1_noderank0/stdout_err.out.log").read_text()
    assert finished.status == 1
    assert "127.0.0.1:9/simple" in log
    assert "secret" not in log + finished.output


def test_what_nobody_foresaw_costs_one_case_and_not_the_next(project):
    cases = {**add_case(project, "odd", "odd"), **add_case(project, "toy")}
    code = project.folder / "utils/case_run.py"
    broken = 'self._phase("packages")\n            assert self.case.case != "odd", "nobody thought of this"'
    code.write_text(code.read_text().replace('self._phase("packages")', broken))
    project.host_yaml(CASES=cases)
    finished = project.run()
    assert finished.status == 1
    assert finished.case("toy")["status"] in MEASURED
    assert finished.case("odd")["reasons"][0]["message"].startswith("AssertionError: nobody thought of this")
    assert "Traceback" in (project.results / "latest/host.out.log").read_text()


def test_a_folder_that_begins_with_a_tilde_is_refused(project):
    project.host_yaml(FLAGPERF_PATH="~/accelmark")
    checked = project.run("check")
    assert checked.status == 2
    assert "FLAGPERF_PATH: '~' means another folder on each host" in checked.output


@pytest.fixture
def bare_python():
    """A Python of this machine without our packages."""
    return [getattr(sys, "_base_executable", sys.executable), "-I", "-S"]


def test_a_plain_python_says_how_to_make_the_virtual_environment(project, bare_python):
    done = subprocess.run([*bare_python, "run.py", "--help"], cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run 'make setup' once" in done.stderr


def test_a_plain_python_takes_the_virtual_environment_that_is_there(project, bare_python):
    (project.folder / ".venv").symlink_to(sys.prefix)
    done = subprocess.run([*bare_python, "run.py", "list"], cwd=project.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "digits" in done.stdout) == (0, True), done.stderr
    assert project.folder != CHECKOUT
