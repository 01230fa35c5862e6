"""Runtime docker: one case's container, from creation to removal, and the guest's commands in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from docker import APIClient, DockerClient
from docker.errors import APIError, NotFound
from loguru import logger
from requests.exceptions import RequestException

from tools.errors import AccelmarkError, CaseCrash, ConfigError
from utils.connection.base import Connection
from utils.plan import CasePlan, HostTarget, RunPlan
from utils.runtime.base import Cancel, OnLine
from utils.runtime.engine import engine_errors, explanation
from utils.runtime.execution import KILLED, Execution
from utils.runtime.labels import container_labels
from utils.runtime.options import parse_options, split_create_keys

GUEST_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
"""The code is read-only, output is read line by line, and the container's Python is thrown away with it."""

REMOVAL_SECONDS = 30
"""How long somebody else's removal of the container is waited for."""

REMEDIES = (
    (
        r"could not select device driver|nvidia-container|CDI device",
        "install the NVIDIA Container Toolkit, or take --gpus out",
    ),
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
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.description = f"container of {self.case.name} on {self.host.host}"
        raw = f"accelmark-{self.plan.run_id}-{self.case.case}-{self.case.framework}-{self.host.rank}-{os.getpid()}"
        self._name = re.sub(r"[^\w.-]", "_", raw)
        self._client: DockerClient | None = None
        self._disturbed = False

    def __enter__(self) -> ContainerPlace:
        self.connection.run(["mkdir", "-p", *self._writable], timeout=60).check()
        try:
            with engine_errors(self.host.host):
                self._client = self.connection.docker()
                self._start(self._client.api)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        try:
            self._give_to_owner()
        finally:
            self._remove()

    def run(self, argv: Sequence[str], *, timeout: float, on_line: OnLine, cancelled: Cancel | None = None) -> int:
        """Run a command in the container; see Place.run. After a timeout or a cancel the container is dead."""
        with engine_errors(self.host.host):
            execution = Execution(self._api(), self._name, f"{self.case.name} on {self.host.host}")
            self._disturbed = True
            status = execution.run(argv, self.plan.code_path, timeout, on_line, cancelled)
            self._disturbed = status == KILLED
            return status

    def _api(self) -> APIClient:
        assert self._client is not None, "the context was not entered"
        return self._client.api

    @property
    def _writable(self) -> tuple[str, str]:
        return self.log_dir, f"{self.plan.code_path}/onnxs"

    def _start(self, api: APIClient) -> None:
        create, host = self.keywords()
        try:
            host_config = api.create_host_config(**host)
            made = api.create_container(self.image_tag, ["infinity"], entrypoint=["sleep"], host_config=host_config, **create)
            api.start(made["Id"])
        except APIError as error:
            raise self._refused(error) from error

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keywords for create_container and for create_host_config: ours, then what the user's options say.

        Raises ConfigError when the options cannot be read.
        """
        create, host = split_create_keys(parse_options(self.plan.container_options, self.plan.shm_size))
        environment = {**GUEST_ENVIRONMENT, **self.plan.environment, **self.environment, **create.pop("environment", {})}
        create = {
            "name": self._name,
            "labels": container_labels(self.plan.run_id, self.case.name),
            "working_dir": self.plan.code_path,
            "environment": environment,
            "user": "0:0",
            **create,
        }
        host = {"init": True, "network_mode": "bridge", **host, "mounts": [*self._mounts(), *host.get("mounts", [])]}
        security = host.get("security_opt", [])
        if not host.get("privileged") and not any(option.startswith("no-new-privileges") for option in security):
            host["security_opt"] = [*security, "no-new-privileges"]
        return create, host

    def _mounts(self) -> list[dict[str, Any]]:
        read_only = {self.plan.code_path: True}
        if self.case.data_directory is not None:
            read_only.setdefault(self.case.data_directory, True)
        read_only.update(dict.fromkeys(self._writable, False))
        return [{"Type": "bind", "Source": path, "Target": path, "ReadOnly": only} for path, only in read_only.items()]

    def _refused(self, error: APIError) -> AccelmarkError:
        said = explanation(error)
        where = f"{self.host.host}: the container of {self.case.name} was refused"
        if missing := re.search(r"bind source path does not exist: (\S+)", said):
            named = "data directory" if missing[1] == self.case.data_directory else "directory"
            return CaseCrash(f"{where}: the {named} {missing[1]} does not exist on {self.host.host}")
        for pattern, remedy in REMEDIES:
            if re.search(pattern, said, re.IGNORECASE):
                return ConfigError(f"{where}: ACCE_CONTAINER_OPT '{self.plan.container_options}': {said}; {remedy}")
        return CaseCrash(f"{where}: {said}")

    def _give_to_owner(self) -> None:
        """What root made in the container becomes the owner's; a failure costs no result and is only logged.

        After a timeout, a cancel or Ctrl-C the container is dead, or the guest goes on writing: a restart mends both.
        """
        if self.owner == (0, 0):
            return
        command = ["chown", "-R", "-h", "--from=0", "{}:{}".format(*self.owner), *self._writable]
        try:
            api = self._api()
            if self._disturbed:
                api.restart(self._name, timeout=0)
            made = api.exec_create(self._name, command, user="0")
            said = api.exec_start(made["Id"]).decode("utf-8", errors="replace").strip()
        except (APIError, RequestException) as error:
            said = str(error)
        if said:
            logger.warning("{}: files in {} may still belong to root: {}", self.host.host, self.log_dir, said)

    def _remove(self) -> None:
        """Also a container that was created and never started; the next run finds by its label what stays behind here."""
        if self._client is None:
            return
        try:
            self._client.api.remove_container(self._name, force=True, v=True)
        except NotFound:
            return
        except (APIError, RequestException) as error:
            if "already in progress" not in str(error):
                logger.warning("{}: container {} could not be removed: {}", self.host.host, self._name, error)
                return
            with suppress(APIError, RequestException):
                self._client.api.wait(self._name, timeout=REMOVAL_SECONDS, condition="removed")
