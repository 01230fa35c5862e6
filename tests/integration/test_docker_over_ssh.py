"""Docker's engine on another host, through the connection: streams, half-closed streams, uploads, and why there is none."""

import io
import os
import socket
import tarfile
import threading
from contextlib import ExitStack
from pathlib import Path

import docker
import psutil
import pytest
from own_process import alone
from ssh_fixtures import start_sshd, waited_for

from tools.errors import HostError
from utils.connection import connect
from utils.connection.base import EngineLost
from utils.connection.engine import NoSession
from utils.plan import HostTarget
from utils.runtime.engine import engine_errors


@pytest.fixture
def target(sshd_with_engine):
    return sshd_with_engine.target


@pytest.mark.docker
@alone
def test_closed_a_connection_leaves_no_threads_and_no_files(target):
    connect(target).close()  # what is imported and cached for good
    threads, files = threading.active_count(), psutil.Process().num_fds()
    ssh = connect(target)
    ssh.run(["echo", "x"], timeout=20, on_line=lambda line: None)
    ssh.docker().version()
    ssh.close()
    ssh.close()
    assert waited_for(lambda: threading.active_count() <= threads and psutil.Process().num_fds() <= files)
    with pytest.raises(HostError, match="closed"):
        ssh.run(["true"], timeout=20)


@pytest.fixture
def talkative(tmp_path):
    """A host whose users are greeted in their ~/.bashrc, on both streams."""
    (tmp_path / ".bashrc").write_text("echo Welcome\necho to the lab >&2\n")
    server = start_sshd(tmp_path, variables=f"HOME={tmp_path} BASH_ENV={tmp_path}/.bashrc")
    with connect(server.target) as opened:
        yield opened
    server.stop()


def test_a_greeting_is_no_part_of_a_command_s_output(talkative, tmp_path):
    done = talkative.run(["sh", "-c", "echo out; echo error >&2"], timeout=20)
    assert (done.stdout, done.stderr) == ("out\n", "error\n")
    (tmp_path / "source").mkdir()
    assert talkative.get_tree(str(tmp_path / "source"), tmp_path / "copy") == []


@pytest.mark.docker
def test_a_greeting_is_no_part_of_the_engine_s_answer(docker_engine, talkative):
    assert talkative.docker().ping()


@pytest.fixture
def far(sshd_with_engine):
    with connect(sshd_with_engine.target) as opened:
        yield opened


@pytest.fixture
def container(far, base_tag):
    engine = far.docker().containers
    made = engine.create(base_tag, ["sleep", "300"], init=True, network_mode="none", name=f"connection-test-{os.getpid()}")
    try:
        made.start()
        yield made
    finally:
        made.remove(force=True)


@pytest.mark.docker
def test_the_host_s_engine_is_the_one_that_answers(far):
    here = docker.from_env()
    assert far.docker().info()["ID"] == here.info()["ID"]
    assert far.docker() is far.docker()
    here.close()


@pytest.mark.docker
def test_a_container_runs_and_its_output_comes_back(far, base_tag):
    assert far.docker().containers.run(base_tag, ["python3", "-c", "print(6 * 7)"], remove=True, network_mode="none") == b"42\n"


@pytest.mark.docker
def test_what_is_executed_streams(far, container):
    script = "echo 0; until [ -e /heard ]; do sleep 0.05; done; echo 1"
    stream = container.exec_run(["timeout", "60", "sh", "-c", script], stream=True).output
    assert next(stream) == b"0\n"
    container.exec_run(["touch", "/heard"])
    assert b"".join(stream) == b"1\n"


@pytest.mark.docker
def test_a_half_closed_stdin_still_gets_its_answer(far, container):
    engine = far.docker().api
    count = "import sys; print(len(sys.stdin.buffer.read()))"
    started = engine.exec_create(container.id, ["python3", "-c", count], stdin=True)["Id"]
    stream = engine.exec_start(started, socket=True)._sock
    stream.sendall(b"x" * 1_000_000)
    stream.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert b"1000000" in answer
    stream.close()


@pytest.mark.docker
def test_a_context_of_some_megabytes_is_built(far, base_tag):
    data = os.urandom(5_000_000)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in (("Dockerfile", f"FROM {base_tag}\nCOPY data /data\n".encode()), ("data", data)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    image, _ = far.docker().images.build(fileobj=context, custom_context=True, rm=True)
    try:
        assert (
            far.docker().containers.run(image.id, ["stat", "-c", "%s", "/data"], remove=True, network_mode="none") == b"5000000\n"
        )
    finally:
        far.docker().images.remove(image.id, force=True)


@pytest.mark.docker
def test_logs_follow_and_wait_run_side_by_side_to_the_end(far, base_tag):
    script = "import time\nfor i in range(3): print(i, flush=True); time.sleep(0.3)\nraise SystemExit(7)"
    container = far.docker().containers.run(base_tag, ["python3", "-c", script], detach=True, network_mode="none")
    try:
        lines = []
        follower = threading.Thread(target=lambda: lines.extend(container.logs(stream=True, follow=True)))
        follower.start()
        assert container.wait(timeout=30)["StatusCode"] == 7
        follower.join(60)
        assert b"".join(lines) == b"0\n1\n2\n"
    finally:
        container.remove(force=True)


@pytest.fixture
def container_id(container):
    return container.id


@pytest.mark.docker
@alone
def test_following_a_silent_container_ends_when_we_stop_listening(target, container_id):
    with connect(target) as far:
        container = far.docker().containers.get(container_id)
        before = threading.active_count()
        stream = container.logs(stream=True, follow=True)
        threading.Timer(0.5, stream.close).start()
        assert list(stream) == []
        assert waited_for(lambda: threading.active_count() <= before)


@pytest.mark.docker
def test_more_streams_than_one_login_allows_are_open_at_a_time(far, container):
    started = [container.exec_run(["sh", "-c", "echo up; sleep 200"], stream=True).output for _ in range(14)]
    assert [next(stream) for stream in started] == [b"up\n"] * 14


@pytest.mark.docker
def test_where_sshd_refuses_another_session_the_engine_is_not_blamed(docker_engine, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.connection.ssh_pool.MOST_LOGINS", 1)
    server, said = (
        start_sshd(tmp_path, sessions=4),
        "127.0.0.1: sshd refuses a session .*sshd allows no more sessions.*MaxSessions",
    )
    try:
        with connect(server.target) as far, ExitStack() as streams:
            api = far.docker().api
            with pytest.raises(EngineLost, match=said), engine_errors(far.host):
                [streams.callback(api.events().close) for _ in range(4)]
            with pytest.raises(EngineLost, match=said), engine_errors(far.host):
                api.create_container("x" * 1_000_000)
            with pytest.raises(EngineLost, match=said):
                far.reach_engine()
            streams.close()
            assert waited_for(lambda: answers(api))
    finally:
        server.stop()


def answers(api):
    try:
        return bool(api.version())
    except NoSession:
        return False


@pytest.mark.parametrize("over_ssh", [False, True])
def test_without_an_engine_the_error_says_who_and_what_to_do(sshd, monkeypatch, over_ssh):
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    with connect(sshd.target if over_ssh else HostTarget("localhost", 0, False)) as connection:
        if over_ssh:
            execute = connection._execute
            without = ["env", "DOCKER_HOST=unix:///no/such.sock"]
            monkeypatch.setattr(connection, "_execute", lambda argv, *cancelled: execute([*without, *argv], *cancelled))
        with pytest.raises(HostError, match="no Docker engine answers on") as error:
            connection.docker()
    assert "systemctl start docker" in str(error.value)


@pytest.mark.docker
def test_the_engine_s_socket_is_private(far):
    far.docker()
    folder = Path(far._tunnel.url.removeprefix("unix://")).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    far.close()
    assert not folder.exists()
