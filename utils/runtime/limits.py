"""Whether a container's memory limit ended a command in it, found out after the fact from the kernel's counters."""

from __future__ import annotations

import re

from docker import APIClient
from docker.errors import APIError

OOM_COUNTERS = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
"""Where cgroup v1 and v2 count the tasks that the kernel ended for want of memory. Source: Linux, admin-guide/cgroup-v2."""


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
    try:
        reader = api.exec_create(container, ["cat", *OOM_COUNTERS], user="0")
        return oom_kills_in(api.exec_start(reader["Id"]).decode("utf-8", errors="replace"))
    except APIError:
        return 0
