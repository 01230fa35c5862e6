"""Files that `ssh -G` names without quotes; the texts are OpenSSH 9.2's."""

import pytest

from tools.errors import ConfigError
from utils.connection.ssh_file_list import told_files, written_files


def told(text, *there, homes=("/home/me",)):
    return told_files(text, homes, {*there}.__contains__)


@pytest.mark.parametrize(
    ("text", "there", "files"),
    [
        ("/a /b", [], ["/a", "/b"]),
        ("/etc/a/my hosts /b", ["/etc/a/my hosts"], ["/etc/a/my hosts", "/b"]),
        ("/b ~/my old hosts", ["~/my old hosts"], ["/b", "~/my old hosts"]),
        ("/a/two  blanks", ["/a/two  blanks"], ["/a/two  blanks"]),
        ("/a/my hosts", ["/a/my", "/a/my hosts"], ["/a/my hosts"]),
        ("a", [], ["a"]),
        ("none", [], ["none"]),
    ],
)
def test_a_blank_is_part_of_the_name_of_a_file_that_is_there(text, there, files):
    assert told(text, *there) == files


def test_a_blank_of_the_home_separates_no_files_whether_they_are_there_or_not():
    text = "/home/my name/.ssh/known_hosts /home/my name/.ssh/known_hosts2"
    assert told(text, homes=["/home/my name"]) == ["/home/my name/.ssh/known_hosts", "/home/my name/.ssh/known_hosts2"]


@pytest.mark.parametrize(
    ("text", "there"),
    [("/a/my hosts", []), ("/a/my hosts", ["/a/my"]), ("/a/my hosts", ["/a/my", "hosts", "/a/my hosts"]), ("/a /b", ["/a /b"])],
)
def test_a_blank_of_which_nothing_tells_what_it_is_is_refused(text, there):
    with pytest.raises(
        ConfigError, match=f"whether '{text}' is one file of known hosts or several; name .* or set SSH_KNOWN_HOSTS"
    ):
        told(text, *there)


def test_a_configuration_has_quotes_around_a_name_with_a_blank():
    assert written_files("\"/a/my hosts\" /b '/c d'") == ["/a/my hosts", "/b", "/c d"]
