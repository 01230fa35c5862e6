"""Limits that an engine does not enforce, and privileges that a container is not given."""

import pytest

from utils.runtime.hardening import DROPPED, hardened
from utils.runtime.limits import is_rootless, not_enforced


class FakeEngine:
    """An engine that says what it is told to."""

    def __init__(self, info, taken=None, seen=""):
        self._info, self._taken, self._seen = info, taken or {}, seen

    def info(self):
        return self._info

    def inspect_container(self, container):
        return {"HostConfig": self._taken}

    def exec_create(self, container, command, user):
        return {"Id": "read"}

    def exec_start(self, execution):
        return self._seen.encode()


ROOTFUL = {"SecurityOptions": ["name=seccomp,profile=default"], "CgroupVersion": "2"}
ASKED = {"mem_limit": 1000, "nano_cpus": 10**9, "shm_size": 5}


def test_without_limits_no_engine_is_asked():
    assert not_enforced(None, {"Id": "x"}, {"shm_size": 5, "network_mode": "bridge"}) == []


@pytest.mark.parametrize("info", [{"Rootless": True, "CgroupVersion": "1"}, {"SecurityOptions": ["name=rootless"]}])
def test_a_rootless_engine_on_cgroup_v1_ignores_them_all_whatever_it_says(info):
    engine = FakeEngine(info, {"Memory": 1000, "NanoCpus": 10**9})
    said = not_enforced(engine, {"Id": "x"}, ASKED)
    assert [one.split()[0] for one in said] == ["--memory", "--cpus"]
    assert "rootless" in said[0]


def test_limits_that_hold_are_not_mentioned():
    engine = FakeEngine(ROOTFUL, {"Memory": 1000, "CpuQuota": 100_000}, "cat: no such file\n1000\n")
    assert not_enforced(engine, {"Id": "x"}, {**ASKED, "memswap_limit": -1}) == []


def test_a_limit_that_the_engine_discards_is_told_in_the_engine_s_words():
    engine = FakeEngine(ROOTFUL, {"Memory": 0, "NanoCpus": 10**9})
    made = {"Id": "x", "Warnings": ["Your kernel does not support memory limit capabilities. Limitation discarded."]}
    [said] = not_enforced(engine, made, ASKED)
    assert said.startswith("--memory is not enforced (Your kernel")


@pytest.mark.parametrize("seen", ["9223372036854771712\n", "max\n"])
def test_a_limit_that_the_container_s_cgroup_does_not_have_is_not_enforced(seen):
    engine = FakeEngine(ROOTFUL, {"Memory": 1000, "NanoCpus": 10**9}, seen)
    assert not_enforced(engine, {"Id": "x"}, ASKED)[0].startswith("--memory is not enforced (the container's own cgroup")


def test_docker_s_and_podman_s_ways_to_say_rootless_are_understood():
    assert is_rootless({"Rootless": True})
    assert is_rootless({"SecurityOptions": ["name=seccomp", "name=rootless"]})
    assert not is_rootless(ROOTFUL)


@pytest.mark.parametrize(
    ("asked", "dropped"),
    [
        ({}, list(DROPPED)),
        ({"cap_drop": ["CAP_CHOWN"]}, ["CAP_CHOWN", *DROPPED]),
        ({"cap_drop": ["ALL"]}, ["ALL", *DROPPED]),
        ({"cap_add": ["CAP_NET_RAW"]}, [name for name in DROPPED if name != "CAP_NET_RAW"]),
        ({"cap_add": ["ALL"]}, []),
    ],
)
def test_capabilities_are_dropped_unless_asked_for(asked, dropped):
    host = hardened(asked)
    assert host["cap_drop"] == dropped
    assert host["security_opt"] == ["no-new-privileges"]


def test_privileged_means_privileged_and_an_own_choice_of_privileges_stays():
    assert hardened({"privileged": True}) == {"privileged": True}
    assert hardened({"security_opt": ["no-new-privileges=false"]})["security_opt"] == ["no-new-privileges=false"]
