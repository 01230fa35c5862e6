"""Files of known hosts, each asked of OpenSSH's own client and of ours: both let the same ones in."""

import shutil
import subprocess

import pytest
from ssh_fixtures import make_key

from tools.errors import HostError
from utils.connection import connect

TRUSTED = {
    "with its port": "[127.0.0.1]:{port} {key}",
    "without a port": "127.0.0.1 {key}",
    "a pattern": "127.0.0.? {key}",
    "a pattern with a port": "[127.*]:* {key}",
    "one name of several": "other,[127.0.0.1]:{port} {key} a comment",
    "tabs": "[127.0.0.1]:{port}\t{tabbed}",
    "indented": "  [127.0.0.1]:{port} {key}",
    "several blanks": "[127.0.0.1]:{port}   {key}",
    "a carriage return": "[127.0.0.1]:{port} {key}\r",
    "no end of line": "# comment\n\n[127.0.0.1]:{port} {key}",
    "after a broken line": "other ssh-ed25519 AAAA%%%\nother ssh-rsa\n@what * {key}\nother ssh-ed25519 AAAAC3Nz\n127.0.0.1 {key}",
    "after another key": "[127.0.0.1]:{port} {other}\n[127.0.0.1]:{port} {key}",
    "beside another host's": "127.0.0.1 {other}\n[127.0.0.1]:{port} {key}",
}
MISTRUSTED = {
    "nothing": "",
    "another port": "[127.0.0.1]:1 {key}",
    "another host": "localhost {key}",
    "an exception": "127.*,!127.0.0.1 {key}",
    "another key": "[127.0.0.1]:{port} {other}",
    "another key without a port": "127.0.0.1 {other}",
    "another kind of key": "127.0.0.1 ssh-rsa {text}",
    "no kind": "127.0.0.1 {text}",
    "a comment": "#127.0.0.1 {key}",
    "an unknown marker": "@trusted 127.0.0.1 {key}",
    "revoked": "[127.0.0.1]:{port} {key}\n@revoked * {key}",
    "an authority": "@cert-authority * {key}",
}
STRICTER = {
    "revoked, and a tab": "[127.0.0.1]:{port} {key}\n@revoked\t* {key}",
    "revoked without its port": "[127.0.0.1]:{port} {key}\n@revoked 127.0.0.1 {key}",
}
"""Where OpenSSH's client lets a host in whose key the user has revoked."""


@pytest.fixture
def write(sshd, tmp_path):
    key = " ".join((sshd.folder / "host_key.pub").read_text().split()[:2])
    other = " ".join(make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])

    def write(text):
        values = {"port": sshd.port, "key": key, "other": other, "text": key.split()[1], "tabbed": key.replace(" ", "\t")}
        file = tmp_path / "known_hosts"
        file.write_bytes(text.format(**values).encode())
        return file

    return write


def ours(sshd, file):
    try:
        connect(sshd.target_with(known_hosts=str(file))).close()
    except HostError as error:
        return False if any(word in str(error) for word in ("unknown", "has changed", "revoked")) else str(error)
    return True


def theirs(sshd, file):
    options = [f"UserKnownHostsFile={file}", "GlobalKnownHostsFile=none", "StrictHostKeyChecking=yes", "BatchMode=yes"]
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", "-F", "none", *words, "-i", sshd.user_key, "-p", str(sshd.port), "127.0.0.1", "true"]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False).returncode == 0


def cases(trusted, table):
    return [pytest.param(text, trusted, id=name.replace(" ", "-")) for name, text in table.items()]


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs OpenSSH's client")
@pytest.mark.parametrize(("text", "trusted"), [*cases(True, TRUSTED), *cases(False, MISTRUSTED)])
def test_a_host_is_trusted_as_openssh_trusts_it(sshd, write, text, trusted):
    file = write(text)
    assert (ours(sshd, file), theirs(sshd, file)) == (trusted, trusted)


@pytest.mark.parametrize(("text", "trusted"), cases(False, STRICTER))
def test_a_key_that_was_revoked_in_any_way_is_not_trusted(sshd, write, text, trusted):
    assert ours(sshd, write(text)) == trusted


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs OpenSSH's client")
def test_a_folder_in_place_of_a_file_is_passed_over(sshd, tmp_path):
    assert (ours(sshd, tmp_path), theirs(sshd, tmp_path)) == (False, False)


def test_a_hashed_name_is_found_with_and_without_its_port(sshd, write):
    for text in ("[127.0.0.1]:{port} {key}\n", "127.0.0.1 {key}\n"):
        file = write(text)
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
        assert "127.0.0.1" not in file.read_text()
        assert (ours(sshd, file), theirs(sshd, file)) == (True, True)
