"""The one tree of errors: each class knows the program's exit code and the reason class a failed case gets in the report."""

from __future__ import annotations


class AccelmarkError(Exception):
    """An error the user can act on: says where, what and what to do. Only an entry point prints it, without a traceback."""

    exit_code = 1
    reason = "CRASH"


class ConfigError(AccelmarkError):
    """A configuration file, an override or a command line that cannot be used as it is."""

    exit_code = 2
    reason = "CONFIG"


class HostError(AccelmarkError):
    """A host or its Docker engine cannot be reached, or was lost on the way."""

    exit_code = 3
    reason = "HOST_LOST"


class HostBusy(HostError):
    """Another run uses the host."""


class NoCaseError(AccelmarkError):
    """There is no case to run."""

    exit_code = 4
    reason = "CONFIG"


class ImageError(AccelmarkError):
    """A container image could not be built or pulled."""

    reason = "IMAGE"


class CommandError(AccelmarkError):
    """A command ended with a status that is not zero."""


class CommandTimeout(CommandError):
    """A command did not end within its time, and was ended."""


class CaseTimeout(AccelmarkError):
    """A case ran past CASE_TIMEOUT."""

    reason = "TIMEOUT"


class OutOfMemory(AccelmarkError):
    """The guest was ended because its memory limit, or the machine's, was reached."""

    reason = "OOM"


class CaseCrash(AccelmarkError):
    """The case, its engine or its requirements failed."""


class Interrupted(AccelmarkError):
    """The user ended the run."""

    exit_code = 130
    reason = "INTERRUPTED"
