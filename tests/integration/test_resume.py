"""A run that ended early goes on: what is finished stays, what is missing is run, and the report has each case exactly once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from quick_guest import hold, kept, let_go, measured, ran, use_quick_guest
from test_interrupt import at_work, containers, eventually, left_over, wait_for
from toy import add_case


@pytest.fixture
def quick(project):
    """A project of three quick cases that run as processes."""
    use_quick_guest(project)
    project.host_yaml(CASES=three(project), MONITOR_INTERVAL=0.1)
    return project


def three(project, framework="pytorch_2.13"):
    return {key: data for name in ("one", "two", "three") for key, data in add_case(project, name, framework=framework).items()}


def killed(project, *arguments, case="two"):
    """Start run.py, and end it as a power cut would while this case's guest is at work."""
    hold(project, case)
    run = project.start(*arguments)
    wait_for(run, f"/3 {case}:pytorch_2.13: guest")
    run.kill()
    run.wait()
    run.stdout.close()
    eventually(lambda: not [words for words in at_work(project) if "run_inference.py" in words])
    let_go(project, case)


def check_complete(project, finished, status=0):
    assert finished.status == status, finished.output
    assert [case["case"] for case in finished.report["cases"]] == ["one", "two", "three"]
    assert [number for numbers in ran(project).values() for number in numbers] == list(measured(finished.report).values())
    assert left_over(project) == []
    assert not list(project.results.glob("**/.*"))


def test_a_killed_run_is_resumed_and_only_what_is_missing_runs(quick):
    killed(quick)
    before = kept(quick)
    assert list(before) == ["one"]
    resumed = quick.run("run", "--resume")
    check_complete(quick, resumed)
    assert resumed.report["cases"][0] == before["one"]
    assert len(resumed.report["run"]["resumed"]) == 1
    assert resumed.report["run"]["started"] < resumed.report["run"]["resumed"][0]
    assert resumed.report["run"]["seconds"] < 600
    assert "to do: two:pytorch_2.13 on 127.0.0.1, three:pytorch_2.13 on 127.0.0.1" in resumed.output
    assert "begun " in resumed.output
    assert ", resumed " in resumed.output
    assert len(list(quick.results.glob("run*"))) == 1


def test_resuming_a_complete_run_prints_it_and_runs_nothing(quick):
    first = quick.run()
    again = quick.run("run", "--resume")
    assert (again.status, again.report) == (0, first.report)
    assert again.output.startswith(f"nothing is left to do of {first.report['run']['id']}\n")
    assert {case: len(numbers) for case, numbers in ran(quick).items()} == {"one": 1, "two": 1, "three": 1}


def test_with_no_run_to_resume_one_is_begun(quick):
    begun = quick.run("run", "--resume")
    check_complete(quick, begun)
    assert "no run to resume, so this begins one" in begun.output
    assert begun.report["run"]["resumed"] == []


def test_an_interrupted_case_runs_again_when_the_run_is_resumed(quick):
    use_quick_guest(quick, seconds=30)
    run = quick.start()
    wait_for(run, "1/3 one:pytorch_2.13: guest")
    eventually(lambda: ran(quick, "began"))
    run.send_signal(signal.SIGINT)
    interrupted = quick.finish(run)
    assert interrupted.status == 130
    use_quick_guest(quick)
    refused = quick.run("run", "--resume")
    assert (refused.status, "the code: run_inference.py" in refused.output) == (2, True)


def test_a_failed_case_runs_again_only_when_that_is_asked_for(quick):
    (quick.data / "two.fails").touch()
    assert quick.run().status == 1
    (quick.data / "two.fails").unlink()
    same = quick.run("run", "--resume")
    assert (same.status, len(ran(quick)["two"])) == (1, 1)
    assert "; --retry-failed repeats what is FAILED\n" in same.output
    retried = quick.run("run", "--resume", "--retry-failed")
    assert retried.status == 0, retried.output
    assert {case: len(numbers) for case, numbers in ran(quick).items()} == {"one": 1, "two": 2, "three": 1}
    assert measured(retried.report) == {case: numbers[-1] for case, numbers in ran(quick).items()}


def test_retry_failed_alone_is_refused(quick):
    refused = quick.run("run", "--retry-failed")
    assert (refused.status, "--retry-failed goes with --resume" in refused.output) == (2, True)


def test_a_run_whose_configuration_has_changed_is_not_resumed(quick):
    killed(quick, "--set", "repeat=1")
    cases = three(quick)
    quick.host_yaml(CASES=cases, MONITOR_INTERVAL=0.2, CLEAR_CACHES=True)
    refused = quick.run("run", "--resume")
    assert refused.status == 2, refused.output
    assert "cannot be resumed, as it would not measure the same any more:" in refused.output
    assert "host.yaml: MONITOR_INTERVAL was 0.1 and is 0.2 now" in refused.output
    assert "host.yaml: CLEAR_CACHES was False and is True now" in refused.output
    quick.host_yaml(CASES=cases, MONITOR_INTERVAL=0.1, CASE_TIMEOUT=100)  # how long it may take is not what is measured
    typed = quick.run("run", "--resume", "--set", "repeat=2")
    assert "one:pytorch_2.13: repeat was 1 and is 2 now" in typed.output
    resumed = quick.run("run", "--resume")
    check_complete(quick, resumed)
    assert resumed.report["run"]["overrides"] == ["--set repeat=1"]


def test_latest_is_the_newest_run_also_when_that_was_killed(quick):
    assert quick.run("--case", "one").status == 0
    killed(quick)
    newest = max(quick.results.glob("run*"))
    assert (quick.results / "latest").resolve() == newest
    reported = quick.run("report", "result/latest")
    assert f"`run.py run --resume {newest.name}` goes on with it" in reported.output


def test_a_run_that_finds_its_hosts_in_use_leaves_latest_at_the_one_that_has_them(quick):
    hold(quick, "one")
    run = quick.start()
    wait_for(run, "1/3 one:pytorch_2.13: guest")
    before = (quick.results / "latest").resolve(strict=True)
    assert quick.run().status == 3
    assert (quick.results / "latest").resolve(strict=True) == before
    let_go(quick, "one")
    check_complete(quick, quick.finish(run))


def test_a_run_that_is_still_going_on_is_not_resumed(quick):
    hold(quick, "one")
    run = quick.start()
    wait_for(run, "1/3 one:pytorch_2.13: guest")
    refused = quick.run("run", "--resume")
    assert refused.status == 3
    assert f"this run is still going on (process {run.pid} of " in refused.output
    reported = quick.run("report")
    assert (reported.status, "it is still going on" in reported.output) == (0, True)
    let_go(quick, "one")
    check_complete(quick, quick.finish(run))


def test_a_report_of_a_killed_run_shows_what_there_is_and_how_to_go_on(quick):
    killed(quick, case="three")
    name = next(quick.results.glob("run*")).name
    reported = quick.run("report")
    assert reported.status == 0
    assert f"{name} has no report yet: 2 of 3 cases are finished; missing: three:pytorch_2.13 on 127.0.0.1" in reported.output
    assert f"`run.py run --resume {name}` goes on with it" in reported.output
    check_complete(quick, quick.run("run", "--resume", name))


def test_a_report_that_could_not_be_written_is_made_from_what_was_put_away(quick):
    first = quick.run()
    for path in quick.results.glob("run*/report.*"):
        path.unlink()
    again = quick.run("run", "--resume")
    check_complete(quick, again)
    assert again.report["cases"] == first.report["cases"]
    assert "to do: nothing but its report" in again.output


@pytest.mark.parametrize("lost", ["latest", "latest/report.md", "latest/report.html"])
def test_a_run_that_was_killed_while_it_wrote_its_report_writes_all_of_it(quick, lost):
    first = quick.run()
    (quick.results / lost).unlink()
    again = quick.run("run", "--resume")
    check_complete(quick, again)
    assert (quick.results / lost).exists()
    assert again.report["cases"] == first.report["cases"]


def test_a_guest_that_finished_while_no_run_py_was_there_is_collected(quick):
    killed(quick)
    folder = next(quick.results.glob("run*")) / "two:pytorch_2.13" / "127.0.0.1_noderank0"
    places = ["--log_dir", folder, "--config", folder / "config.yaml", "--perf_dir", quick.folder, "--data_dir", quick.data]
    names = ["--case", "two", "--framework", "pytorch_2.13", "--vendor", "cpu"]
    subprocess.run([sys.executable, quick.folder / "run_inference.py", *places, *names], check=True)
    resumed = quick.run("run", "--resume")
    check_complete(quick, resumed)
    assert any("taken up later" in note for note in resumed.case("two")["notes"])


def test_a_guest_that_outlived_run_py_is_ended_before_its_case_runs_again(quick):
    use_quick_guest(quick, seconds=30)
    run = quick.start()
    wait_for(run, "1/3 one:pytorch_2.13: guest")
    eventually(lambda: ran(quick, "began"))
    for process in descendants(run.pid):
        os.kill(process, signal.SIGKILL)
    run.wait()
    assert [words for words in at_work(quick) if "run_inference.py" in words]
    resumed = quick.start("run", "--resume")
    wait_for(resumed, "1/3 one:pytorch_2.13: guest")
    eventually(lambda: len(ran(quick, "began")["one"]) == 2)
    assert len([words for words in at_work(quick) if "run_inference.py --" in words and "supervisor" not in words]) <= 2
    resumed.send_signal(signal.SIGINT)
    quick.finish(resumed)
    assert left_over(quick) == []


def descendants(pid):
    """run.py and its supervisors, not the guests that those started."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [pid, *map(int, listed)]


def test_a_container_that_runs_on_is_taken_up_again(container_project, docker_client):
    use_quick_guest(container_project, seconds=6)
    container_project.host_yaml(CASES=three(container_project, "pytorch_here"), **container_project.docker)
    run = container_project.start("--case", "one", "--case", "two")
    wait_for(run, "1/2 one:pytorch_here: guest")
    eventually(lambda: ran(container_project, "began"))
    run.kill()
    run.wait()
    resumed = container_project.run("run", "--resume")
    assert resumed.status == 0, resumed.output
    assert ran(container_project, "began").keys() == {"one", "two"}
    assert {case: [number] for case, number in measured(resumed.report).items()} == ran(container_project)
    assert any("taken up later" in note for note in resumed.case("one")["notes"])
    assert containers(docker_client, resumed) == left_over(container_project) == []
    output = container_project.results / "latest/one:pytorch_here/127.0.0.1_noderank0/stdout_err.out.log"
    assert output.read_text().splitlines() == ["the guest of one began", "the guest of one ended"]


def test_a_container_that_ended_meanwhile_is_collected(container_project, docker_client):
    use_quick_guest(container_project, seconds=1)
    container_project.host_yaml(CASES=three(container_project, "pytorch_here"), **container_project.docker)
    run = container_project.start()
    wait_for(run, "1/3 one:pytorch_here: guest")
    eventually(lambda: ran(container_project, "began"))
    run.kill()
    run.wait()
    eventually(lambda: ran(container_project))
    time.sleep(1)
    resumed = container_project.run("run", "--resume")
    check_complete(container_project, resumed)
    assert containers(docker_client, resumed) == []


def test_a_run_on_another_host_is_resumed_with_what_lies_there(quick, sshd):
    there = quick.folder.parent / "there"
    keys = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    quick.host_yaml(CASES=three(quick), CONNECTION="ssh", FLAGPERF_PATH=str(there), MONITOR_INTERVAL=0.1, **keys)
    killed(quick)
    resumed = quick.run("run", "--resume")
    assert resumed.status == 0, resumed.output
    assert [case["case"] for case in resumed.report["cases"]] == ["one", "two", "three"]
    numbers = json.dumps((there / "onnxs" / "ran").read_text())
    assert all(f"{number:.0f}" in numbers for number in measured(resumed.report).values())
    assert left_over(quick) == left_over(quick, there) == []
    assert list((there / "result").iterdir()) == []
