"""What `check` says of /dev/shm: the room that data-loading processes need for their batches."""

import pytest
from report_example import make_case, make_plan

from utils import shared_memory
from utils.shared_memory import needed_bytes, too_small

MIB = 2**20
IMAGE = 150_528
"""Values of an image of 224x224."""


def loading(num_workers=4, batch_size=64, input_size=IMAGE):
    keys = {"num_workers": num_workers, "batch_size": batch_size, "input_size": input_size}
    return make_case(config={key: {"value": value, "origin": "default"} for key, value in keys.items()})


@pytest.fixture
def said(monkeypatch):
    """A function that asks of a plan, on a host whose own /dev/shm has one MiB."""
    monkeypatch.setattr(shared_memory, "ask", lambda host, room: {"room": dict.fromkeys(room, MIB)})

    def of(options="", runtime="docker", shm_size=None, **keys):
        plan = make_plan(cases=(loading(**keys),), runtime=runtime, container_options=options, shm_size=shm_size)
        return list(too_small(plan, None))

    return of


def test_two_batches_of_each_worker_and_the_one_in_use_are_needed():
    assert needed_bytes(loading(num_workers=4, batch_size=64)) == 9 * 64 * IMAGE * 4


def test_dockers_default_is_too_small_for_four_workers_and_batches_of_64(said):
    need = "num_workers 4 with batch_size 64 may need 331 MiB of /dev/shm, where there are 64 MiB"
    assert said() == [f"resnet50:pytorch_2.13: {need}; set a larger SHM_SIZE, or lower num_workers (0 needs none)"]
    assert said(shm_size="330M")
    assert said("--shm-size 100m", shm_size="2G")


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ("", {"shm_size": "332M"}),
        ("--shm-size 1g", {}),
        ("", {"num_workers": 0}),
        ("", {"input_size": None}),
        ("", {"batch_size": 4}),
        ("--ipc container:other", {}),
        ("--tmpfs /dev/shm:size=1g", {}),
        ("-v /dev/shm:/dev/shm", {}),
        ("--mount type=tmpfs,target=/dev/shm", {}),
        ("--nonsense", {}),
    ],
)
def test_where_there_is_room_or_nobody_can_tell_nothing_is_said(said, options, keys):
    assert said(options, **keys) == []


@pytest.mark.parametrize(("options", "runtime"), [("--ipc host", "docker"), ("", "process")])
def test_a_guest_that_uses_the_host_s_own_is_held_to_what_is_free_there(said, options, runtime):
    [text] = said(options, runtime)
    assert "where there are 1 MiB" in text


def test_as_a_process_there_is_no_shm_size_to_set(said):
    assert "; make it larger (mount -o remount,size=…), or lower num_workers" in said(runtime="process")[0]
