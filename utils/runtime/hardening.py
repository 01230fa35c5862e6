"""What a container is not given unless ACCE_CONTAINER_OPT asks for it, although Docker would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DROPPED = ("CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETFCAP")
"""Docker's default, less what no guest needs: device files and file capabilities would lie in the host's folders, where they work
for everybody; raw packets reach the network's other containers.

Source: https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities"""


def hardened(host: Mapping[str, Any]) -> dict[str, Any]:
    """create_host_config's keywords with no-new-privileges and fewer capabilities, unless the user's ask for more."""
    if host.get("privileged"):
        return dict(host)
    security, added = host.get("security_opt", []), {*host.get("cap_add", [])}
    if not any(option.startswith("no-new-privileges") for option in security):
        security = [*security, "no-new-privileges"]
    dropped = [] if "ALL" in added else [name for name in DROPPED if name not in added]
    return {**host, "security_opt": security, "cap_drop": list(dict.fromkeys([*host.get("cap_drop", []), *dropped]))}
