"""What a host's own Python says of it."""

import sys

import pytest

from tools.errors import CommandError
from utils.connection.base import Completed
from utils.connection.local import LocalConnection
from utils.probe import ask


class FakeConnection:
    """A host whose Python ends with a status and says something."""

    host, is_local, python = "node2", False, "python3"

    def __init__(self, status, stderr):
        self._status, self._stderr = status, stderr

    def run(self, argv, **more):
        return Completed(tuple(argv), self._status, "", self._stderr)


@pytest.fixture
def here():
    with LocalConnection("localhost") as connection:
        yield connection


def test_it_tells_what_is_there_without_importing_it(here, tmp_path):
    file = tmp_path / "file"
    file.touch()
    answer = ask(here, needs={str(file): False, f"{file}x": False, str(tmp_path): True}, modules=["this", "no_such_module"])
    assert answer["there"] == {str(file): True, f"{file}x": False, str(tmp_path): True}
    assert answer["missing"] == ["no_such_module"]
    assert ask(here, needs={str(tmp_path): False, str(file): None})["there"] == {str(tmp_path): False, str(file): True}
    assert tuple(answer["python"]) == sys.version_info[:3]


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(here, tmp_path):
    below = str(tmp_path / "not" / "yet")
    answer = ask(here, room=[str(tmp_path), below])
    assert answer["exists"] == {str(tmp_path): True, below: False}
    assert answer["room"][below] == pytest.approx(answer["room"][str(tmp_path)], rel=0.1)
    assert answer["writable"] == {str(tmp_path): True, below: True}


def test_a_file_in_the_place_of_a_folder_or_above_it_blocks_it(here, tmp_path):
    file = tmp_path / "file"
    file.touch()
    paths = [str(tmp_path), str(tmp_path / "new"), str(file), f"{file}/below"]
    answer = ask(here, room=paths, code=[str(file)])
    assert answer["blocked"] == {str(file): str(file), f"{file}/below": str(file)}
    assert answer["foreign"] == []


def test_a_python_that_cannot_answer_is_an_error_with_the_remedy():
    with pytest.raises(CommandError, match=r"python3 does not run there \(SyntaxError: old\); install python3 \(3\.8 or newer\)"):
        ask(FakeConnection(1, "Traceback\nSyntaxError: old\n"))
