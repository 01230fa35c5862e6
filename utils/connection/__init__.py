"""How hosts are reached: `connect` gives the one connection that everything else works through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.connection.base import Cancelled, Connection
    from utils.plan import HostTarget


def connect(target: HostTarget, cancelled: Cancelled | None = None) -> Connection:
    """Return an open connection; `cancelled` receives what ends the waiting for the host.

    Raises HostError when the host does not let us in, or that was ended; ConfigError for a missing SSH key.
    """
    if target.ssh:
        from utils.connection.ssh import SshConnection  # noqa: PLC0415 - paramiko takes 0.1 s to import

        return SshConnection(target, cancelled)
    from utils.connection.local import LocalConnection  # noqa: PLC0415

    return LocalConnection(target.host)
