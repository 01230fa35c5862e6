"""A guest that takes a moment: it says in a file that it ran, and measures a number that nobody else gets."""

import json

GUEST = """
import argparse, os, pathlib, random, sys, time, yaml
from tools.contract import OK, FAILED, Phase, Reason, Result, to_json, write_atomically
parser = argparse.ArgumentParser()
for name in ("perf_dir", "data_dir", "log_dir", "loglevel", "case", "vendor", "framework", "config"):
    parser.add_argument("--" + name)
options, _ = parser.parse_known_args()
log = pathlib.Path(options.log_dir)
log.mkdir(parents=True, exist_ok=True)
number = float(random.SystemRandom().randrange(1, 2**40))
def say(what):
    with open(os.path.join(options.perf_dir, "onnxs", "ran"), "a") as ran:
        ran.write("{} {} {:.0f}\\n".format(what, options.case, number))
say("began")
print("the guest of", options.case, "began", flush=True)
for _ in range(SECONDS * 100):
    time.sleep(0.01)
held = pathlib.Path(options.data_dir, options.case + ".held")
while held.exists():
    time.sleep(0.01)
failed = pathlib.Path(options.data_dir, options.case + ".fails").exists()
result = Result(
    options.case, options.framework, options.vendor, status=FAILED if failed else OK,
    reasons=[Reason("CRASH", "as it was told to")] if failed else [],
    validation=None if failed else Phase(number, number, None),
    config=yaml.safe_load(pathlib.Path(options.config).read_text()),
)
say("ended")
write_atomically(log / "result.json", to_json(result))
print("the guest of", options.case, "ended", flush=True)
sys.exit(1 if failed else 0)
"""


def use_quick_guest(project, seconds=0.2):
    """Let the project's guest be this one."""
    project.write("run_inference.py", GUEST.replace("SECONDS * 100", str(int(seconds * 100))))


def hold(project, case):
    """Let this case's guest go on until it is let go."""
    (project.data / f"{case}.held").touch()


def let_go(project, case):
    (project.data / f"{case}.held").unlink()


def ran(project, what="ended"):
    """The numbers that guests measured, by case, in their order."""
    path = project.folder / "onnxs" / "ran"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    found = {}
    for said, case, number in lines:
        if said == what:
            found.setdefault(case, []).append(float(number))
    return found


def measured(report):
    """The number of each case of a report."""
    return {case["case"]: case["metrics"]["validation_core"] for case in report["cases"]}


def kept(project):
    """The cases that are put away on disk, as one that has been killed left them."""
    parts = [json.loads(path.read_text()) for path in project.results.glob("run*/*:*/*_noderank*.json")]
    return {part["case"]: part for part in parts}
