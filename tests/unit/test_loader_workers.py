"""A data loader's worker processes that fail, die or hang, with torch's real ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import queues
from pathlib import Path

import pytest
from guest_project import Project

torch = pytest.importorskip("torch")

from tools import loader_workers  # noqa: E402
from tools.contract import result_from_json  # noqa: E402
from tools.errors import CaseCrash  # noqa: E402
from tools.loader_workers import bounded, explained, hand_over_lost_batches  # noqa: E402
from tools.steps import reason_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WITH_LITTLE_SHM = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "sh")

FLAGPERF_CASE = """
import torch

def build_dataloader(config):
    return torch.utils.data.DataLoader([torch.zeros(1 << 19)] * 8, batch_size=4, num_workers=2, collate_fn={collate})

def model_forward(model, dataloader, evaluator, config):
    for batch in dataloader:
        pass
    return 1.0, 1.0, None

def create_model(config):
    return None

evaluator = export_model = engine_forward = None
"""


def failure(dataset, **options):
    """What the result says of a pass over a data set that fails, and the seconds that it took."""
    began = time.monotonic()
    loader = bounded(torch.utils.data.DataLoader(dataset, num_workers=1, batch_size=None, **options))
    with pytest.raises(Exception) as caught:
        list(loader)
    return reason_for("step f", caught.value), time.monotonic() - began


class Doing:
    """One item; reading it does something."""

    def __init__(self, do):
        self.do = do

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.do()


@pytest.fixture(autouse=True)
def _hooked(monkeypatch):
    monkeypatch.setattr(queues.Queue, "_on_queue_feeder_error", queues.Queue._on_queue_feeder_error)
    hand_over_lost_batches()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can mount a small /dev/shm")
@pytest.mark.parametrize("collate", ["torch.stack", "None"], ids=["sent", "made there"])
def test_a_shared_memory_that_is_too_small_fails_the_case_at_once(tmp_path, collate):
    project = Project(tmp_path)
    project.write("benchmarks/toy/pytorch/__init__.py", FLAGPERF_CASE.format(collate=collate))
    words = ["--data_dir", str(project.data_dir), "--log_dir", str(project.log_dir), "--perf_dir", str(project.root)]
    words += ["--case", "toy", "--vendor", "acme", "--framework", "pytorch", "--loglevel", "INFO", "--set", "compiler=null"]
    command = [*WITH_LITTLE_SHM, sys.executable, str(ROOT / "run_inference.py"), *words]
    done = subprocess.run(command, env={**os.environ, "container": "docker"}, timeout=120, check=False, capture_output=True)
    [reason] = result_from_json((project.log_dir / "result.json").read_text()).reasons
    assert (done.returncode, reason.kind) == (2, "CONFIG"), done.stderr
    assert "/dev/shm has 1 MiB, too little for the batches that num_workers make ahead; set a larger SHM_SIZE" in reason.message
    assert reason.message.endswith("or set num_workers: 0")


def test_without_a_container_the_host_s_own_shared_memory_is_named(monkeypatch):
    monkeypatch.setattr(loader_workers, "in_container", lambda: False)
    bus = RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that workers are out of shm")
    reason = reason_for("step f", bus)
    assert "SHM_SIZE" not in reason.message
    assert "make it larger (mount -o remount,size=…), or set num_workers: 0" in reason.message


def test_another_full_disk_is_no_matter_of_shared_memory():
    linker = RuntimeError("/usr/bin/ld: final link failed: /root/.cache/torch_extensions/op/op.so: No space left on device")
    assert explained(linker) is linker


def test_a_batch_that_cannot_be_sent_is_an_error_and_no_wait():
    reason, _ = failure(Doing(lambda: lambda: None))
    assert reason.kind == "CRASH"
    assert "pickle" in reason.message
    assert "Traceback" not in reason.message


def test_an_error_that_cannot_be_sent_is_told_in_its_words():
    class Local(Exception):
        pass

    def fail():
        raise Local("no such scan")

    assert failure(Doing(fail))[0].message.endswith("Local: no such scan (in a data loader's worker)")


def test_a_worker_s_error_reads_as_if_there_were_no_worker():
    def fail():
        raise CaseCrash("scan7.dcm: cannot be decoded:\nno pixels")

    assert failure(Doing(fail))[0].message == "step f: scan7.dcm: cannot be decoded: no pixels"


def test_a_worker_that_the_kernel_kills_is_out_of_memory():
    reason, seconds = failure(Doing(lambda: os.kill(os.getpid(), signal.SIGKILL)))
    assert (reason.kind, seconds < 30) == ("OOM", True)
    assert "lower num_workers" in reason.message


def test_a_worker_that_hangs_is_not_waited_for_without_an_end(monkeypatch):
    monkeypatch.setattr(loader_workers, "BATCH_SECONDS", 1)
    reason, _ = failure(Doing(signal.pause))
    said = (
        "step f: the data loader's workers gave no batch within 1 s; see with num_workers: 0 where they hang; of workers that are"
    )
    assert reason.message.startswith(f"{said} not forked it may be /dev/shm, which has ")


def test_a_case_s_own_timeout_stays_and_what_is_no_loader_of_torch_s_is_let_alone():
    own = torch.utils.data.DataLoader([1], num_workers=1, timeout=7)
    alone = torch.utils.data.DataLoader([1])
    assert (bounded(own).timeout, bounded(alone).timeout, bounded([1])) == (7, 0, [1])


def test_other_queues_print_what_cannot_be_sent_as_ever(capfd):
    queue = torch.multiprocessing.Queue()
    queue.put(lambda: None)
    queue.close()
    queue.join_thread()
    assert "pickle" in capfd.readouterr().err
