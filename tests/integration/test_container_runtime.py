"""The docker runtime against a real engine: what a container is given, how a command in it ends, and what is left of it."""

import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from ssh_fixtures import free_port

from tools.errors import CaseCrash, CaseTimeout, ConfigError, OutOfMemory
from utils.runtime.options import parse_options, split_create_keys

pytestmark = pytest.mark.docker


def run(place, *argv, timeout=30.0, cancelled=None):
    """Run a command and return its status and output."""
    lines = []
    return place.run(argv, timeout=timeout, on_line=lines.append, cancelled=cancelled), lines


def run_up(place, act, cancelled=None):
    """Run a command that goes on for long, have another thread do something as soon as it is up, and return its status."""
    command = ["sh", "-c", "echo up; sleep 600"]
    return place.run(command, timeout=600, on_line=lambda _: threading.Thread(target=act).start(), cancelled=cancelled)


def inspect(docker_client, place):
    return docker_client.api.inspect_container(place._name)


def test_output_arrives_line_by_line_while_the_command_runs(container, tmp_path):
    heard, lines = tmp_path / "logs" / "heard", []

    def listen(line):
        lines.append(line)
        heard.touch()

    script = f"import os, time\nprint(0)\nwhile not os.path.exists({str(heard)!r}): time.sleep(0.05)\nprint(1)"
    with container() as place:
        assert place.run(["python3", "-c", script], timeout=60, on_line=listen) == 0
    assert lines == ["0", "1"]


def test_stderr_and_the_exit_status_come_back(container):
    with container() as place:
        assert run(place, "python3", "-c", "import sys; print('oops', file=sys.stderr); sys.exit(7)") == (7, ["oops"])


def test_a_command_that_closed_its_output_is_waited_for(container):
    script = "import os, time, sys; os.close(1); os.close(2); time.sleep(0.5); os._exit(3)"
    with container() as place:
        assert run(place, "python3", "-c", script)[0] == 3


def test_the_working_directory_is_the_code(container):
    with container() as place:
        assert run(place, "python3", "hello.py") == (0, ["hello"])


def test_the_environment_has_all_layers_and_the_users_goes_first(container):
    options = "-e RANK=9 -e 'GREETING=hello world'"
    with container(environment={"RANK": "0", "WORLD_SIZE": "1"}, container_options=options) as place:
        assert run(place, "sh", "-c", "echo $RANK,$WORLD_SIZE,$GREETING,$PYTHONUNBUFFERED")[1] == ["9,1,hello world,1"]


def test_a_missing_program_is_a_status_or_a_crash_that_names_it(container):
    with container() as place:
        status, lines = run(place, "no-such-program")
    assert status in (126, 127)
    assert "no-such-program" in "".join(lines)


@pytest.mark.parametrize("where", ["code", "data"])
def test_code_and_data_are_read_only(container, tmp_path, where):
    with container() as place:
        status, lines = run(place, "touch", str(tmp_path / where / "new"))
    assert status != 0
    assert "Read-only file system" in lines[0]


def test_logs_and_onnxs_are_written_and_belong_to_the_owner(container, tmp_path):
    with container(owner=(1234, 2345)) as place:
        run(place, "sh", "-c", f"echo log > {tmp_path}/logs/a.log; echo model > onnxs/m.onnx; ln -s /etc/passwd onnxs/link")
    for made in (tmp_path / "logs/a.log", tmp_path / "code/onnxs/m.onnx"):
        assert (made.stat().st_uid, made.stat().st_gid) == (1234, 2345)
    assert Path("/etc/passwd").stat().st_uid == 0


def test_what_a_timed_out_guest_wrote_belongs_to_the_owner_too(container, tmp_path):
    with container(owner=(1234, 2345)) as place, pytest.raises(CaseTimeout):
        run(place, "sh", "-c", f"echo log > {tmp_path}/logs/a.log; sleep 60", timeout=4)
    assert (tmp_path / "logs/a.log").stat().st_uid == 1234


def test_a_container_is_labelled_and_has_no_privilege_unless_asked(container, docker_client):
    with container() as place:
        found = inspect(docker_client, place)
    assert found["Config"]["Labels"]["accelmark.case"] == "toy:pytorch_foo"
    assert found["HostConfig"]["Privileged"] is False
    assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert found["HostConfig"]["NetworkMode"] == "bridge"
    assert found["HostConfig"]["Init"] is True


def test_the_shared_memory_has_the_size_that_was_asked_for(container):
    with container(shm_size="32M") as place:
        assert "32768" in run(place, "df", "-k", "/dev/shm")[1][1]


def test_privileged_is_given_or_explained(container, docker_client, containers_left):
    try:
        with container(container_options="--privileged") as place:
            outcome = inspect(docker_client, place)["HostConfig"]["Privileged"]
    except ConfigError as error:
        outcome = "this engine may not give what --privileged" in str(error)
    assert outcome is True
    assert containers_left() == []


def test_a_deadline_ends_the_command_and_leaves_nothing(container, containers_left):
    begun = time.monotonic()
    with container() as place, pytest.raises(CaseTimeout, match=r"toy:pytorch_foo on localhost: 'sleep 600' ran past 1 s"):
        run(place, "sleep", "600", timeout=1)
    assert time.monotonic() - begun < 100
    assert containers_left() == []


def test_a_cancel_from_another_thread_ends_the_command_and_leaves_nothing(container, containers_left):
    cancels = []

    def cancel():
        cancels[-1]()

    with container() as place:
        assert run_up(place, cancel, cancelled=cancels.append) == 137
    assert containers_left() == []


def test_a_memory_limit_that_is_reached_is_out_of_memory(container):
    with container(container_options="-m 64m --memory-swap 64m") as place, pytest.raises(OutOfMemory, match="64 MiB"):
        run(place, "python3", "-c", "held = bytearray(10**9); held[::4096] = b'x' * len(held[::4096])")


def test_a_worker_that_ran_out_of_memory_is_out_of_memory_too(container):
    script = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'bytearray(b\"x\" * 10**9)']) != 0)"
    with container(container_options="-m 64m --memory-swap 64m") as place, pytest.raises(OutOfMemory):
        run(place, "python3", "-c", script)


def test_a_kill_from_inside_is_no_lack_of_memory(container):
    with container(container_options="-m 64m") as place:
        assert run(place, "sh", "-c", "kill -9 $$")[0] == 137


@pytest.mark.parametrize("how", ["remove", "kill"])
def test_a_container_ended_by_someone_else_is_a_crash(container, docker_client, containers_left, how):
    with container() as place:
        end = {
            "remove": lambda: docker_client.api.remove_container(place._name, force=True),
            "kill": lambda: docker_client.api.kill(place._name),
        }[how]
        with pytest.raises(CaseCrash, match="from outside"):
            run_up(place, end)
    assert containers_left() == []


def test_a_run_after_the_container_is_gone_is_a_crash(container, docker_client):
    with container() as place:
        docker_client.api.remove_container(place._name, force=True)
        with pytest.raises(CaseCrash, match="from outside"):
            run(place, "true")


def test_ctrl_c_ends_the_waiting_at_once_and_leaves_nothing(container, containers_left):
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), container() as place:
        run_up(place, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert time.monotonic() - begun < 100
    assert containers_left() == []


def test_an_exception_of_the_listener_leaves_nothing(container, containers_left):
    def disk_full(line):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), container() as place:
        place.run(["sh", "-c", "echo a; sleep 60"], timeout=60, on_line=disk_full)
    assert containers_left() == []


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ("--gpus '\"device=0,1\"'", ConfigError, "NVIDIA Container Toolkit"),
        ("--runtime nowhere", ConfigError, "not configured"),
        ("--device /dev/accelmark-none", ConfigError, "no such --device"),
        (
            "--mount type=bind,source=/accelmark-none,target=/x",
            CaseCrash,
            "the directory /accelmark-none does not exist on localhost",
        ),
        ("--cap-add NONSENSE", CaseCrash, "NONSENSE"),
    ],
)
def test_options_that_the_engine_refuses_are_explained_and_leave_nothing(container, containers_left, options, error, said):
    with pytest.raises(error, match=said), container(container_options=options):
        pass
    assert containers_left() == []


def test_a_published_port_leads_into_the_container_and_one_that_is_taken_is_explained(container, containers_left):
    port = free_port()
    published, taken = f"-p 127.0.0.1:{port}:80", pytest.raises(ConfigError, match="--publish another")
    with socket.create_server(("127.0.0.1", port)), taken, container(container_options=published):
        pass
    serve = "import socket; socket.create_server(('', 80)).accept()[0].sendall(b'hello')"
    with container(container_options=published) as place, ThreadPoolExecutor() as pool:
        served = pool.submit(run, place, "python3", "-c", serve)
        assert answer_of(port) == b"hello"
        assert served.result() == (0, [])
    assert containers_left() == []


def answer_of(port):
    """The first words of what listens there; Docker's own proxy takes connections before anything does."""
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
            if said := caller.recv(100):
                return said
        time.sleep(0.1)
    return None


def test_an_ulimit_above_the_engines_own_is_given_or_explained(container, containers_left):
    said = "--ulimit"
    try:
        with container(container_options="--ulimit memlock=-1") as place:
            assert run(place, "sh", "-c", "ulimit -l") == (0, ["unlimited"])
    except ConfigError as error:
        said = str(error)
    assert "--ulimit" in said
    assert containers_left() == []


def test_a_missing_data_directory_is_named(container, case_plan, tmp_path):
    (tmp_path / "data" / "one.txt").unlink()
    (tmp_path / "data").rmdir()
    with pytest.raises(CaseCrash, match=f"the data directory {tmp_path}/data does not exist on localhost"), container():
        pass


OPTIONS = [
    "-m 64m --memory-swap -1 --cpus 0.5 --cpuset-cpus 0 --shm-size 2g --oom-score-adj 5 --pids-limit 99",
    "-v /tmp:/a:ro --volume=/tmp:/b --mount type=bind,src=/tmp,dst=/c,readonly --tmpfs /t:size=1m --mount type=tmpfs,dst=/u",
    "--gpus all --ulimit stack=67108864 --ulimit nofile=10:20 --ulimit core=-1",
    "--gpus '\"device=0,1\",capabilities=utility'",
    "--device /dev/null:/dev/n:r --device /dev/zero --device=/dev/full:rw --device-cgroup-rule 'c 195:* rmw' --group-add 44",
    "--cap-add SYS_PTRACE --cap-drop=NET_RAW --security-opt seccomp=unconfined --security-opt no-new-privileges --ipc host",
    "--net=host --pid host --uts host --cgroupns=host --userns host --dns 1.1.1.1 --add-host a:10.0.0.1 --init",
    "--sysctl net.core.somaxconn=99 --privileged --runtime runc",
    "-p 8080:80 -p 127.0.0.1:8081:80/tcp -p 53:53/udp -p 7000-7001:7000-7001 -p 9 -p 127.0.0.1::10 --publish '[::1]:90:90' -P",
    "-itv /tmp:/a -dp 8080:80",
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_are_read_as_dockers_command_line_reads_them(docker_client, base_tag, options):
    asked = ["docker", "create", *shlex.split(options.replace("-dp", "-p")), base_tag]  # create knows no -d
    made = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True)
    create, host = split_create_keys(parse_options(options))
    api = docker_client.api
    ours = api.create_container(base_tag, host_config=api.create_host_config(**host), **create)["Id"]
    theirs = made.stdout.strip()
    try:
        assert comparable(api.inspect_container(ours)["HostConfig"]) == comparable(api.inspect_container(theirs)["HostConfig"])
    finally:
        api.remove_container(ours)
        api.remove_container(theirs)


def comparable(host_config):
    """The host configuration, without order, empty values, and defaults that only the command line writes out."""
    aside = {"ConsoleSize", "ContainerIDFile", "MemorySwappiness", "RestartPolicy"}
    kept = {key: value for key, value in host_config.items() if value and key not in aside}
    kept["Binds"] = sorted(kept.get("Binds", []))
    kept["Ulimits"] = sorted(kept.get("Ulimits", []), key=lambda limit: limit["Name"])
    return json.loads(json.dumps(kept), object_hook=lambda found: {key: value for key, value in found.items() if value})
