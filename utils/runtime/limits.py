"""A container's limits: which of them the engine silently ignores, and whether that of memory ended a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError

OOM_COUNTERS = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
"""Where cgroup v1 and v2 count the tasks that the kernel ended for want of memory. Source: Linux, admin-guide/cgroup-v2."""

MEMORY_LIMITS = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
"""Where a container sees its own limit, with cgroup v1 and v2."""

LIMITS = {
    "mem_limit": ("--memory", "Memory"),
    "memswap_limit": ("--memory-swap", "MemorySwap"),
    "nano_cpus": ("--cpus", "NanoCpus"),
    "cpuset_cpus": ("--cpuset-cpus", "CpusetCpus"),
    "cpuset_mems": ("--cpuset-mems", "CpusetMems"),
    "pids_limit": ("--pids-limit", "PidsLimit"),
}
"""The SDK's keywords for what cgroups enforce, the options that ask for it, and where the engine says what it took."""


def not_enforced(api: APIClient, made: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return in words which of the limits that were `asked` for (create_host_config's keywords) hold nobody back.

    `made` is what create_container returned; the container runs. A rootless engine on cgroup v1 says that it took them all.
    """
    wanted = {key: value for key, value in asked.items() if key in LIMITS and value not in (None, "", -1)}
    if not wanted:
        return []
    info = api.info()
    if is_rootless(info) and str(info.get("CgroupVersion", "1")) == "1":
        ignored, why = list(wanted), "a rootless engine can set no limits on cgroup v1"
    else:
        taken = api.inspect_container(made["Id"])["HostConfig"]
        ignored = [key for key, value in wanted.items() if not _taken(taken, key)]
        why = "; ".join(map(str, made.get("Warnings") or [])) or "the engine did not take it"
        if "mem_limit" in wanted and "mem_limit" not in ignored and _sees_more(api, made["Id"], wanted["mem_limit"]):
            ignored, why = [*ignored, "mem_limit"], "the container's own cgroup has no such limit"
    return [f"{LIMITS[key][0]} is not enforced ({why}), so the guest may use more" for key in ignored]


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Whether an engine runs as a user, who then is its containers' root. `info` is its own answer, Docker's or Podman's."""
    return bool(info.get("Rootless")) or any("name=rootless" in one for one in info.get("SecurityOptions") or [])


def _taken(taken: Mapping[str, Any], key: str) -> bool:
    """Whether the engine says that it set a limit; Podman tells processors as a quota."""
    return bool(taken.get(LIMITS[key][1]) or (key == "nano_cpus" and taken.get("CpuQuota")))


def _sees_more(api: APIClient, container: str, limit: int) -> bool:
    """Whether the container's cgroup allows more memory; False where it does not say."""
    found = re.findall(r"^(\d+|max)$", _read(api, container, MEMORY_LIMITS), re.MULTILINE)
    return any(text == "max" or int(text) > limit for text in found)


def ended_by_memory(api: APIClient, container: str) -> bool:
    """Whether the kernel ended a process of the container for want of memory. A plain kill -9 leaves no such trace."""
    state = api.inspect_container(container)["State"]
    if state.get("OOMKilled"):
        return True
    return bool(state.get("Running")) and _oom_kills(api, container) > 0


def memory_limit(api: APIClient, container: str) -> int | None:
    """The container's memory limit in bytes, None without one."""
    return api.inspect_container(container)["HostConfig"].get("Memory") or None


def oom_kills_in(text: str) -> int:
    """The sum of `oom_kill` counts in the text of memory.oom_control or memory.events."""
    return sum(int(count) for count in re.findall(r"^oom_kill (\d+)$", text, re.MULTILINE))


def _oom_kills(api: APIClient, container: str) -> int:
    """What the counters say; 0 where they cannot be read any more."""
    return oom_kills_in(_read(api, container, OOM_COUNTERS))


def _read(api: APIClient, container: str, files: tuple[str, ...]) -> str:
    """Those of the files that a container has, one after the other; nothing where it has gone."""
    try:
        reader = api.exec_create(container, ["cat", *files], user="0")
        return str(api.exec_start(reader["Id"]).decode("utf-8", errors="replace"))
    except APIError:
        return ""
