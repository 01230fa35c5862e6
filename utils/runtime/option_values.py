"""The forms of single option values, read as Docker's command line reads them; each raises ValueError saying what is expected."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.utils.ports import split_port

Value = Any
"""What Docker's API takes for one option: text, number, list or dict."""

ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice"),
    *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kmgtp])i?)?b?", re.IGNORECASE)
_CDI_DEVICE = re.compile(r"[\w.-]+/[\w.-]+=\S+")
_DEVICE_MODE = re.compile(r"[rwm]{1,3}")


def text(value: str) -> str:
    """Any text but the empty one."""
    if not value:
        raise ValueError("a value is needed")
    return value


def size(value: str) -> int:
    """Bytes from `32G`, `512m`, `1.5gb`, `64MiB` or a plain number; units are powers of 1024."""
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("not a size; write for example 32G or 512m")
    factor = 1024 ** " kmgtp".index((match[2] or " ").lower())
    return int(float(match[1]) * factor)


def swap_size(value: str) -> int:
    """A size, or -1 for no limit."""
    return -1 if value == "-1" else size(value)


def whole_number(value: str) -> int:
    """An integer, with or without sign."""
    try:
        return int(value)
    except ValueError as error:
        raise ValueError("not a whole number") from error


def nano_cpus(value: str) -> int:
    """Billionths of a CPU from a number such as `1.5`."""
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", value):
        raise ValueError("not a number of CPUs; write for example 1.5")
    return round(float(value) * 1e9)


def cpu_list(value: str) -> str:
    """CPUs or memory nodes as `0-3,8`."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", value):
        raise ValueError("not a list such as 0-3,8")
    return value


def ulimit(value: str) -> Value:
    """`name=soft[:hard]`; -1 means unlimited."""
    match = re.fullmatch(r"(\w+)=(-?\d+)(?::(-?\d+))?", value)
    if match is None or match[1] not in ULIMITS:
        raise ValueError(f"not name=soft[:hard] with a name out of {', '.join(ULIMITS)}")
    soft, hard = int(match[2]), int(match[3] or match[2])
    if hard != -1 and (soft > hard or soft == -1):
        raise ValueError("the soft limit is above the hard limit")
    return {"name": match[1], "soft": soft, "hard": hard}


def pair(value: str) -> Value:
    """`name=value` as a dict of one entry."""
    name, separator, rest = value.partition("=")
    if not name or not separator:
        raise ValueError("not name=value")
    return {name: rest}


def variable(value: str, environ: Mapping[str, str]) -> Value:
    """`NAME=value`, or `NAME` alone to pass this process's own value on (nothing where it has none)."""
    name, separator, rest = value.partition("=")
    if not name:
        raise ValueError("not NAME=value or NAME")
    if separator:
        return {name: rest}
    return {name: environ[name]} if name in environ else {}


def volume(value: str) -> str:
    """`/host/path:/container/path[:mode]`, or a volume's name in place of the host path."""
    parts = value.split(":")
    if len(parts) not in (2, 3) or not parts[1].startswith("/"):
        raise ValueError("not /host/path:/container/path[:ro]")
    if not parts[0].startswith("/") and not re.fullmatch(r"[\w][\w.-]+", parts[0]):
        raise ValueError("the host path must be absolute")
    return value


def tmpfs(value: str) -> Value:
    """`/path[:options]`."""
    path, _, options = value.partition(":")
    if not path.startswith("/"):
        raise ValueError("not /path[:options]")
    return {path: options}


def published(value: str) -> Value:
    """`[address:][host port:]container port[/protocol]`, ranges too, as {`port/protocol`: [binding]}; no host port means any."""
    ports, outside = split_port(value)
    bindings = outside or [None] * len(ports)
    return {port if "/" in port else f"{port}/tcp": [binding] for port, binding in zip(ports, bindings, strict=True)}


def device(value: str) -> Value:
    """`/dev/x[:/dev/y][:rwm]`."""
    if not value.startswith("/"):
        raise ValueError("not /dev/name[:/dev/name][:rwm]")
    host, *rest = value.split(":")
    mode = rest.pop() if rest and _DEVICE_MODE.fullmatch(rest[-1]) else "rwm"
    if len(rest) > 1 or (rest and not rest[0].startswith("/")):
        raise ValueError("not /dev/name[:/dev/name][:rwm]")
    return {"PathOnHost": host, "PathInContainer": rest[0] if rest else host, "CgroupPermissions": mode}


def is_cdi_device(value: str) -> bool:
    """Whether a `--device` names a device of the Container Device Interface (`nvidia.com/gpu=0`) and not a file."""
    return not value.startswith("/") and _CDI_DEVICE.fullmatch(value) is not None


def cdi_request(value: str) -> Value:
    """The request for one device of the Container Device Interface."""
    return {"driver": "cdi", "count": 0, "device_ids": [value], "capabilities": [], "options": {}}


def device_rule(value: str) -> str:
    """A rule of the devices cgroup, `c 195:* rmw`."""
    if not re.fullmatch(r"[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}", value):
        raise ValueError("not a rule such as 'c 195:* rmw'")
    return value


def gpus(value: str) -> Value:
    """`all`, a count, or `device=0,1`, and the keys driver, capabilities and options, as a device request.

    Docker wants `device=0,1` in quotes of its own (`'"device=0,1"'`); without them the ids are understood here all the same.
    """
    request: dict[str, Any] = {"driver": "", "count": None, "device_ids": None, "capabilities": [["gpu"]], "options": {}}
    key = ""
    for field in _comma_fields(value):
        name, separator, rest = field.partition("=")
        if not separator and key == "device":
            request["device_ids"].append(field)
            continue
        key, rest = (name, rest) if separator else ("count", field)
        _set_gpu_field(request, key, rest)
    if request["count"] is None:
        request["count"] = 0 if request["device_ids"] else 1
    elif request["device_ids"]:
        raise ValueError("a count and devices exclude each other")
    return request


def _set_gpu_field(request: dict[str, Any], key: str, value: str) -> None:
    if key == "count":
        request["count"] = -1 if value == "all" else whole_number(value)
    elif key == "device":
        request["device_ids"] = value.split(",")
    elif key == "driver":
        request["driver"] = value
    elif key == "capabilities":
        request["capabilities"] = [[*value.split(","), "gpu"]]
    elif key == "options":
        request["options"] = {name: rest for entry in _comma_fields(value) for name, rest in pair(entry).items()}
    else:
        raise ValueError("not all, a number or device=0,1")


def mount(value: str) -> Value:
    """`type=bind,source=/a,target=/b[,readonly]`, or of type tmpfs or volume, as Docker's API has it."""
    fields = {name: rest if separator else "true" for name, separator, rest in (f.partition("=") for f in _comma_fields(value))}
    made: dict[str, Any] = {"Type": fields.pop("type", "volume")}
    for name, rest in fields.items():
        _set_mount_field(made, name, rest)
    if made["Type"] not in ("bind", "tmpfs", "volume"):
        raise ValueError("the type must be bind, tmpfs or volume")
    if not str(made.get("Target", "")).startswith("/"):
        raise ValueError("an absolute target is needed")
    if made["Type"] == "bind" and not str(made.get("Source", "")).startswith("/"):
        raise ValueError("a bind mount needs an absolute source")
    return made


def _set_mount_field(made: dict[str, Any], name: str, value: str) -> None:
    if name in ("source", "src"):
        made["Source"] = value
    elif name in ("target", "destination", "dst"):
        made["Target"] = value
    elif name in ("readonly", "ro"):
        if switch(value):
            made["ReadOnly"] = True
    elif name == "bind-propagation":
        made["BindOptions"] = {"Propagation": value}
    elif name == "tmpfs-size":
        made.setdefault("TmpfsOptions", {})["SizeBytes"] = size(value)
    elif name == "tmpfs-mode":
        made.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8)
    else:
        raise ValueError(f"unknown key {name!r}")


def switch(value: str) -> bool:
    """The value of a flag that stands alone or is given true or false."""
    if value.lower() not in ("true", "false", "1", "0"):
        raise ValueError("not true or false")
    return value.lower() in ("true", "1")


def security(value: str) -> str:
    """`no-new-privileges`, `apparmor=…`, `label=…`, `seccomp=unconfined`, or `seccomp=<profile.json>` on this machine."""
    name, separator, rest = value.replace(":", "=", 1).partition("=") if "=" not in value else value.partition("=")
    if not separator:
        if name != "no-new-privileges":
            raise ValueError("not no-new-privileges or name=value")
        return name
    if name == "systempaths":
        raise ValueError("systempaths is not supported")
    if name == "seccomp" and rest not in ("unconfined", "builtin"):
        return f"seccomp={_json_file(rest)}"
    return f"{name}={rest}"


def _json_file(path: str) -> str:
    try:
        return json.dumps(json.loads(Path(path).read_text(encoding="utf-8")), separators=(",", ":"))
    except (OSError, ValueError) as error:
        raise ValueError(f"the seccomp profile cannot be read: {error}") from error


def capability(value: str) -> str:
    """A capability in capitals and with its prefix, as the engine names it; or ALL."""
    name = text(value).upper()
    return name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"


def host_entry(value: str) -> str:
    """`name:address` (Docker's `name=address` too)."""
    name, separator, address = value.partition("=") if "=" in value else value.partition(":")
    if not (name and separator and address):
        raise ValueError("not name:address")
    return f"{name}:{address}"


def _comma_fields(value: str) -> list[str]:
    rows = list(csv.reader([value]))
    if not rows or not rows[0] or not all(rows[0]):
        raise ValueError("an empty field")
    return rows[0]
