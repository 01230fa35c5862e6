"""What only SSH has: keys, host keys, lost connections."""

import os
import shutil
import socket
import subprocess
import threading
import time

import psutil
import pytest
import services
from ssh_fixtures import behind_a_relay, free_port, make_key, start_sshd, waited_for

from tools.errors import HostError
from utils.connection import connect
from utils.connection.base import LinkLost

NOTICE_SECONDS = 15.0
"""Ten, in which a cut network must be noticed whatever lies in between, and a slow machine's."""


@pytest.fixture
def ssh(sshd):
    with connect(sshd.target) as opened:
        yield opened


def refusal(target):
    with pytest.raises(HostError) as error:
        connect(target).close()
    return str(error.value)


def test_an_unknown_host_key_is_shown_as_openssh_shows_it(sshd, tmp_path):
    message = refusal(sshd.target_with(known_hosts=str(tmp_path / "none")))
    assert sshd.fingerprint in message
    assert "SSH_TRUST_FIRST_USE: true" in message


def test_a_key_that_an_agent_holds_is_enough(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    agent = services.start(["ssh-agent", "-D", "-a", tmp_path / "agent"], tmp_path / "agent.log")
    try:
        while not (tmp_path / "agent").exists():
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", sshd.user_key], check=True, timeout=20, stderr=subprocess.DEVNULL)
        with connect(sshd.target_with(key=None)) as connection:
            assert connection.run(["true"], timeout=20).status == 0
    finally:
        agent.kill()
        agent.wait()


def test_trusted_on_first_use_a_host_is_checked_ever_after(tmp_path):
    known_hosts = tmp_path / "known_hosts"
    first = start_sshd(tmp_path)
    known_hosts.unlink()
    try:
        for _ in range(2):
            connect(first.target_with(trust_first_use=True)).close()
        assert len(known_hosts.read_text().splitlines()) == 1
        remembered = known_hosts.read_text()
    finally:
        first.stop()
    (tmp_path / "host_key").unlink()
    second = start_sshd(tmp_path, first.port)
    known_hosts.write_text(remembered)
    try:
        message = refusal(second.target_with(trust_first_use=True))
    finally:
        second.stop()
    assert "has changed" in message
    assert f"{known_hosts}:1" in message


def test_a_wrong_key_s_message_names_user_key_and_remedy(sshd, tmp_path):
    key = make_key(tmp_path / "wrong")
    message = refusal(sshd.target_with(key=str(key)))
    assert f"does not let {sshd.target.user} in" in message
    for words in (str(key), "SSH_USER", "SSH_KEY"):
        assert words in message


def test_a_file_that_is_no_key_is_a_host_error(sshd, tmp_path):
    (tmp_path / "noise").write_text("not a key")
    assert "127.0.0.1" in refusal(sshd.target_with(key=str(tmp_path / "noise")))


def test_a_key_with_a_passphrase_asks_for_an_agent(sshd, tmp_path):
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    assert "ssh-add" in refusal(sshd.target_with(key=str(key)))


def test_an_unknown_user_is_not_let_in(sshd):
    assert "does not let nobody-here in" in refusal(sshd.target_with(user="nobody-here"))


def test_a_closed_port_is_named(sshd):
    port = free_port()
    assert f"127.0.0.1:{port}: nothing listens there" in refusal(sshd.target_with(port=port))


def test_a_name_that_cannot_be_resolved_is_named(sshd):
    assert "host.invalid cannot be resolved" in refusal(sshd.target_with(host="host.invalid"))


def test_what_is_no_sshd_is_a_host_error(sshd):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"HTTP/1.0 400 Bad\r\n" * 200), daemon=True).start()
        assert "SSH failed" in refusal(sshd.target_with(port=server.getsockname()[1]))


def test_a_proxy_command_leads_to_the_host_and_ends_with_the_connection(sshd, tmp_path, monkeypatch):
    relay = behind_a_relay(tmp_path, "behind", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with connect(sshd.target_with(host="behind")) as behind:
        assert behind.run(["echo", "hi"], timeout=20).stdout == "hi\n"
    assert not [p for p in psutil.Process().children() if str(relay) in p.cmdline()]


def test_a_host_without_python3_says_so(sshd, monkeypatch):
    with connect(sshd.target) as ssh:
        monkeypatch.setattr(ssh, "python", "python3-is-not-here", raising=False)
        with pytest.raises(HostError, match=r"cannot be started .*install python3"):
            ssh.run(["true"], timeout=20)


def test_a_session_that_is_killed_is_a_lost_host(tmp_path):
    server = start_sshd(tmp_path)
    try:
        with connect(server.target) as ssh:
            sessions = psutil.Process(server.process.pid).children
            with pytest.raises(HostError, match="lost"):
                ssh.run(["sh", "-c", "echo up; sleep 60"], timeout=60, on_line=lambda _: [each.kill() for each in sessions()])
            with pytest.raises(HostError, match="lost"):
                ssh.run(["true"], timeout=60)
    finally:
        server.stop()


def seconds_until_lost(ssh):
    began = time.monotonic()
    with pytest.raises(LinkLost):
        ssh.run(["sleep", "60"], timeout=100)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables"), reason="a partition needs root and iptables")
def test_a_partition_is_noticed_in_time(tmp_path):
    server = start_sshd(tmp_path)
    rules = [["INPUT", "-p", "tcp", side, str(server.port), "-j", "DROP"] for side in ("--dport", "--sport")]
    try:
        with connect(server.target) as ssh:
            ssh.run(["true"], timeout=20)
            for rule in rules:
                services.afterwards("iptables", "-w", "-D", *rule)
                subprocess.run(["iptables", "-w", "-I", *rule], check=True)
            assert seconds_until_lost(ssh) < NOTICE_SECONDS
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-D", *rule], check=False)
        server.stop()


@pytest.mark.slow
def test_a_partition_behind_a_proxy_command_is_noticed_in_time(sshd, tmp_path, monkeypatch):
    relay = behind_a_relay(tmp_path, "behind", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with connect(sshd.target_with(host="behind")) as ssh:
        relay.with_name("relay.py.cut").touch()
        assert seconds_until_lost(ssh) < NOTICE_SECONDS
        relay.with_name("relay.py.cut").unlink()
        ssh.reach()
        assert ssh.run(["echo", "hi"], timeout=20).stdout == "hi\n"


@pytest.mark.slow
def test_a_frozen_sshd_is_noticed_in_time_and_one_that_has_nothing_to_say_is_not_taken_for_it(tmp_path):
    server = start_sshd(tmp_path)
    statuses = []
    try:
        with connect(server.target) as frozen:
            [session] = psutil.Process(server.process.pid).children()
            session.suspend()
            with connect(server.target) as silent:
                idle = threading.Thread(target=lambda: statuses.append(silent.run(["sleep", "9"], timeout=30).status))
                idle.start()
                assert seconds_until_lost(frozen) < NOTICE_SECONDS
                frozen.reach()
                idle.join()
            session.kill()
    finally:
        server.stop()
    assert statuses == [0]


def refused(command):
    with pytest.raises(HostError):
        command()


def test_a_session_that_is_cut_ends_its_commands_on_the_host(sshd):
    mark = f"{4000 + os.getpid() % 1000}.25"

    def runs():
        return any(mark in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))

    with connect(sshd.target) as ssh:
        asked = threading.Thread(target=lambda: refused(lambda: ssh.run(["sleep", mark], timeout=60)))
        asked.start()
        assert waited_for(runs)
        for session in psutil.Process(sshd.process.pid).children():
            session.kill()
        asked.join(60)
    assert waited_for(lambda: not runs())
