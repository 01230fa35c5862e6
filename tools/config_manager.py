"""The three config layers of a case and what may stand in them: merged, checked and typed, alike on the host and in the guest.

The host resolves a case's config once and sends it to the guest as a file (`resolved_text`, `read_resolved`).
"""

from __future__ import annotations

import keyword
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import yaml

from tools.config_file import ConfigFile, load_value
from tools.config_file import load_yaml as load_yaml
from tools.config_file import nearest as nearest
from tools.config_keys import KEYS, by_loadgen
from tools.errors import ConfigError

HOST_KEYS = (
    "FLAGPERF_PATH", "FLAGPERF_LOG_PATH", "VENDOR", "FLAGPERF_LOG_LEVEL", "LOG_CALL_INFORMATION", "HOSTS", "SSH_PORT",
    "HOSTS_PORTS", "MASTER_PORT", "SHM_SIZE", "ACCE_CONTAINER_OPT", "PIP_SOURCE", "CLEAR_CACHES",
    "ACCE_VISIBLE_DEVICE_ENV_NAME", "CASES",
    "RUNTIME", "CONNECTION", "SSH_USER", "SSH_KEY", "SSH_KNOWN_HOSTS", "SSH_TRUST_FIRST_USE", "IMAGE_SOURCE",
    "IMAGE_REGISTRY", "BUILD_ARGS", "CASE_TIMEOUT", "MONITOR_INTERVAL", "RECONNECT_SECONDS",
    "HOST_OPTIONS",
)  # fmt: skip

CONTEXT_KEYS = ("perf_dir", "data_dir", "log_dir", "vendor", "case", "framework")
"""What the guest's command line gives every case and engine beside the merged keys."""

PATH_KEYS = ("exist_onnx_path", "exist_compiler_path")
"""Files that are named from perf_dir on."""


@dataclass(frozen=True)
class Resolved:
    """A case's merged config: each value and where it came from; `remarks` are (level, message) pairs for the log."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    remarks: Sequence[Tuple[str, str]] = field(default=())

    def config(self) -> Any:
        """The immutable namedtuple that cases and engines get."""
        return namedtuple("Config", list(self.values))(**self.values)

    def as_report(self) -> Dict[str, Any]:
        """Each key as `{"value": …, "origin": …}`, for result.json and the report."""
        return {key: {"value": value, "origin": self.origins[key]} for key, value in self.values.items()}


def resolve(
    perf_dir: Path, case: str, vendor: str, settings: Sequence[str] = (), context: Optional[Mapping[str, str]] = None
) -> Resolved:
    """Merge configurations.yaml, the vendor's overrides, parameters.yaml and `--set KEY=VALUE` pairs, in that order of strength.

    Raises ConfigError naming file, line, key and remedy, for whatever breaks one of the four rules, is missing, of the wrong
    type, unknown, or a combination of switches that measures nothing.
    """
    folder = Path(perf_dir) / "configs" / case
    base = _load(folder / "configurations.yaml", perf_dir)
    parameters = _load(folder / "parameters.yaml", perf_dir)
    override = _load(folder / "vendor_config" / (vendor + "_configurations.yaml"), perf_dir)
    remarks: List[Tuple[str, str]] = []
    _check_base(base, parameters, remarks)
    _check_override(base, parameters, override, vendor, remarks)
    merged = _Merged()
    for key, known in KEYS.items():
        merged.put(key, known.default, "default")
    for layer in (base, override):
        for key, value in layer.values.items():
            merged.put(key, _typed(key, value, layer.where(key)), layer.where(key))
    for setting in settings:
        key, value = parse_setting(setting)
        _reject_setting(key, parameters, merged.values, vendor)
        merged.put(key, _typed(key, value, "--set"), "--set")
    _complete(merged, folder, perf_dir)
    for key, value in parameters.values.items():
        merged.put(key, value, parameters.where(key))
    for key, value in (context or {}).items():
        merged.put(key, value, "command line")
    for key in PATH_KEYS:
        if merged.values[key] is not None and "perf_dir" in merged.values:
            merged.values[key] = str(PurePosixPath(merged.values["perf_dir"]) / merged.values[key])
    return Resolved(merged.values, merged.origins, tuple(remarks))


def resolved_text(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The file in which a resolved config, each key as `{"value": …, "origin": …}`, goes to the guest. YAML, as whatever a config
    file can say comes back from it as it was: dates, infinities and keys that are numbers, too."""
    text: str = yaml.safe_dump({key: dict(entry) for key, entry in entries.items()}, sort_keys=False)
    return text


def read_resolved(path: Path, context: Mapping[str, str]) -> Resolved:
    """The config of a file that `resolved_text` made, with the guest's own log_dir and perf_dir (the same folder as the host's,
    by the name that it has there).

    Raises ConfigError for a file that is none, and for one of another case, vendor, framework or data than `context` has.
    """
    file = load_yaml(path)
    merged = _Merged()
    for key, entry in file.values.items():
        _check_key(key, file.where(key))
        if not isinstance(entry, dict) or entry.keys() != {"value", "origin"}:
            raise ConfigError("{}: '{}' is not a value with its origin; let run.py write this file".format(file.where(key), key))
        merged.put(key, _typed(key, entry["value"], file.where(key)), str(entry["origin"]))
    for key in (*KEYS, "data_dir", "vendor", "case", "framework"):
        if key not in merged.values:
            raise ConfigError("{}: '{}' is missing; let run.py write this file anew".format(file.name, key))
        if key in context and merged.values[key] != context[key]:
            text = "{}: this is the config for {} {}, not for {}; leave --config out to have it resolved"
            raise ConfigError(text.format(file.where(key), key, merged.values[key], context[key]))
    for key, value in context.items():
        merged.put(key, value, merged.origins.get(key, "command line"))
    return Resolved(merged.values, merged.origins)


def parse_setting(text: str) -> Tuple[str, Any]:
    """Split `KEY=VALUE`; the value is read as YAML, as in the files. Raises ConfigError."""
    key, equals, raw = text.partition("=")
    if not equals or not key.isidentifier():
        raise ConfigError("--set {}: expected KEY=VALUE".format(text[:80]))
    try:
        return key, load_value(raw)
    except ConfigError as error:
        raise ConfigError("--set {}: the value is not YAML: {}".format(text[:80], error)) from error


class _Merged:
    """Values and their origins while layers are laid over each other."""

    def __init__(self) -> None:
        self.values: Dict[str, Any] = {}
        self.origins: Dict[str, str] = {}

    def put(self, key: str, value: Any, origin: str) -> None:
        self.values[key] = value
        self.origins[key] = origin


def _load(path: Path, perf_dir: Path) -> ConfigFile:
    name = path.relative_to(perf_dir).as_posix()
    if not path.exists() and path.name != "configurations.yaml":
        return ConfigFile(name, {}, {})
    found = load_yaml(path, name)
    for key in found.values:
        _check_key(key, found.where(key))
    return found


def _check_key(key: str, where: str) -> None:
    """Raises ConfigError for what cannot be an attribute of the config that cases and engines get."""
    if not (key.isascii() and key.isidentifier()) or key.startswith("_"):
        raise ConfigError("{}: '{}' cannot be a key: letters (a to z), digits and underscores only".format(where, key))
    if keyword.iskeyword(key):
        raise ConfigError(
            "{}: '{}' cannot be a key, as Python has that word for itself; add to it: '{}_'".format(where, key, key)
        )


def _check_base(base: ConfigFile, parameters: ConfigFile, remarks: List[Tuple[str, str]]) -> None:
    for file in (base, parameters):
        _reject_host_keys(file)
    for key in base.values:
        if key in parameters.values:
            raise ConfigError(
                "{}: '{}' also stands in {}; keep it in one of them".format(base.where(key), key, parameters.where(key))
            )
        if key not in KEYS:
            hint = nearest(key, KEYS)
            if hint:
                raise ConfigError("{}: unknown key '{}'{}".format(base.where(key), key, hint))
            remarks.append(
                ("WARNING", "{}: '{}' is not a key of Accelmark's; the case gets it as it is".format(base.where(key), key))
            )
    for key in parameters.values:
        if key in KEYS:
            raise ConfigError("{}: '{}' belongs in {}".format(parameters.where(key), key, base.name))


def _check_override(
    base: ConfigFile, parameters: ConfigFile, override: ConfigFile, vendor: str, remarks: List[Tuple[str, str]]
) -> None:
    _reject_host_keys(override)
    for key, value in override.values.items():
        where = override.where(key)
        if key in parameters.values:
            raise ConfigError("{}: '{}' stands in {}, which no vendor may change".format(where, key, parameters.where(key)))
        if key not in base.values:
            remarks.append(("WARNING", "{}: new key '{}' set by {}{}".format(where, key, vendor, nearest(key, base.values))))
        elif _typed(key, value, where) == _typed(key, base.values[key], base.where(key)):
            raise ConfigError("{}: '{}' has the value it already has in {}; remove the line".format(where, key, base.where(key)))
        else:
            remarks.append(("INFO", "{}: {} sets {} to {!r} (was {!r})".format(where, vendor, key, value, base.values[key])))


def _reject_host_keys(file: ConfigFile) -> None:
    for key in file.values:
        if key in HOST_KEYS or key in CONTEXT_KEYS:
            raise ConfigError("{}: '{}' is a key of host.yaml or of the run itself; remove it here".format(file.where(key), key))


def _reject_setting(key: str, parameters: ConfigFile, values: Mapping[str, Any], vendor: str) -> None:
    if key in parameters.values:
        raise ConfigError("--set {}: it stands in {}, which no run may change".format(key, parameters.where(key)))
    if key in CONTEXT_KEYS:
        raise ConfigError("--set {}: it is given by the run itself".format(key))
    if key not in values:
        raise ConfigError("--set {}: neither the case nor vendor {} has such a key{}".format(key, vendor, nearest(key, values)))


def _typed(key: str, value: Any, where: str) -> Any:
    known = KEYS.get(key)
    if known is None or (value is None and known.nullable):
        return value
    try:
        return known.check(value)
    except ValueError as error:
        raise ConfigError("{}: '{}' is {!r}, but {}".format(where, key, value, error)) from error


def _complete(merged: _Merged, folder: Path, perf_dir: Path) -> None:
    """Derive what follows from other keys and reject combinations that cannot be meant."""
    values, origins = merged.values, merged.origins
    name = (folder / "configurations.yaml").relative_to(perf_dir).as_posix()
    for key, known in KEYS.items():
        if known.required and origins[key] == "default":
            raise ConfigError("{}: '{}' is missing".format(name, key))
    if values["precision"] is None:
        merged.put("precision", "fp16" if values["fp16"] else "fp32", origins["fp16"])
    elif values["fp16"] and values["precision"] != "fp16":
        raise ConfigError("{}: fp16 is true, but precision is {}; set fp16: false".format(origins["fp16"], values["precision"]))
    merged.put("fp16", values["precision"] == "fp16", origins["precision"])
    if values["no_validation"] and values["compiler"] is None:
        raise ConfigError(
            "{}: no_validation with compiler null measures nothing; set one of them".format(origins["no_validation"])
        )
    if values["no_validation"] and values["exist_onnx_path"] is None:
        raise ConfigError(
            "{}: no_validation needs exist_onnx_path, as no model is there to export".format(origins["no_validation"])
        )
    _check_studies(values, origins)
    if values["compiler"] is None and values["exist_compiler_path"] is not None:
        raise ConfigError("{}: exist_compiler_path is set, but compiler is null".format(origins["exist_compiler_path"]))


def _check_studies(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """What is asked of an engine needs one that runs."""
    asked = [key for key in ("audit", "batch_sizes", "clients") if values[key]]
    asked += ["scenarios"] if by_loadgen(values["scenarios"]) else []
    for key in asked:
        if values["compiler"] is None or values["compile_only"]:
            why = "compiler is null" if values["compiler"] is None else "compile_only is true"
            raise ConfigError("{}: '{}' needs an engine that runs, but {}".format(origins[key], key, why))
