"""What run.py costs: `--help` beside a Python that does nothing, `make run` up to where it measures, and a whole run in a
container beside the same guest started by hand in the same image.

Interleaved rounds, medians; needs Docker. Ends with 1 where a limit is exceeded. Run from the project's folder: `make bench`.
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/integration"), str(ROOT / "tests/lab")]

import base_image
import docker
from run_fixtures import after_make_setup, copy_project

ROUNDS = 3
VENV = Path(sys.prefix)
OPTIONS = ["-v", f"{VENV}:{VENV}:ro", "-e", f"PATH={VENV}/bin:/usr/bin:/bin", "-e", "OMP_NUM_THREADS=1"]
CASE = "digits"
FRAMEWORK = "pytorch_here"
SETTINGS = ["repeat=20", "warmup=10", "percentiles=[]"]
HELP_SECONDS, START_SECONDS, MORE_SECONDS = 0.4, 10.0, 5.0
"""Limits: of `run.py --help`, of a second `make run` up to its first measurement, of run.py beyond the guest alone."""


def seconds(command, cwd):
    began = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return time.perf_counter() - began


def by_hand(project, image):
    folder = project.folder
    mounts = ["-v", f"{folder}:{folder}:ro", "-v", f"{folder}/onnxs:{folder}/onnxs", "-v", f"{folder}/result:{folder}/result"]
    guest = [
        "python3",
        "run_inference.py",
        "--perf_dir",
        folder,
        "--data_dir",
        "embedded",
        "--log_dir",
        folder / "result/by_hand",
    ]
    names = ["--loglevel", "INFO", "--case", CASE, "--vendor", "cpu", "--framework", FRAMEWORK]
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["docker", "run", "--rm", "--init", "-w", folder, *mounts, *OPTIONS, image, *map(str, guest), *names, *settings]


def held(name, taken, limit):
    """Print what was measured beside its limit; return whether it holds."""
    print(f"{name}: {taken:.3f} s, {taken / limit:.0%} of the limit {limit:g} s: {'holds' if taken <= limit else 'EXCEEDED'}")
    return taken <= limit


def help_seconds():
    """Seconds of `run.py --help`, interleaved with those of a Python that does nothing."""
    pairs = [
        (seconds([sys.executable, "-c", "pass"], ROOT), seconds([sys.executable, "run.py", "--help"], ROOT)) for _ in range(10)
    ]
    bare, asked = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"python -c pass: {bare:.3f} s; run.py --help takes {asked / bare:.1f} x that")
    return asked


def start_seconds(folder):
    """Seconds from `make run`, with what `make setup` left, to the first case's first measured step."""
    project = after_make_setup(copy_project(folder))
    shutil.copy(ROOT / "configs" / "host.yaml", project.folder / "configs" / "host.yaml")
    began = time.perf_counter()
    with subprocess.Popen(
        ["make", "run"],
        cwd=project.folder,
        env={**os.environ, **project.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as run:
        reached = next((time.perf_counter() - began for line in run.stdout if "step c of a-g" in line), float("inf"))
        os.killpg(run.pid, signal.SIGINT)
        run.stdout.read()
    return reached


def beyond_the_guest(folder):
    """Seconds that run.py takes more than the guest alone, both in a container of one cached image."""
    project = copy_project(folder)
    client = docker.from_env()
    base = base_image.build(client)
    project.write(f"docker_images/cpu/{FRAMEWORK}/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    options = " ".join(OPTIONS)
    project.host_yaml(
        RUNTIME="docker", CASES={f"{CASE}:{FRAMEWORK}": "embedded"}, BUILD_ARGS={"BASE_IMAGE": base}, ACCE_CONTAINER_OPT=options
    )
    run = [sys.executable, "run.py", "run", *(word for setting in SETTINGS for word in ("--set", setting))]
    seconds(run, project.folder)
    (image,) = client.images.list(filters={"label": f"accelmark.framework={FRAMEWORK}"})
    runs, alone = [], []
    for _ in range(ROUNDS):
        alone.append(seconds(by_hand(project, image.tags[0]), project.folder))
        runs.append(seconds(run, project.folder))
    client.images.remove(image.id, force=True)
    for name, taken in (("guest alone in a container", alone), ("run.py, image cached", runs)):
        print(f"{name}: {statistics.median(taken):.2f} s ({', '.join(f'{one:.2f}' for one in taken)})")
    return statistics.median(runs) - statistics.median(alone)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        holds = [
            held("run.py --help", help_seconds(), HELP_SECONDS),
            held("a second make run, up to step c", start_seconds(folder / "started"), START_SECONDS),
            held("run.py beyond the guest alone", beyond_the_guest(folder / "compared"), MORE_SECONDS),
        ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
