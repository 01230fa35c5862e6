"""Which host keys are trusted, and what is said of those that are not."""

import stat

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.errors import HostError
from utils.connection.known_hosts import check_key, host_name, known_keys


def new_key():
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    message = paramiko.Message()
    message.add_string("ssh-ed25519")
    message.add_string(public)
    return paramiko.Ed25519Key(data=message.asbytes())


KEY, OTHER = new_key(), new_key()


def known_hosts(tmp_path, *lines):
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(lines))
    return file


def line(names, key=KEY):
    return f"{names} ssh-ed25519 {key.get_base64()}"


def test_only_a_port_other_than_22_is_in_the_name():
    assert (host_name("node", 22), host_name("node", 2222)) == ("node", "[node]:2222")


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ("node", "node"),
        ("a,node,b", "node"),
        ("*.lab,!bad.lab", "good.lab"),
        ("[node]:2222", "[node]:2222"),
        pytest.param(paramiko.HostKeys.hash_host("node"), "node", id="hashed"),
    ],
)
def test_a_known_key_is_trusted(tmp_path, names, name):
    check_key(name, KEY, [known_hosts(tmp_path, line(names))], trust_first_use=False)


@pytest.mark.parametrize(
    "names", ["nodes", "[node]:2222", "*,!node", pytest.param(paramiko.HostKeys.hash_host("other"), id="hashed")]
)
def test_another_host_s_line_says_nothing(tmp_path, names):
    assert known_keys("node", [known_hosts(tmp_path, line(names))]) == []


def test_an_unknown_key_s_message_has_the_fingerprint_and_both_remedies(tmp_path):
    with pytest.raises(HostError) as error:
        check_key("[node]:2222", KEY, [tmp_path / "none"], trust_first_use=False)
    for words in (KEY.fingerprint, "SSH_KNOWN_HOSTS", "ssh-keyscan -p 2222 node", "SSH_TRUST_FIRST_USE: true"):
        assert words in str(error.value)


def test_trust_on_first_use_keeps_the_key_in_a_private_file(tmp_path):
    file = tmp_path / "new" / "known_hosts"
    check_key("node", KEY, [file], trust_first_use=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    check_key("node", KEY, [file], trust_first_use=False)


def test_a_remembered_key_begins_a_line_of_its_own(tmp_path):
    file = known_hosts(tmp_path, line("first"))
    check_key("node", OTHER, [file], trust_first_use=True)
    assert file.read_text().splitlines() == [line("first"), line("node", OTHER)]


def test_a_changed_key_is_an_error_even_with_trust_on_first_use_and_names_the_line(tmp_path):
    file = known_hosts(tmp_path, "# comment", line("node"))
    with pytest.raises(HostError, match="has changed") as error:
        check_key("node", OTHER, [file], trust_first_use=True)
    assert f"{file}:2" in str(error.value)


def test_a_revoked_key_is_never_trusted(tmp_path):
    file = known_hosts(tmp_path, line("node"), "@revoked " + line("*"))
    with pytest.raises(HostError, match="revoked"):
        check_key("node", KEY, [file], trust_first_use=True)


def test_lines_that_cannot_be_read_are_passed_over(tmp_path):
    file = known_hosts(tmp_path, "", "nonsense", "node ssh-ed25519 !!!", "@cert-authority " + line("*", OTHER), line("node"))
    assert [known.line for known in known_keys("node", [file])] == [5]
