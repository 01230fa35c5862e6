"""ACCE_CONTAINER_OPT and SHM_SIZE: Docker's command-line flags, read into what Docker's API takes. Asks no engine."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.errors import ConfigError
from utils.runtime import option_values as values
from utils.runtime.masking import STARS, Masker, is_secret_name

CREATE_KEYS = frozenset({"environment", "user", "hostname"})
"""The keywords that belong to the container itself; all others belong to its host configuration."""

IDLE = {
    "--rm": "a container is removed in any case",
    "--detach": "the container is run in the background in any case",
    "--interactive": "nobody types into the container",
    "--tty": "the output is read line by line",
}
"""Switches that come with lines copied from `docker run` and mean nothing here."""

OURS = {
    "--name": "every case on every host has a container of its own, and each is given its own name",
    "--workdir": "it is FLAGPERF_PATH",
    "--entrypoint": "the container waits for the guest",
    "--label": "labels say which run a container belongs to",
}
SHORT = {
    "-v": "--volume",
    "-e": "--env",
    "-m": "--memory",
    "-u": "--user",
    "-h": "--hostname",
    "-d": "--detach",
    "-i": "--interactive",
    "-t": "--tty",
    "-w": "--workdir",
    "-l": "--label",
    "-p": "--publish",
    "-P": "--publish-all",
}
LONG_SYNONYMS = {"--net": "--network"}


@dataclass(frozen=True)
class Flag:
    """One flag of Docker's: the SDK's keyword, how its value is read, and whether values add up (`one`, `list`, `map`, or
    `lists`, a map whose lists add up)."""

    key: str
    read: Callable[[str], Any] = values.text
    many: str = "one"
    switch: bool = False


FLAGS: Mapping[str, Flag] = {
    "--add-host": Flag("extra_hosts", values.host_entry, "list"),
    "--cap-add": Flag("cap_add", values.capability, "list"),
    "--cap-drop": Flag("cap_drop", values.capability, "list"),
    "--cgroupns": Flag("cgroupns"),
    "--cpus": Flag("nano_cpus", values.nano_cpus),
    "--cpuset-cpus": Flag("cpuset_cpus", values.cpu_list),
    "--cpuset-mems": Flag("cpuset_mems", values.cpu_list),
    "--device": Flag("devices", values.device, "list"),
    "--device-cgroup-rule": Flag("device_cgroup_rules", values.device_rule, "list"),
    "--dns": Flag("dns", many="list"),
    "--env": Flag("environment", many="map"),
    "--gpus": Flag("device_requests", values.gpus, "list"),
    "--group-add": Flag("group_add", many="list"),
    "--hostname": Flag("hostname"),
    "--init": Flag("init", values.switch, switch=True),
    "--ipc": Flag("ipc_mode"),
    "--memory": Flag("mem_limit", values.size),
    "--memory-swap": Flag("memswap_limit", values.swap_size),
    "--mount": Flag("mounts", values.mount, "list"),
    "--network": Flag("network_mode"),
    "--oom-score-adj": Flag("oom_score_adj", values.whole_number),
    "--pid": Flag("pid_mode"),
    "--pids-limit": Flag("pids_limit", values.whole_number),
    "--privileged": Flag("privileged", values.switch, switch=True),
    "--publish": Flag("port_bindings", values.published, "lists"),
    "--publish-all": Flag("publish_all_ports", values.switch, switch=True),
    "--runtime": Flag("runtime"),
    "--security-opt": Flag("security_opt", values.security, "list"),
    "--shm-size": Flag("shm_size", values.size),
    "--sysctl": Flag("sysctls", values.pair, "map"),
    "--tmpfs": Flag("tmpfs", values.tmpfs, "map"),
    "--ulimit": Flag("ulimits", values.ulimit, "list"),
    "--user": Flag("user"),
    "--userns": Flag("userns_mode"),
    "--uts": Flag("uts_mode"),
    "--volume": Flag("binds", values.volume, "list"),
}


def parse_options(options: str, shm_size: str | None = None, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return ACCE_CONTAINER_OPT and SHM_SIZE as keywords of the Docker SDK's create_container and create_host_config.

    `environ` is where `-e NAME` finds its value, this process's environment by default. A `--shm-size` goes before SHM_SIZE.
    Raises ConfigError for an unknown flag, one that is not the user's to set, and a value that has not its form.
    """
    found: dict[str, Any] = {}
    if shm_size is not None:
        found["shm_size"] = read_shm_size(shm_size)
    for flag, value in _flags(_words(options)):
        if flag in IDLE:
            continue
        key, read = _read_value(flag, value, os.environ if environ is None else environ)
        many = FLAGS[flag].many
        if many == "list":
            found.setdefault(key, []).append(read)
        elif many == "map":
            found.setdefault(key, {}).update(read)
        elif many == "lists":
            bound = found.setdefault(key, {})
            bound.update({name: [*bound.get(name, []), *entries] for name, entries in read.items()})
        else:
            found[key] = read
    return found


def network_mode(options: str, shm_size: str | None = None) -> str | None:
    """The network that ACCE_CONTAINER_OPT asks for, which a build takes too. Raises ConfigError as parse_options does."""
    network: str | None = parse_options(options, shm_size).get("network_mode")
    return network


def idle_options(options: str) -> dict[str, str]:
    """The flags in ACCE_CONTAINER_OPT that mean nothing here, and why. Raises ConfigError as parse_options does."""
    return {flag: IDLE[flag] for flag, _ in _flags(_words(options)) if flag in IDLE}


def read_shm_size(shm_size: str) -> int:
    """Bytes from SHM_SIZE. Raises ConfigError when it is not a size."""
    try:
        return values.size(str(shm_size))
    except ValueError as error:
        raise ConfigError(f"SHM_SIZE: {shm_size!r}: {error}") from error


def split_create_keys(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what `parse_options` returned into create_container's keywords and create_host_config's."""
    create = {key: value for key, value in options.items() if key in CREATE_KEYS}
    if "port_bindings" in options:
        create["ports"] = [tuple(port.split("/")) for port in options["port_bindings"]]
    return create, {key: value for key, value in options.items() if key not in CREATE_KEYS}


def _words(options: str) -> list[str]:
    try:
        return shlex.split(options.replace("\\\n", " "))
    except ValueError as error:
        raise ConfigError(f"ACCE_CONTAINER_OPT: {str(error).lower()}: {Masker()(repr(options))}") from error


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (long flag, value) for each flag; a switch without a value has `true`."""
    rest = iter(words)
    after_secret = False  # the next word may be the other half of it
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            shown = "a word" if after_secret else f"'{word}'"
            raise ConfigError(f"ACCE_CONTAINER_OPT: {shown} is not an option; does the value before it lack its quotes?")
        for flag, joined in _long_forms(word):
            if flag in OURS:
                raise ConfigError(f"ACCE_CONTAINER_OPT: '{word}' is not needed here ({OURS[flag]}); leave it out")
            if flag not in FLAGS and flag not in IDLE:
                raise ConfigError(f"ACCE_CONTAINER_OPT: unknown option '{flag}'{_near(flag)}")
            value = joined
            if value is None:
                value = "true" if _is_switch(flag) else next(rest, None)
            if value is None:
                raise ConfigError(f"ACCE_CONTAINER_OPT: '{word}' needs a value")
            after_secret = flag == "--env" and is_secret_name(value.partition("=")[0])
            yield flag, value


def _long_forms(word: str) -> Iterator[tuple[str, str | None]]:
    """Yield each flag's long name and the value joined to it (`--flag=value`, `-vvalue`), None without one; `-it` is two."""
    if word.startswith("--"):
        name, separator, joined = word.partition("=")
        yield LONG_SYNONYMS.get(name, name), joined if separator else None
        return
    letters = word[1:]
    while letters:
        name, letters = SHORT.get(f"-{letters[0]}", f"-{letters[0]}"), letters[1:]
        if not _is_switch(name) or letters.startswith("="):
            yield name, letters.removeprefix("=") or None
            return
        yield name, None


def _is_switch(flag: str) -> bool:
    return flag in IDLE or (flag in FLAGS and FLAGS[flag].switch)


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, [*FLAGS, *LONG_SYNONYMS], n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(FLAGS)}"


def _read_value(flag: str, value: str, environ: Mapping[str, str]) -> tuple[str, Any]:
    try:
        if flag == "--env":
            return "environment", values.variable(value, environ)
        if flag == "--device" and values.is_cdi_device(value):
            return "device_requests", values.cdi_request(value)
        return FLAGS[flag].key, FLAGS[flag].read(value)
    except ValueError as error:
        shown = repr(value) if flag != "--env" else STARS
        raise ConfigError(f"ACCE_CONTAINER_OPT: {flag} {shown}: {error}") from error
