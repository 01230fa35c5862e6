"""Which host keys are trusted, and what is said of those that are not."""

import os
import stat

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.errors import HostError
from utils.connection.known_hosts import HostName, KnownHosts, known_keys


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


def check(file, key=KEY, host="node", port=22, alias=None, first_use=False):
    KnownHosts(HostName(host, port, alias), (file,), file).check(key, trust_first_use=first_use)


def test_only_a_port_other_than_22_is_in_the_name():
    assert (HostName("node", 22).listed, HostName("node", 2222).listed) == ("node", "[node]:2222")


def test_an_alias_stands_for_host_and_port(tmp_path):
    check(known_hosts(tmp_path, line("rack")), host="10.0.0.5", port=2222, alias="rack")


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ("node", "node"),
        ("a,node,b", "node"),
        ("NODE", "Node"),
        ("*.lab,!bad.lab", "good.lab"),
        ("[node]:2222", "[node]:2222"),
        pytest.param(paramiko.HostKeys.hash_host("node"), "node", id="hashed"),
    ],
)
def test_a_line_of_a_host_is_found(tmp_path, names, name):
    assert [known.blob for known in known_keys(name, [known_hosts(tmp_path, line(names))])] == [KEY.asbytes()]


@pytest.mark.parametrize(
    "names", ["nodes", "[node]:2222", "*,!node", "|1|x", pytest.param(paramiko.HostKeys.hash_host("other"), id="hashed")]
)
def test_another_host_s_line_says_nothing(tmp_path, names):
    assert known_keys("node", [known_hosts(tmp_path, line(names))]) == []


def test_a_key_listed_without_the_port_holds_for_each_port(tmp_path):
    check(known_hosts(tmp_path, line("node")), port=2222)


def test_a_host_is_asked_for_the_kinds_of_its_own_keys_and_only_without_any_for_those_listed_without_the_port(tmp_path):
    both = known_hosts(tmp_path, line("node"), f"[node]:2222 ssh-rsa {paramiko.RSAKey.generate(1024).get_base64()}")
    assert KnownHosts(HostName("node", 2222), (both,), both).kinds() == {"ssh-rsa"}
    assert KnownHosts(HostName("node", 22), (both,), both).kinds() == {"ssh-ed25519"}
    assert KnownHosts(HostName("node", 2223), (both,), both).kinds() == {"ssh-ed25519"}


def test_another_key_listed_without_the_port_is_another_server_s(tmp_path):
    file = known_hosts(tmp_path, line("node"))
    with pytest.raises(HostError, match="is unknown"):
        check(file, OTHER, port=2222)
    check(file, OTHER, port=2222, first_use=True)
    assert file.read_text().splitlines() == [line("node"), line("[node]:2222", OTHER)]


def test_an_unknown_key_s_message_has_the_fingerprint_and_both_remedies(tmp_path):
    with pytest.raises(HostError) as error:
        check(tmp_path / "none", port=2222)
    for words in (KEY.fingerprint, "SSH_KNOWN_HOSTS", "ssh-keyscan -p 2222 node", "SSH_TRUST_FIRST_USE: true"):
        assert words in str(error.value)


def test_an_authority_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(HostError, match=r"an authority's key, .*known_hosts:1, cannot be used here"):
        check(known_hosts(tmp_path, "@cert-authority " + line("*")), OTHER)


def test_trust_on_first_use_keeps_the_key_in_a_private_file(tmp_path):
    file = tmp_path / "new" / "known_hosts"
    check(file, first_use=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    check(file)


def test_a_remembered_key_begins_a_line_of_its_own(tmp_path):
    file = known_hosts(tmp_path, line("first"))
    check(file, OTHER, first_use=True)
    assert file.read_text().splitlines() == [line("first"), line("node", OTHER)]


def test_a_changed_key_is_an_error_even_with_trust_on_first_use_and_names_the_line(tmp_path):
    file = known_hosts(tmp_path, "# comment", line("node"))
    with pytest.raises(HostError, match="has changed") as error:
        check(file, OTHER, first_use=True)
    assert f"{file}:2" in str(error.value)


@pytest.mark.parametrize("blank", [" ", "\t", "  "])
@pytest.mark.parametrize("port", [22, 2222])
def test_a_revoked_key_is_never_trusted(tmp_path, blank, port):
    file = known_hosts(tmp_path, line("node"), line("[node]:2222"), f"@revoked{blank}{line('nod*')}")
    with pytest.raises(HostError, match="revoked in .*:3"):
        check(file, port=port, first_use=True)


def test_lines_that_cannot_be_read_are_passed_over(tmp_path):
    broken = ["", "nonsense", "node ssh-ed25519 !!!", "node ssh-ed25519 AAAA", f"other ssh-ed25519 {KEY.get_base64()[:-9]}"]
    file = known_hosts(tmp_path, *broken, line("node").replace("ed25519", "rsa"), "@else " + line("node"), line("node"))
    assert [known.line for known in known_keys("node", [file])] == [8]


def test_a_file_that_cannot_be_read_is_passed_over_and_named(tmp_path):
    (folder := tmp_path / "folder").mkdir()
    hosts = KnownHosts(HostName("node", 22), (folder, known_hosts(tmp_path, line("node"))), folder)
    hosts.check(KEY, trust_first_use=False)
    assert hosts.kinds() == {"ssh-ed25519"}
    with pytest.raises(HostError, match=r"is unknown: .*; not in .*/folder \(cannot be read: Is a directory\)\. "):
        KnownHosts(HostName("other", 22), (folder,), folder).check(KEY, trust_first_use=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that another user may not read")
def test_a_file_that_is_closed_to_the_user_is_passed_over_and_named(tmp_path):
    file = known_hosts(tmp_path, line("node"))
    file.chmod(0o600)
    os.seteuid(54321)
    try:
        with pytest.raises(HostError, match=r"not in .* \(cannot be read: Permission denied\)\. "):
            check(file)
    finally:
        os.seteuid(0)


def revoked_by(tmp_path, content):
    """What becomes of the host's key, which known_hosts has, with a RevokedHostKeys file of this content."""
    file, revoked = known_hosts(tmp_path, line("node")), tmp_path / "revoked_keys"
    revoked.write_bytes(content)
    KnownHosts(HostName("node", 22), (file,), file, revoked).check(KEY, trust_first_use=False)


def test_a_key_of_revoked_host_keys_is_refused_with_its_line(tmp_path):
    with pytest.raises(HostError, match=r"is revoked in .*/revoked_keys:2"):
        revoked_by(tmp_path, f"# lost\n{KEY.get_name()} {KEY.get_base64()} node\n".encode())


def test_another_key_of_revoked_host_keys_says_nothing(tmp_path):
    revoked_by(tmp_path, f"ssh-rsa {paramiko.RSAKey.generate(1024).get_base64()}\n\nno key\n".encode())


def test_revoked_host_keys_that_cannot_be_read_let_no_host_in(tmp_path):
    with pytest.raises(HostError, match="only a text file, a public key a line, can be read here"):
        revoked_by(tmp_path, b"SSHKRL\n\0\0\0\1")
    file = known_hosts(tmp_path, line("node"))
    with pytest.raises(HostError, match="RevokedHostKeys .*nowhere cannot be read: No such file"):
        KnownHosts(HostName("node", 22), (file,), file, tmp_path / "nowhere").check(KEY, trust_first_use=False)
