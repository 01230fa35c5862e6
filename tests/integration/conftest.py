"""Fixtures of the integration tests: real engines and real hosts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

import pytest
import services
from docker_fixtures import *  # noqa: F403
from lab_fixtures import *  # noqa: F403
from registry_fixtures import *  # noqa: F403
from rootless_fixtures import *  # noqa: F403
from run_fixtures import *  # noqa: F403
from ssh_fixtures import *  # noqa: F403
from user_fixtures import *  # noqa: F403


@pytest.fixture(scope="session", autouse=True)
def guarded():
    """Nothing that tests start outlives them."""
    services.guard()
