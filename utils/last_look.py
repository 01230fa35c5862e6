"""The last look at a host: whatever a run has there goes when the run ends, however it ends, and what its engine has yet to make
is made no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loguru import logger

from tools.errors import AccelmarkError, HostError
from utils.case_files import CaseFiles
from utils.connection.base import QUICK_SECONDS
from utils.leftovers import clear_own_processes
from utils.recovery import Left

if TYPE_CHECKING:
    from utils.session import Session


@contextmanager
def last_look(session: Session) -> Iterator[None]:
    """Clear a run's host once the block has ended. Where the host was lost in it, what lies there stays for `--resume`.

    Raises nothing of its own.
    """
    try:
        yield
    except HostError:
        raise
    except BaseException:
        _look(session)
        raise
    if not session.lost:
        _look(session)


def _look(session: Session) -> None:
    try:
        clear_own_processes(session.connection, session.plan, session.host)
        if session.plan.runtime == "docker":
            _clear_containers(session)
    except AccelmarkError as error:
        what = "what this run left there was not looked for; the next run there does that, or `run.py clean`"
        logger.warning("{}: {}: {}", session.host.host, what, error)


def _clear_containers(session: Session) -> None:
    from utils.runtime.clean import remove_run, remove_steps  # noqa: PLC0415 - a run without Docker needs no SDK
    from utils.runtime.creation import permit  # noqa: PLC0415

    plan, host, connection, patience = session.plan, session.host, session.connection, session.patience
    permits = {permit(files.remote): files for files in (CaseFiles(connection, plan, case, host) for case in plan.cases)}
    listed = connection.run(["ls", "-d", *permits], timeout=QUICK_SECONDS).stdout.splitlines()
    for files in (files for path, files in permits.items() if path in listed):
        Left(files).end(patience)

    def remove() -> list[str]:
        """A build that another host of the run has in this engine goes on."""
        steps = remove_steps(connection) if len(plan.hosts) == 1 else []
        return remove_run(connection, plan.run_id, host.rank) + steps

    for line in patience.again("containers of this run", remove):
        logger.warning("{}: left by this run and removed: {}", host.host, line)
