"""What ~/.ssh/config and a HostTarget make of a login."""

import pytest

from tools.errors import ConfigError
from utils.connection.ssh_login import resolve
from utils.connection.ssh_proxy import open_proxy
from utils.plan import HostTarget


def address(login):
    return f"{login.user}@{login.host}:{login.port}"


@pytest.fixture
def config(tmp_path, monkeypatch):
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


def test_without_a_configuration_the_target_stands_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    login = resolve(HostTarget("node", 0, True, user="me"))
    assert (address(login), login.keys, login.proxy) == ("me@node:22", (), ())
    assert str(login.known_hosts[0]) == f"{tmp_path}/.ssh/known_hosts"


def test_a_proxy_command_is_split_into_words(config):
    config("Host node\n  ProxyCommand nc -X connect 'a b' %h %p\n")
    assert resolve(HostTarget("node", 0, True, port=2200)).proxy == ("nc", "-X", "connect", "a b", "node", "2200")


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


def test_a_key_that_is_not_there_is_a_configuration_error(config):
    config("")
    with pytest.raises(ConfigError, match=r"SSH_KEY: /no/such/key"):
        resolve(HostTarget("node", 0, True, key="/no/such/key"))


def test_a_configuration_that_cannot_be_read_is_named(config):
    folder = config("Host node\n  Port many\n")
    with pytest.raises(ConfigError, match=str(folder / "config")):
        resolve(HostTarget("node", 0, True))
