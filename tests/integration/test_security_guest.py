"""A malicious guest: whatever it leaves in its folder is refused or made harmless, said so, and costs the next case nothing."""

import re
import stat
import time

import psutil
import pytest
from run_fixtures import MEASURED, copy_project, in_container
from toy import add_case

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3)) | a | \x1b[2J\x1b]0;owned\x07"

AT_EXIT = """
import atexit, json, os, sys
from pathlib import Path

def create_model(config):
    log = Path(config.log_dir)
    def evil():
        result = log / "result.json"
        def remake(make):
            result.unlink()
            make(result)
        {evil}
    atexit.register(evil)
    def model(inputs):
        time.sleep(0.0003)
        return inputs, 0.0
    return model
"""

LITTER = """
os.symlink("/etc/shadow", log / "shadow")
os.symlink("../../../..", log / "up")
os.mkfifo(log / "pipe")
(log / "new\\nline").write_text("x")
(log / "hard").write_text("x")
os.link(log / "hard", log / "hard too")
with open(log / "huge", "wb") as file:
    file.truncate(10**13)
(log / "setuid").write_text("x")
(log / "setuid").chmod(0o6755)
os.makedirs(str(log) + "/d" * 200)
os.symlink("/etc/shadow", Path(config.perf_dir) / "onnxs" / "planted")
"""

MARKED = """
known = json.loads(result.read_text())
known["notes"] = [MARKUP]
known["engine"] = {MARKUP: MARKUP}
known["environment"] = {"framework": MARKUP, "x": [MARKUP]}
known["steps"][0]["detail"] = MARKUP
known["accuracy_metric"] = MARKUP
result.write_text(json.dumps(known))
"""

NOISE = """
print("\\x1b]0;owned\\x07" + "::progress " + "[" * 100000)
for step in ([], {}, "c", 1):
    for done in ("x", [], -1, 1e999, True):
        print("::progress " + json.dumps({"step": step, "done": done, "unit": "[/nonsense]\\x1b[2J"}))
print("no end " * 1000000, end="")
"""

ADD = "result.write_text(result.read_text().replace('\"schema\": 2', {} + ', \"schema\": 2'))"
MISCHIEF = {
    "litter": LITTER,
    "marked": f"MARKUP = {MARKUP!r}\n{MARKED}",
    "noise": NOISE,
    "link": "remake(lambda path: os.symlink('/etc/passwd', path))",
    "fifo": "remake(os.mkfifo)",
    "sparse": "with open(result, 'r+b') as file: file.truncate(10**13)",
    "deep": "result.write_text('[' * 10**6)",
    "numbers": ADD.format("'\"batch_size\": 1' + '0' * 5000"),
    "nan": ADD.format('\'"compile_seconds": NaN, "load_seconds": 1e999, "flops_per_item": 1\' + \'0\' * 400'),
    "monitor": "(log / 'sys_monitor.log').unlink(); os.mkfifo(log / 'sys_monitor.log')",
    "pid": "(log / 'sys_monitor.pid').unlink(); os.symlink('/proc/self/stat', log / 'sys_monitor.pid')",
    "array": "(log / 'latencies.npz').unlink(); os.mkfifo(log / 'latencies.npz')",
}
TRAVELLING = ("litter", "marked", "link", "fifo", "sparse", "monitor", "pid")
"""What is different where files are collected from another host."""

REFUSED = {
    "link": ("it is a link and not a file", "left no result.json"),
    "fifo": ("it is a FIFO and not a file", "left no result.json"),
    "sparse": ("more than the 67,108,864 that are read", "left no result.json"),
    "deep": ("it is nested too deeply",),
    "numbers": ("Exceeds the limit",),
}
"""What a case says whose result is not read; the second where it did not even travel."""


def add_mischief(project, names, **keys):
    cases = {}
    for name in names:
        evil = MISCHIEF[name]
        code = AT_EXIT.format(evil=evil.strip().replace("\n", "\n        "))
        cases |= add_case(project, name, code=code, **keys)
    return cases | add_case(project, "well", **keys)


@pytest.fixture(scope="module", params=["local", "ssh"])
def evil_run(request, sshd, tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("evil") / "project")
    keys = {"CASES": add_mischief(project, MISCHIEF if request.param == "local" else TRAVELLING)}
    code = project.folder
    if request.param == "ssh":
        code = project.folder.parent / "there"
        known = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
        keys |= {"CONNECTION": "ssh", "FLAGPERF_PATH": str(code), **known}
    project.host_yaml(**keys)
    return project.run(timeout=1200), project, code


def folder_of(project, case):
    return project.results / "latest" / f"{case}:pytorch_2.13" / "127.0.0.1_noderank0"


def test_the_run_ends_and_each_honest_result_is_kept(evil_run):
    run, _, _ = evil_run
    assert run.status == 1, run.output
    status = {case["case"]: case["status"] for case in run.report["cases"]}
    failed = {name for name, one in status.items() if one not in MEASURED}
    assert failed == set(REFUSED) & set(status), run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("case", REFUSED)
def test_a_result_that_is_not_a_plain_file_of_sane_content_is_refused_and_said_to_be(evil_run, case):
    run, _, _ = evil_run
    if case not in {one["case"] for one in run.report["cases"]}:
        return  # a file of plain content travels as any other
    reason = run.case(case)["reasons"][0]
    assert any(text in reason["message"] for text in REFUSED[case]), reason


def test_nothing_but_plain_files_without_privilege_is_left(evil_run):
    _, project, code = evil_run
    for place in (project.results, code):
        for path in place.rglob("*"):
            mode = path.lstat().st_mode
            if path.name != "latest":
                assert stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
            assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path
    assert not list(project.results.parent.rglob("shadow"))


def test_what_was_removed_or_not_copied_is_a_note(evil_run):
    run, project, _ = evil_run
    notes = " ".join(run.case("litter")["notes"])
    for text in (
        "shadow: it was a link and is removed",
        "pipe: it was a FIFO",
        "setuid: ",
        "nested too deeply",
        "planted: it was",
    ):
        assert text in notes
    assert (folder_of(project, "litter") / "new\nline").exists()
    assert run.case("litter")["status"] in MEASURED


def test_markup_and_escape_sequences_are_shown_as_text(evil_run):
    run, project, _ = evil_run
    folder = project.results / "latest"
    assert "\x1b" not in run.output
    assert "\x07" not in run.output
    assert "\x1b" not in (folder / "host.out.log").read_text()
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    for markup in ("<script>alert(1)", "<img src=x", "](javascript"):
        assert markup not in text
    for markup in ("<script>alert(1)", "<img src=x"):
        assert markup not in page
    assert "alert(1)" in page, "it is there, as text"
    assert "alert\\(1\\)" in text
    assert "\x1b" not in project.run("report").output
    assert "owned" not in text, "a title is no text"
    assert not re.search(r"\bowned\b", page)
    for log in folder.glob("*/*/*.out.log"):
        assert "\x1b" not in log.read_text()


def test_a_monitor_s_log_that_is_no_file_is_an_error_of_that_monitor_alone(evil_run):
    run, _, _ = evil_run
    assert run.case("monitor")["status"] in MEASURED
    assert "sys_monitor.log: it was a FIFO" in " ".join(run.case("monitor")["notes"])


def test_no_monitor_is_left_behind_by_a_guest_that_removed_its_pid_file(evil_run):
    _, project, _ = evil_run
    until = time.monotonic() + 60
    while (left := monitors_of(project)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


def monitors_of(project):
    lines = (
        (process.info["pid"], " ".join(process.info["cmdline"] or ())) for process in psutil.process_iter(["pid", "cmdline"])
    )
    return [line for _, line in lines if "_monitor.py" in line and str(project.folder.parent) in line]


@pytest.mark.docker
def test_a_container_leaves_no_device_no_set_user_id_program_and_no_link(tmp_path, base_tag, docker_client):
    project = copy_project(tmp_path / "project")
    evil = (
        LITTER
        + "\ntry:\n    os.mknod(log / 'disk', 0o60666, os.makedev(254, 0))\nexcept PermissionError:\n    print('no device')"
    )
    code = AT_EXIT.format(evil=evil.strip().replace("\n", "\n        "))
    with in_container(project, base_tag, docker_client):
        project.host_yaml(**project.docker, CASES=add_case(project, "litter", code=code, framework="pytorch_here"))
        run = project.run()
    assert run.status == 0, run.output
    folder = project.results / "latest" / "litter:pytorch_here" / "127.0.0.1_noderank0"
    kinds = {path.name: path.lstat().st_mode for path in folder.rglob("*")}
    assert all(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode in kinds.values())
    assert not kinds["setuid"] & (stat.S_ISUID | stat.S_ISGID)
    assert "no device" in (folder / "stdout_err.out.log").read_text()
    assert not (project.folder / "onnxs" / "planted").is_symlink()
    assert "shadow: it was a link and is removed" in " ".join(run.case("litter")["notes"])
