"""Fixtures of the integration tests: real engines and real hosts."""

from docker_fixtures import *  # noqa: F403
from lab_fixtures import *  # noqa: F403
from registry_fixtures import *  # noqa: F403
from rootless_fixtures import *  # noqa: F403
from run_fixtures import *  # noqa: F403
from ssh_fixtures import *  # noqa: F403
from user_fixtures import *  # noqa: F403
