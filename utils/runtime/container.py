"""Runtime docker: one case's container, from creation to removal, and the guest's commands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker import APIClient
from docker.errors import APIError

from tools.errors import AccelmarkError, CaseCrash, ConfigError
from utils.connection.base import QUICK_SECONDS, Cancelled, Connection
from utils.connection.patience import Patience
from utils.plan import CasePlan, HostTarget, RunPlan
from utils.runtime.base import OnLine
from utils.runtime.creation import container_name, create, make_permit, permit
from utils.runtime.engine import engine_errors, explanation
from utils.runtime.execution import KILLED, Execution
from utils.runtime.hardening import hardened
from utils.runtime.labels import CHOWN, container_labels
from utils.runtime.leaving import forget_command, give_to_owner, remove_container
from utils.runtime.limits import not_enforced
from utils.runtime.options import parse_options, split_create_keys
from utils.runtime.prepare import pip_environment
from utils.runtime.watch import EngineWatch

GUEST_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
"""The code is read-only, output is read line by line and as UTF-8, and the container's Python is thrown away with it."""

REMEDIES = (
    (
        r"could not select device driver|nvidia-container|CDI device",
        "install the NVIDIA Container Toolkit, or take --gpus out",
    ),
    (
        r"slirp4netns.*/dev/net/tun",
        "this engine's user cannot open /dev/net/tun, its network must: 'chmod 0666 /dev/net/tun' as root, or add --network=host",
    ),
    (r"container-init", "this engine's Podman lacks its init; install catatonit there, or add --init=false"),
    (r"rlimit", "this engine may not raise the --ulimit; take it out, or give the engine the right to"),
    (r"apply caps", "this engine may not give what --privileged or --cap-add asks for"),
    (r"invalid runtime|unknown runtime", "this --runtime is not configured in the host's engine"),
    (r"gathering device information|no such device", "the host has no such --device"),
    (r"port is already allocated|address already in use", "the host uses this port already; --publish another, or none"),
    (r"duplicate mount point", "this folder is mounted already; take the -v or --mount out"),
)
"""What the engine says when it refuses ACCE_CONTAINER_OPT, and what helps."""


@dataclass
class ContainerPlace:
    """A container for one case: labelled, unprivileged unless ACCE_CONTAINER_OPT says otherwise, gone when its context ends.

    The code and the data lie read-only at the paths they have on the host, `log_dir` and `<code_path>/onnxs` can be written
    and belong to `owner` (user and group id) afterwards. `environment` adds MASTER_ADDR, RANK and their like.
    Entering raises ConfigError when the engine refuses the options, CaseCrash when it cannot start, HostError when it is away.
    """

    connection: Connection
    plan: RunPlan
    case: CasePlan
    host: HostTarget
    image_tag: str
    log_dir: str
    patience: Patience
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.description = f"container of {self.case.name} on {self.host.host}"
        self._name = container_name(self.plan.run_id, self.case.name, self.host.rank)
        self._execution: Execution | None = None
        self.notes: list[str] = []
        self._disturbed = False

    def __enter__(self) -> ContainerPlace:
        self.connection.docker()
        self.patience.again("folders", self._make_folders)
        try:
            self.patience.again("container", self._start)
            watch = EngineWatch(self._api, self._name)
        except BaseException:
            self._remove()
            raise
        title = f"{self.case.name} on {self.host.host}"
        self._execution = Execution(self.connection, self.patience, watch, self._name, self.log_dir, title)
        return self

    def __exit__(self, *unused: object) -> None:
        try:
            labels = container_labels(self.plan.run_id, CHOWN, self.host.rank)
            wanted = (self.owner, self._writable, self.patience, self._disturbed, self.image_tag, labels)
            give_to_owner(self.connection, self._name, *wanted)
        finally:
            self.notes += self._remove()

    def run(self, argv: Sequence[str], *, timeout: float, on_line: OnLine, cancelled: Cancelled | None = None) -> int:
        """Run a command in the container; see Place.run. After a timeout or a cancel the container is dead."""
        assert self._execution is not None, "the context was not entered"
        self._disturbed = True
        status = self._execution.run(argv, self.plan.code_path, timeout, on_line, cancelled)
        self._disturbed = status == KILLED
        return status

    @property
    def _api(self) -> APIClient:
        return self.connection.docker().api

    @property
    def _writable(self) -> tuple[str, str]:
        return self.log_dir, f"{self.plan.code_path}/onnxs"

    def _make_folders(self) -> None:
        self.connection.run(["mkdir", "-p", *self._writable], timeout=QUICK_SECONDS).check()
        make_permit(self.connection, self.log_dir, self.owner)

    def _remove(self) -> list[str]:
        forget_command(self.connection, self.log_dir, self.patience)
        return remove_container(self.connection, self._name, self.patience)

    def _start(self) -> None:
        options, host = self.keywords()
        with engine_errors(self.host.host):
            api = self._api
            try:
                host_config = api.create_host_config(**host)
                made = create(api, self.image_tag, ["infinity"], entrypoint=["sleep"], host_config=host_config, **options)
                api.start(made["Id"])
                self.notes = [f"{self.host.host}: {one}" for one in not_enforced(api, made, host)]
            except APIError as error:
                raise self._refused(error) from error

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keywords for create_container and for create_host_config: ours, then what the user's options say.

        Raises ConfigError when the options cannot be read.
        """
        options, host = split_create_keys(parse_options(self.plan.container_options, self.plan.shm_size))
        ours = {**GUEST_ENVIRONMENT, **pip_environment(self.plan.pip_source), **self.plan.environment, **self.environment}
        environment = {**ours, **options.pop("environment", {})}
        options = {
            "name": self._name,
            "labels": container_labels(self.plan.run_id, self.case.name, self.host.rank, self.log_dir),
            "working_dir": self.plan.code_path,
            "environment": environment,
            "user": "0:0",
            **options,
        }
        host = {"init": True, "network_mode": "bridge", **host, "mounts": [*self._mounts(), *host.get("mounts", [])]}
        return options, hardened(host)

    def _mounts(self) -> list[dict[str, Any]]:
        read_only = {self.plan.code_path: True}
        if self.case.data_directory is not None:
            read_only.setdefault(self.case.data_directory, True)
        read_only.update(dict.fromkeys(self._writable, False))
        read_only[permit(self.log_dir)] = True
        return [{"Type": "bind", "Source": path, "Target": path, "ReadOnly": only} for path, only in read_only.items()]

    def _refused(self, error: APIError) -> AccelmarkError:
        said = explanation(error)
        where = f"{self.host.host}: the container of {self.case.name} was refused"
        if missing := re.search(r"bind source path does not exist: (\S+)", said):
            named = "data directory" if missing[1] == self.case.data_directory else "directory"
            return CaseCrash(f"{where}: the {named} {missing[1]} does not exist on {self.host.host}")
        shown = self.plan.mask(self.plan.container_options)
        for pattern, remedy in REMEDIES:
            if re.search(pattern, said, re.IGNORECASE):
                return ConfigError(f"{where}: ACCE_CONTAINER_OPT '{shown}': {said}; {remedy}")
        return CaseCrash(f"{where}: {said}")
