"""What run.py costs: `--help`, and a whole run in a container beside the same guest started by hand in the same image.

Interleaved rounds, medians; needs Docker. Prints seconds and the difference. Run from the project's folder: `make bench`.
"""

import shutil
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
from run_fixtures import copy_project

ROUNDS = 3
VENV = Path(sys.prefix)
OPTIONS = ["-v", f"{VENV}:{VENV}:ro", "-e", f"PATH={VENV}/bin:/usr/bin:/bin", "-e", "OMP_NUM_THREADS=1"]
CASE = "digits"
FRAMEWORK = "pytorch_here"
SETTINGS = ["repeat=20", "warmup=10"]


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


def main():
    help_seconds = [seconds([sys.executable, "run.py", "--help"], ROOT) for _ in range(10)]
    print(f"run.py --help: {statistics.median(help_seconds):.3f} s (median of 10)")
    folder = Path(tempfile.mkdtemp())
    project = copy_project(folder / "project")
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
    for name, taken in (("guest alone in a container", alone), ("run.py, image cached", runs)):
        print(f"{name}: {statistics.median(taken):.2f} s ({', '.join(f'{one:.2f}' for one in taken)})")
    print(f"run.py takes {statistics.median(runs) - statistics.median(alone):.2f} s more")
    client.images.remove(image.id, force=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
