"""A host that `ssh host` reaches by ~/.ssh/config is reached here, with the same keys and by the same way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import services
from ssh_fixtures import RELAY, make_key, waited_for

from tools.errors import HostError
from utils.connection import connect
from utils.plan import HostTarget

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="needs OpenSSH's client")


@pytest.fixture
def write(sshd, tmp_path, monkeypatch):
    """Write what ~/.ssh/config of a new home includes for the host `far`, beside what it takes to get in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh" / "conf.d").mkdir(parents=True)
    (tmp_path / ".ssh" / "config").write_text(f"Include {tmp_path}/.ssh/conf.d/*\n")
    (tmp_path / "known").write_text(sshd.known_hosts.read_text())

    def write(*lines, key=sshd.user_key):
        common = [
            "HostName 127.0.0.1 # rack 3",
            f"Port {sshd.port}",
            f"IdentityFile {key}",
            f"UserKnownHostsFile {tmp_path}/known",
        ]
        config = "\n  ".join(["Host far", *lines, *common])
        (tmp_path / ".ssh" / "conf.d" / "lab").write_text(f"{config}\n")
        return tmp_path

    return write


def ours():
    with connect(HostTarget("far", 0, True)) as connection:
        return connection.run(["echo", "in"], timeout=30).stdout


def theirs():
    argv = ["ssh", "-F", str(Path("~/.ssh/config").expanduser()), "-o", "BatchMode=yes", "far", "echo in"]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False).stdout


def test_included_settings_lead_to_the_host(write):
    write("ProxyCommand none")
    assert (ours(), theirs()) == ("in\n", "in\n")


def test_a_host_is_known_by_its_alias(write, sshd):
    home = write("HostKeyAlias rack-3")
    (home / "known").write_text(sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port}", "rack-3"))
    assert (ours(), theirs()) == ("in\n", "in\n")


def test_names_of_files_may_have_blanks(write, sshd):
    home = write('UserKnownHostsFile ~/nowhere "%d/nowhere" "${HOME}/my hosts"', key='"${HOME}/my key"')
    (home / "known").rename(home / "my hosts")
    shutil.copy(sshd.user_key, home / "my key")
    assert (ours(), theirs()) == ("in\n", "in\n")


def test_a_file_of_revoked_keys_may_have_a_blank_in_its_name(write, sshd):
    home = write('RevokedHostKeys "${HOME}/my revoked"')
    shutil.copy(sshd.folder / "host_key.pub", home / "my revoked")
    assert theirs() == ""
    with pytest.raises(HostError, match="is revoked in .*/my revoked:1"):
        ours()


def test_files_that_cannot_be_read_are_passed_over(write):
    write("UserKnownHostsFile ${HOME} ${HOME}/known", "GlobalKnownHostsFile /")
    assert (ours(), theirs()) == ("in\n", "in\n")


INSIDE = """
from utils.connection import connect
from utils.plan import HostTarget
with connect(HostTarget("far", 0, True)) as connection:
    print(connection.run(["echo", "in"], timeout=30).stdout, end="")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a user another home: one of this test's processes")
def test_a_home_may_have_a_blank_in_its_name(sshd, tmp_path):
    home, passwd = tmp_path / "my home", tmp_path / "passwd"
    (home / ".ssh").mkdir(parents=True)
    lines = ["HostName 127.0.0.1", f"Port {sshd.port}", 'IdentityFile "~/my key"', "GlobalKnownHostsFile none"]
    (home / ".ssh" / "config").write_text("Host far\n" + "\n".join(lines) + "\n")
    shutil.copy(sshd.known_hosts, home / ".ssh" / "known_hosts")
    shutil.copy(sshd.user_key, home / "my key")
    passwd.write_text(f"root:x:0:0:root:{home}:/bin/sh\n{Path('/etc/passwd').read_text()}")
    within = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
    environment = {**os.environ, "HOME": str(home)}
    for argv in (["ssh", "-o", "BatchMode=yes", "far", "echo in"], [sys.executable, "-c", INSIDE]):
        command = [*within, *argv]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, env=environment)
        assert done.stdout == b"in\n", done.stderr


def test_a_proxy_command_is_read_by_a_shell(write):
    home = write(f"ProxyCommand env PYTHON={sys.executable} sh -c '$PYTHON $0 %h %p' $(echo $HOME/relay) 2>/dev/null")
    (home / "relay").write_text(RELAY)
    assert (ours(), theirs()) == ("in\n", "in\n")


@pytest.fixture
def agent(sshd, tmp_path):
    """The socket of an agent that has the host's key, and before it more than sshd lets anybody try (MaxAuthTries)."""
    path = tmp_path / "agent"
    process = services.start(["ssh-agent", "-D", "-a", path], tmp_path / "agent.log")
    assert waited_for(path.exists)
    strangers = [make_key(tmp_path / f"stranger{number}") for number in range(7)]
    keys = [*strangers, sshd.user_key]
    environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", *keys], check=True, timeout=60, stderr=subprocess.DEVNULL, env=environment)
    yield path
    process.kill()
    process.wait()


@pytest.mark.parametrize("public", [True, False])
def test_of_an_agent_that_the_configuration_names_only_the_keys_that_it_names_are_tried(write, agent, sshd, tmp_path, public):
    key = tmp_path / "locked"
    if public:
        shutil.copy(f"{sshd.user_key}.pub", f"{key}.pub")
    else:
        shutil.copy(sshd.user_key, key)
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", key], check=True, stdout=subprocess.DEVNULL)
    write(f"IdentityAgent {agent}", "IdentitiesOnly yes", key=key)
    assert (ours(), theirs()) == ("in\n", "in\n")
