"""What ~/.ssh/config and a HostTarget make of a login."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tools.errors import ConfigError
from utils.connection.ssh_agent import public_blob
from utils.connection.ssh_proxy import open_proxy
from utils.connection.ssh_target import resolve
from utils.plan import HostTarget


def address(login):
    return f"{login.user}@{login.host}:{login.port}"


@pytest.fixture(params=["openssh", "paramiko"])
def client(request, monkeypatch):
    """Who reads the configuration."""
    if request.param == "paramiko":
        monkeypatch.setattr("utils.connection.ssh_config.shutil.which", lambda _: None)
    elif not shutil.which("ssh"):
        pytest.skip("needs OpenSSH's client")
    return request.param


@pytest.fixture
def config(tmp_path, monkeypatch, client):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()

    def write(text):
        (tmp_path / ".ssh" / "config").write_text(text)
        return tmp_path / ".ssh"

    return write


def test_the_configuration_completes_what_the_target_leaves_open(config):
    folder = config("Host node\n  HostName 10.0.0.7\n  User me\n  Port 2222\n  IdentityFile ~/.ssh/special\n")
    (folder / "special").touch()
    login = resolve(HostTarget("node", 0, True))
    assert address(login) == "me@10.0.0.7:2222"
    assert login.keys == (str(folder / "special"),)


def test_the_target_s_own_values_win(config):
    folder = config("Host node\n  User me\n  Port 2222\n  IdentityFile ~/.ssh/special\n")
    (folder / "mine").touch()
    login = resolve(HostTarget("node", 0, True, port=2200, user="you", key="~/.ssh/mine"))
    assert (address(login), login.keys) == ("you@node:2200", (str(folder / "mine"),))


def test_without_a_configuration_the_target_stands_alone(tmp_path, monkeypatch, client):
    monkeypatch.setenv("HOME", str(tmp_path))
    login = resolve(HostTarget("node", 0, True, user="me"))
    assert (address(login), login.keys, login.proxy) == ("me@node:22", (), ())
    assert str(login.known_hosts.new) == f"{tmp_path}/.ssh/known_hosts"
    assert [str(file) for file in login.known_hosts.files] == [
        *(f"{tmp_path}/.ssh/known_hosts{number}" for number in ("", "2")),
        *(f"/etc/ssh/ssh_known_hosts{number}" for number in ("", "2")),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a home that is closed to it: as another user")
def test_a_home_that_is_closed_to_the_user_has_no_configuration(config):
    folder = config("Host node\n  User me\n")
    folder.chmod(0o700)
    os.seteuid(54321)
    try:
        login = resolve(HostTarget("node", 0, True, user="you"))
    finally:
        os.seteuid(0)
    assert (address(login), login.keys) == ("you@node:22", ())


def test_a_proxy_command_is_the_user_s_shell_s(config, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/sh")
    config("Host node\n  ProxyCommand ~/relay -X 'a b' %h %p # 2>/dev/null\n")
    proxy = resolve(HostTarget("node", 0, True, port=2200)).proxy
    assert proxy == ("/bin/sh", "-c", "exec ~/relay -X 'a b' node 2200 # 2>/dev/null")


def test_what_a_shell_would_read_is_no_part_of_a_proxy_command(config):
    config("Host node\n  ProxyCommand nc %r\n")
    with pytest.raises(ConfigError, match=r"cannot stand for %r in ProxyCommand|invalid characters"):
        resolve(HostTarget("node", 0, True, user="me;id"))


@pytest.mark.parametrize("text", ["ProxyCommand none", "ProxyJump none", "ProxyCommand None\n  ProxyJump none"])
def test_none_is_no_proxy(config, text):
    config(f"Host node\n  {text}\n")
    assert resolve(HostTarget("node", 0, True)).proxy == ()


def test_a_comment_is_no_part_of_a_value(config):
    folder = config(
        'Host node # a b\n  HostName 10.0.0.5 # rack 3\n  Port 2222 #x\n  User "me" # "you"\n  IdentityFile ~/.ssh/a#b # c\n'
    )
    (folder / "a#b").touch()
    login = resolve(HostTarget("node", 0, True))
    assert (address(login), login.keys) == ("me@10.0.0.5:2222", (str(folder / "a#b"),))


def test_keys_and_known_hosts_are_those_of_the_configuration(config, monkeypatch):
    lines = ["IdentityFile ~/.ssh/%h", "IdentityFile %d/.ssh/%r", "IdentitiesOnly yes", "UserKnownHostsFile ~/.ssh/a /b"]
    lines += ["GlobalKnownHostsFile none", "HostKeyAlias rack", "ConnectTimeout 3", "IdentityAgent ~/.ssh/agent"]
    folder = config("Host node\n  HostName far\n  User me\n  " + "\n  ".join(lines) + "\n")
    for name in ("far", "me"):
        (folder / name).touch()
    login = resolve(HostTarget("node", 0, True))
    assert login.keys == (str(folder / "far"), str(folder / "me"))
    assert (login.only_keys, login.agent, login.connect_seconds) == (True, str(folder / "agent"), 3.0)
    known = login.known_hosts
    assert (list(map(str, known.files)), known.new, known.name.listed) == ([f"{folder}/a", "/b"], folder / "a", "rack")


def test_names_of_files_may_have_blanks(config, tmp_path):
    files = [tmp_path / f"my {name}" for name in ("hosts", "own hosts", "system")]
    key = tmp_path / "my key"
    for file in (*files, key):
        file.touch()
    lines = [f'UserKnownHostsFile "{files[0]}" "{files[1]}"', f'GlobalKnownHostsFile = "{files[2]}" /b', f'IdentityFile "{key}"']
    lines += [f'IdentityAgent "{tmp_path}/my agent"', f'RevokedHostKeys "{tmp_path}/my revoked"']
    config("Host node\n  " + "\n  ".join(lines) + "\n")
    login = resolve(HostTarget("node", 0, True))
    assert list(map(str, login.known_hosts.files)) == [*map(str, files), "/b"]
    assert (login.keys, login.agent) == ((str(key),), f"{tmp_path}/my agent")
    assert login.known_hosts.revoked == tmp_path / "my revoked"


def test_a_configuration_and_the_names_in_it_may_be_of_any_encoding(config):
    folder = config("")
    (folder / "config").write_bytes(b"# \xe9\nHost node\n  IdentityFile ~/.ssh/\xe9\n")
    (folder / os.fsdecode(b"\xe9")).touch()
    assert resolve(HostTarget("node", 0, True)).keys == (str(folder / os.fsdecode(b"\xe9")),)


def test_a_public_key_s_comment_may_be_of_any_encoding(tmp_path):
    (tmp_path / "key.pub").write_bytes(b"ssh-ed25519 AAAA \xe9\n")
    assert public_blob(tmp_path / "key") == b"\0\0\0"


def test_known_hosts_of_the_target_stand_for_files_that_cannot_be_told_apart(config, tmp_path, client):
    config(f'Host node\n  UserKnownHostsFile "{tmp_path}/not there"\n')
    if client == "openssh":
        with pytest.raises(ConfigError, match="set SSH_KNOWN_HOSTS"):
            resolve(HostTarget("node", 0, True))
    assert resolve(HostTarget("node", 0, True, known_hosts="/a b")).known_hosts.files[0] == Path("/a b")


@pytest.mark.parametrize(("told", "agent"), [("", "/one"), ("SSH_AUTH_SOCK", "/one"), ("$TWO", "/two"), ("none", None)])
def test_the_agent_is_the_one_that_is_named(config, monkeypatch, told, agent):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/one")
    monkeypatch.setenv("TWO", "/two")
    config(f"Host node\n  {told and 'IdentityAgent ' + told}\n")
    assert resolve(HostTarget("node", 0, True)).agent == agent


@pytest.mark.parametrize(("told", "trusts"), [("", False), ("yes", False), ("ask", False), ("accept-new", True), ("no", True)])
def test_a_new_host_is_trusted_where_the_configuration_says_so(config, told, trusts):
    config(f"Host node\n  {told and 'StrictHostKeyChecking ' + told}\n")
    assert resolve(HostTarget("node", 0, True)).trust_first_use is trusts


def test_what_is_included_counts(config, client, caplog, monkeypatch):
    folder = config("Include more\nHost node\n  User me\n")
    (folder / "more").write_text("Host node\n  HostName 10.0.0.7\n")
    logged = []
    monkeypatch.setattr("utils.connection.ssh_config.logger.warning", lambda *words: logged.append(words[0]))
    assert resolve(HostTarget("node", 0, True)).host == {"openssh": "10.0.0.7", "paramiko": "node"}[client]
    assert (
        logged == {"openssh": [], "paramiko": ["{}: Include is not read where OpenSSH's client (ssh) is not installed"]}[client]
    )


def test_a_client_that_cannot_be_asked_is_not(config, tmp_path, monkeypatch):
    config("Host node\n  HostName 10.0.0.7\n")
    old = tmp_path / "ssh"
    old.write_text("#!/bin/sh\necho 'unknown option -- G\nusage: ssh' >&2\nexit 255\n")
    old.chmod(0o755)
    monkeypatch.setattr("utils.connection.ssh_config.shutil.which", lambda _: str(old))
    assert resolve(HostTarget("node", 0, True)).host == "10.0.0.7"


def test_a_configuration_that_hangs_is_left_with_all_that_it_began(tmp_path, monkeypatch):
    hanging = tmp_path / "ssh"
    hanging.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\nwait\n")
    hanging.chmod(0o755)
    monkeypatch.setattr("utils.connection.ssh_config.shutil.which", lambda _: str(hanging))
    monkeypatch.setattr("utils.connection.ssh_config.ASK_SECONDS", 1.0)
    with pytest.raises(ConfigError, match="did not end within 1 s; does a `Match exec`"):
        resolve(HostTarget("node", 0, True))
    assert ended(int((tmp_path / "pid").read_text()))


def ended(pid):
    """Whether a process has ended by now, or does so in a moment; its parent may not have noticed."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for _ in range(1000):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            os.sched_yield()
        return False
    return True


def test_a_proxy_command_is_not_given_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELMARK_SSH_PASSWORD", "secret")
    stream = open_proxy("far", ["sh", "-c", "echo =$ACCELMARK_SSH_PASSWORD="])
    assert stream.recv(100) == b"==\n"
    stream.close()


def test_several_jumps_go_through_openssh_s_own_client(config):
    config("Host node\n  ProxyJump one,me@two:2200\n")
    proxy = resolve(HostTarget("node", 0, True)).proxy
    assert proxy[0] == "ssh"
    assert proxy[-5:] == ("-J", "one", "-W", "[node]:22", "ssh://me@two:2200")
    assert "ConnectTimeout=10" in proxy


def test_a_jump_may_take_as_long_as_the_configuration_says(config):
    config("Host node\n  ProxyJump gate\nHost *\n  ConnectTimeout 1m30s\n")
    assert "ConnectTimeout=90" in resolve(HostTarget("node", 0, True)).proxy


def test_a_key_that_is_not_there_is_a_configuration_error(config):
    config("")
    with pytest.raises(ConfigError, match=r"SSH_KEY: /no/such/key"):
        resolve(HostTarget("node", 0, True, key="/no/such/key"))


def test_a_configuration_that_cannot_be_read_is_named(config):
    folder = config("Host node\n  Port many\n")
    with pytest.raises(ConfigError, match=str(folder / "config")):
        resolve(HostTarget("node", 0, True))


@pytest.mark.parametrize(("text", "seconds"), [("3", 3.0), ("1m30s", 90.0), ("0", 10.0)])
def test_the_time_for_connecting_is_the_configuration_s(config, text, seconds):
    config(f"Host node\n  ConnectTimeout {text}\n")
    assert resolve(HostTarget("node", 0, True)).connect_seconds == seconds


def test_a_time_for_connecting_that_is_none_is_a_configuration_error(config):
    config("Host node\n  ConnectTimeout soon\n")
    with pytest.raises(ConfigError):
        resolve(HostTarget("node", 0, True))
