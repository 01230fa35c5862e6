"""Docker's own /dev/shm of 64 MB, and a data loader's workers that need more: said at once, and mended by SHM_SIZE."""

import pytest
from run_fixtures import MEASURED
from toy import add_case

pytestmark = pytest.mark.docker

IMAGENET_BATCHES = """
    import torch

    def build_dataloader(config):
        return torch.utils.data.DataLoader([torch.zeros(64, 3, 224, 224)] * 8, batch_size=None, num_workers=4)

    def model_forward(model, dataloader, evaluator, config):
        return float(len(list(map(len, dataloader)))), 1.0, None
"""


@pytest.fixture
def run(container_project):
    """Runs a case whose four workers make batches of 64 images ahead."""
    case = add_case(container_project, "toy", code=IMAGENET_BATCHES, framework="pytorch_here")

    def finished(**keys):
        container_project.host_yaml(CASES=case, CASE_TIMEOUT=300, **container_project.docker, **keys)
        return container_project.run("run", "--set", "compiler=null")

    return finished


def test_workers_that_find_docker_s_64_mb_too_little_fail_the_case_at_once(run):
    finished = run()
    [reason] = finished.case("toy")["reasons"]
    assert (finished.status, reason["kind"]) == (2, "CONFIG"), finished.output
    assert (
        "/dev/shm has 64 MiB, too little for the batches that num_workers make ahead; set a larger SHM_SIZE" in reason["message"]
    )


def test_shm_size_gives_workers_the_room_that_they_need(run):
    finished = run(SHM_SIZE="512m")
    case = finished.case("toy")
    assert case["status"] in MEASURED, finished.output
    assert case["metrics"]["validation_whole"] == 8.0
