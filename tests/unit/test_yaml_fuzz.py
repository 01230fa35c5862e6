"""Ten thousand broken YAML files and values of `--set`, of one seed: each is read or refused with a ConfigError, and quickly."""

import random
import time
from pathlib import Path

import pytest

from tools.config_manager import load_yaml, parse_setting, read_resolved, resolve, resolved_text
from tools.errors import ConfigError, NoCaseError
from utils.host_config import load_host_config
from utils.monitoring.chips import load_chips
from utils.planning import Request, examine
from utils.record import fingerprint

ROOT = Path(__file__).parents[2]
FILES = 10_000
"""As many for the host's file, the layers of a case, chips.yaml and --set together."""

SLOW_SECONDS = 5.0

FLAGPERF_HOST = """\
FLAGPERF_PATH: "/home//FlagPerf/inference"
VENDOR: "nvidia"
LOG_CALL_INFORMATION: True
HOSTS: ["10.1.2.155"]
SSH_PORT: "22"
HOSTS_PORTS: ["2222"]
SHM_SIZE: "32G"
ACCE_CONTAINER_OPT: " --gpus all"
CASES:
    "resnet50:pytorch_2.5": "/raid/dataset/ImageNet_1k_2012/val"
"""
OWN_HOST = """\
VENDOR: cpu
HOSTS: [localhost, node2]
RUNTIME: process
BUILD_ARGS: &b {A: "1", B: x}
MONITOR_INTERVAL: 0.5
HOST_OPTIONS: {node2: {SSH_PORT: 2222, DATA: {"digits:pytorch_2.13": /d}}}
CASES: {"digits:pytorch_2.13": embedded}
"""
CASE = """\
batch_size: 32
input_size: 150528
flops: 2*512*0.33e9
fp16: false
compiler: openvino
num_workers: 8
percentiles: [50, 99.9]
scenarios: [dataset, Server]
loadgen: {Server: {target_qps: 100}}
builtin_data: [embedded]
accuracy_target: 99%
no_validation: false
exist_onnx_path: null
"""
PARAMETERS = "mean: [0.485, 0.456]\nresize: 256\nlabels: {0: cat, 1: dog}\n"
RESOLVED = """\
perf_dir: {value: /p, origin: command line}
case: {value: c, origin: command line}
batch_size: {value: 32, origin: 'configs/c/configurations.yaml:1'}
mean: {value: [0.485, 0.456], origin: 'configs/c/parameters.yaml:1'}
"""
CHIPS = """\
chips:
  - name: X
    match: (NVIDIA )?X-(16|32)GB
    peak_flops: &p {fp32: 19.5e12, int8: 624}
    tdp_watts: 400
    source: &s {title: T, url: "https://x.y/z"}
  - {name: Y, match: Y, peak_flops: *p, source: *s}
"""

VALUES = (
    "{{ vendor }}", "[", "]", "{", "}", "null", "~", "true", "yes", ".nan", "-.inf", "9" * 5000, "0x" + "f" * 5000, "1e400",
    "-1", "1e999", "0o7", "0b_", "0x_", "1:99:99", "2024-02-30", "2001-01-01T99:00:00Z", "2001-01-01", "!!int x", "!!float x",
    "!!bool x", "!!timestamp x", "!!binary x", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!python/object:os.system x",
    "!x y", "&a [*a]", "&a {b: *a}", "*nothing", "*b", "'", '"', '"\\ud800"', '"\\0"', '"\\x85"', "|", ">-", "? [a]", "? {a: 1}",
    "<<", "=", "%", "@", "`", "-", "- ", "# c", "[" * 300, "{a: " * 300, "x" * 300, "²", "é" * 50, "{1: a, b: c}",
    "{2001-01-01: a}", "{a: 1, a: 2}", "[{a: 1, a: 2}]", "a: b: c", "''", '""', "9**9**9**9", "1" + "+1" * 3000, "(" * 300,
    "a{99999999999}", "(",
)  # fmt: skip
LINES = (
    "<<: {A: 1}", "<<: [1]", "<<: *b", "? [a]\n: 1", "? {a: 1}\n: 1", "1: 2", "null: 1", "2001-01-01: 1", "true: 1", "= : 1",
    "---", "...", "%YAML 9.9", "\t", "\tA: 1", "a:\n\tb", "- x", "A", ": x", "&x A: &x {<<: *x}", "!!str A: 1", "\ufeff",
    "\u2028", "\x85", "{{ a }}: 1", "__class__: 1", "class: 1", "import: x", "µ: 1", "None: 1", "A: |\n x\n\ty",
    "k: &k0 [1]\n" + "\n".join(f"k{n}: &k{n} [*k{n - 1}, *k{n - 1}]" for n in range(1, 40)),
    "m: &m0 {a: 1}\n" + "\n".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40)),
)  # fmt: skip


def in_a_value(chance, text):
    """Another value for one key."""
    lines = text.splitlines()
    place = chance.randrange(len(lines))
    lines[place] = lines[place].partition(":")[0] + ": " + chance.choice(VALUES)
    return "\n".join(lines)


def in_a_line(chance, text):
    """A line more, twice, or in another place."""
    lines = text.splitlines()
    line = chance.choice([*LINES, *lines])
    lines.insert(chance.randrange(len(lines) + 1), " " * chance.choice((0, 0, 0, 2, 7)) + line)
    return "\n".join(lines)


def in_a_token(chance, text):
    """A token in the place of some characters."""
    start = chance.randrange(len(text))
    return text[:start] + chance.choice(VALUES) + text[start + chance.randrange(4) :]


def in_some_bytes(chance, text):
    """Some bytes flipped, or cut off, or another encoding."""
    raw = bytearray(text.encode())
    if chance.random() < 0.1:
        return text.encode(chance.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")))
    for _ in range(chance.randrange(1, 4)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw[: chance.randrange(len(raw))] if chance.random() < 0.2 else raw)


MUTATIONS = (in_a_value, in_a_value, in_a_line, in_a_token, in_some_bytes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The three layers of case `c`, which are right, and files to be broken."""
    made = tmp_path_factory.mktemp("project")
    (made / "configs/c/vendor_config").mkdir(parents=True)
    return made


def layers(folder, name, content):
    right = {"configurations": CASE, "parameters": PARAMETERS, "vendor_config/cpu_configurations": "repeat: 7\nwarmup: 3\n"}
    for each, text in right.items():
        (folder / f"configs/c/{each}.yaml").write_bytes(content if each == name else text.encode())
    resolved = resolve(folder, "c", "cpu")
    (folder / "resolved.yaml").write_text(resolved_text(resolved.as_report()))
    assert load_yaml(folder / "resolved.yaml").values.keys() == resolved.values.keys()
    resolved.config()


def resolved(folder, name, content):
    path = folder / "config.yaml"
    path.write_bytes(content)
    read_resolved(path, {"perf_dir": "/p", "log_dir": "/l"}).config()


def host(folder, name, content):
    path = folder / "host.yaml"
    path.write_bytes(content)
    load_host_config(path)
    planned = examine(Request(path), ROOT)
    if not planned.problems:
        fingerprint(planned.plan)


def chips(folder, name, content):
    (folder / "chips.yaml").write_bytes(content)
    load_chips(folder / "chips.yaml")


def setting(folder, name, content):
    parse_setting(name + "=" + content.decode(errors="surrogateescape"))


SUBJECTS = (
    (host, "", FLAGPERF_HOST),
    (host, "", OWN_HOST),
    (host, "", (ROOT / "configs/host.yaml").read_text()),
    (layers, "configurations", CASE),
    (layers, "configurations", (ROOT / "configs/resnet50/configurations.yaml").read_text()),
    (layers, "parameters", PARAMETERS),
    (layers, "vendor_config/cpu_configurations", "batch_size: 16\npercentiles: [50]\n"),
    (resolved, "", RESOLVED),
    (chips, "", CHIPS),
    (setting, "HOSTS", "[a, b]"),
    (setting, "batch_size", "{a: [1, 2.5, x]}"),
)


def mutant(chance):
    """One broken file: (its reader, the file's name, bytes)."""
    read, name, text = chance.choice(SUBJECTS)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        changed = chance.choice(MUTATIONS)(chance, text) or text
        if isinstance(changed, bytes):
            return read, name, changed
        text = changed
    return read, name, text.encode(errors="surrogatepass")


@pytest.mark.parametrize("seed", range(10))
def test_no_yaml_text_does_worse_than_be_refused(folder, seed):
    chance = random.Random(seed)
    refused = 0
    for number in range(FILES // 10):
        read, name, content = mutant(chance)
        began = time.monotonic()
        try:
            read(folder, name, content)
        except (ConfigError, NoCaseError):
            refused += 1
        except Exception as error:
            pytest.fail(f"{number}: {read.__name__} {name} {content!r}: {type(error).__name__}: {error}")
        assert time.monotonic() - began < SLOW_SECONDS, content
    assert FILES / 10 / 4 < refused < FILES / 10
