"""Images that go from one host's engine to another's: two real engines, one reached directly and one over SSH."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import base_image
import docker
import pytest
from docker_fixtures import private_engine
from run_fixtures import VENV, copy_project, quick
from ssh_fixtures import start_sshd
from toy import add_case

from tools.errors import Interrupted
from utils.cancel import Cancellation
from utils.connection import connect
from utils.connection.patience import Patience
from utils.plan import CasePlan, HostTarget, ImagePlan, RunPlan
from utils.runtime.image import ensure_image, has_image
from utils.runtime.image_context import image_tag
from utils.runtime.image_copy import SourceLost, copy_image, provide_images
from utils.runtime.image_exchange import ImageExchange, Wanted

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def racks(tmp_path_factory):
    """Two hosts with an engine each: (this machine, another over SSH)."""
    with private_engine(tmp_path_factory.mktemp("other")):
        sshd = start_sshd(tmp_path_factory.mktemp("sshd"))
        try:
            with private_engine(tmp_path_factory.mktemp("here")):
                yield HostTarget("localhost", 0, ssh=False), replace(sshd.target, rank=1)
        finally:
            sshd.stop()


@pytest.fixture
def image(tmp_path):
    """A plan for an image of 24 MB that needs no base."""
    folder = tmp_path / "docker_images" / "testvendor" / "pytorch_foo"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "noise").write_bytes(tmp_path.name.encode() * (24_000_000 // len(tmp_path.name)))
    return ImagePlan("testvendor", "pytorch_foo", folder, source="copy")


@pytest.fixture
def plan(image, racks, tmp_path):
    case = CasePlan("toy", "pytorch_foo", "testvendor", "embedded", None, image)
    return RunPlan(
        "run20990101000000", tmp_path / "host.yaml", tmp_path, str(tmp_path), tmp_path, "result", "testvendor", "docker",
        hosts=racks, cases=(case,),
    )  # fmt: skip


def all_provided(plan, exchange=None, cancellations=None):
    """Bring every host's images, all at once; return by host what was said and what failed."""
    exchange = exchange or ImageExchange(host.host for host in plan.hosts)
    said, failures = {host.host: [] for host in plan.hosts}, {}

    def one(host):
        cancellation = (cancellations or {}).get(host.host, Cancellation())
        try:
            with connect(host) as connection:
                failures[host.host] = provide_images(
                    exchange, plan, host, connection, Patience(connection, 1), cancellation, said[host.host].append
                )
        except Interrupted as error:
            failures[host.host] = error
        finally:
            exchange.leave(host)

    threads = [threading.Thread(target=one, args=(host,)) for host in plan.hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return said, failures


def id_on(host, tag):
    with connect(host) as connection:
        return connection.docker().images.get(tag).id


def test_an_image_is_built_on_one_host_and_copied_to_the_other(plan, image):
    said, failures = all_provided(plan)
    tag = image_tag(image)
    assert failures == {host.host: {} for host in plan.hosts}
    built = [host for host, lines in said.items() if any(line.startswith("Step 1/") for line in lines)]
    copied = [host for host, lines in said.items() if any(line.startswith(f"Copying {tag} from") for line in lines)]
    assert sorted(built + copied) == sorted(said)
    assert len({id_on(host, tag) for host in plan.hosts}) == 1


@pytest.mark.parametrize("holder", [0, 1])
def test_the_host_that_has_it_gives_it_whoever_asks_first(plan, image, holder):
    with connect(plan.hosts[holder]) as connection:
        ensure_image(connection, image)
    said, failures = all_provided(plan)
    assert not any(failures.values())
    assert said[plan.hosts[holder].host] == []
    [line] = said[plan.hosts[1 - holder].host]
    assert line == f"Copying {image_tag(image)} from {plan.hosts[holder].host}, about 24 MB"


def test_a_source_that_is_lost_leaves_the_other_to_build(plan, image):
    gone = replace(plan.hosts[1], host="gone", rank=2, port=1)
    exchange = ImageExchange(["localhost", "127.0.0.1", "gone"])
    with connect(plan.hosts[0]) as connection:
        wanted = Wanted(image_tag(image), connection.docker().version()["Arch"])
    exchange.arrive(gone, [wanted], lacks=False)
    said, failures = all_provided(plan, exchange)
    assert not any(failures.values())
    assert any("is not to be had from gone any more" in line for lines in said.values() for line in lines)
    assert len({id_on(host, wanted.tag) for host in plan.hosts}) == 1


def test_an_image_that_the_source_lost_says_so(plan):
    with connect(plan.hosts[0]) as connection, pytest.raises(SourceLost, match="No such image"):
        copy_image(plan.hosts[1], connection, "accelmark/never:built", print, Cancellation())


def test_an_image_that_no_host_can_build_fails_everywhere_with_the_reason(plan, image):
    (image.folder / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    _, failures = all_provided(plan)
    messages = [str(error) for found in failures.values() for error in found.values()]
    assert len(messages) == 2
    assert all("docker build of docker_images/testvendor/pytorch_foo failed at step 3" in message for message in messages)


class WhenItBegins(Cancellation):
    """Does something, once, as soon as a copy has begun: it is handed what would end the copy."""

    def __init__(self, act):
        super().__init__()
        self._act = act

    def register(self, end):
        super().register(end)
        if getattr(end, "__name__", "") == "close" and self._act:
            act, self._act = self._act, None
            act(end)


def test_a_source_that_breaks_off_on_the_way_leaves_the_other_to_build(plan, image):
    with connect(plan.hosts[0]) as connection:
        ensure_image(connection, image)
    said, failures = all_provided(plan, cancellations={plan.hosts[1].host: WhenItBegins(lambda end: end())})
    assert not any(failures.values())
    lines = said[plan.hosts[1].host]
    assert any("is not to be had from localhost any more: localhost: its engine broke off" in line for line in lines)
    assert any(line.startswith("Step 1/") for line in lines)


def test_ctrl_c_ends_a_copy_and_what_waits_for_it(plan, image):
    with connect(plan.hosts[0]) as connection:
        ensure_image(connection, image)
    first = Cancellation()
    second = WhenItBegins(lambda _: [one.cancel() for one in (first, second)])
    _, failures = all_provided(plan, cancellations={"localhost": first, "127.0.0.1": second})
    assert all(isinstance(failure, Interrupted) for failure in failures.values())
    with connect(plan.hosts[1]) as connection:
        assert not has_image(connection.docker(), image_tag(image))


@pytest.fixture
def second_sshd(racks, tmp_path):
    """A way over SSH to the first host too."""
    sshd = start_sshd(tmp_path)
    yield sshd
    sshd.stop()


def test_a_run_on_two_hosts_builds_on_one_copies_to_the_other_and_reports_both(racks, second_sshd, tmp_path):
    project = copy_project(tmp_path / "project")
    project.write("docker_images/cpu/pytorch_here/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    with closing(docker.from_env()) as client:
        base_image.build(client)  # the other host has none, so it cannot build
    known_hosts = Path(racks[1].known_hosts).read_text() + second_sshd.known_hosts.read_text().replace("127.0.0.1", "localhost")
    options = f"--network none -v {VENV}:{VENV}:ro -e PATH={VENV}/bin:/usr/bin:/bin"
    project.host_yaml(
        HOSTS=["127.0.0.1", "localhost"],
        CONNECTION="ssh",
        FLAGPERF_PATH=str(tmp_path / "there"),
        SSH_KNOWN_HOSTS=str(project.write("known_hosts", known_hosts)),
        HOST_OPTIONS={
            "127.0.0.1": {"SSH_PORT": racks[1].port, "SSH_KEY": racks[1].key},
            "localhost": {
                "SSH_PORT": second_sshd.port,
                "SSH_KEY": str(second_sshd.user_key),
                "ACCE_CONTAINER_OPT": options + " -e ME=1",
            },
        },
        CASES=add_case(project, "toy", framework="pytorch_here"),
        RUNTIME="docker",
        ACCE_CONTAINER_OPT=options,
        BUILD_ARGS={"BASE_IMAGE": base_image.TAG},
        IMAGE_SOURCE="copy",
    )
    finished = project.run("run", *quick())
    assert finished.status == 0, finished.output
    assert [case["host"] for case in finished.report["cases"]] == ["127.0.0.1", "localhost"]
    assert finished.report["over_hosts"][0]["measured"] == 2
    assert "127.0.0.1  image: Copying accelmark/cpu-pytorch_here:" in finished.output
