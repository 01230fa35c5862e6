"""Configuration that cannot be used: run.py says where, what and what to do, before anything is started; `check` finds it too."""

from itertools import pairwise

import pytest

CASE = "configs/digits/configurations.yaml"
PARAMETERS = "configs/digits/parameters.yaml"
VENDOR = "configs/digits/vendor_config/cpu_configurations.yaml"
HOST = "configs/host.yaml"
BOMB = "".join(f"{new.upper()}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefghijklmnopqrstu"))


def refused(project, *arguments, command="check", status=2):
    """Let run.py refuse; return what it says."""
    finished = project.run(command, *arguments)
    assert finished.status == status, finished.output
    assert "Traceback" not in finished.output
    assert list(project.results.iterdir()) == [], "a run was begun"
    return finished.output


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"SHM_SIZES": "8G"}, f"{HOST}:7: unknown key 'SHM_SIZES'; did you mean 'SHM_SIZE'?"),
        ({"VENDOR": ...}, f"{HOST}: key 'VENDOR' is missing"),
        ({"HOSTS": "127.0.0.1"}, f"{HOST}:2: HOSTS is '127.0.0.1': input should be a valid list"),
        ({"SSH_PORT": "ssh"}, f"{HOST}:7: SSH_PORT is 'ssh': input should be a valid integer"),
        ({"FLAGPERF_LOG_LEVEL": "LOUD"}, f"{HOST}:7: FLAGPERF_LOG_LEVEL is 'LOUD': input should be 'TRACE', 'DEBUG'"),
        ({"CASES": ["digits"]}, f"{HOST}:4: CASES is ['digits']: input should be a valid dictionary"),
        ({"HOSTS": ["127.0.0.1"] * 2}, f"{HOST}:2: HOSTS names a host twice: 127.0.0.1; name it once"),
        ({"HOSTS": ["127.0.0.1", "localhost"]}, f"{HOST}:2: HOSTS names this machine more than once: 127.0.0.1, localhost (none"),
        ({"VENDOR": "nvidai"}, f"{HOST}:1: unknown vendor 'nvidai'; did you mean 'nvidia'?; there is: cpu, nvidia"),
        (
            {"CASES": {"digit:pytorch_2.13": "embedded"}},
            f"{HOST}:4: unknown case 'digit'; did you mean 'digits'?; there is: digits",
        ),
        (
            {"CASES": {"digits:torch_2.13": "embedded"}},
            f"{HOST}:4: unknown framework of case digits 'torch'; did you mean 'pytorch'?",
        ),
        (
            {"CASES": {"digits": "embedded"}},
            f"{HOST}:4: CASES: 'digits' is not '<case>:<framework>', as in 'digits:pytorch_2.13'",
        ),
        (
            {"CASES": {"digits:pytorch_9": "embedded"}, "RUNTIME": "docker", "CONNECTION": "local"},
            f"{HOST}:4: docker_images/cpu/pytorch_9: no Dockerfile; frameworks of cpu: pytorch_2.13",
        ),
        ({"ACCE_CONTAINER_OPT": "--gpu all"}, f"{HOST}:7: ACCE_CONTAINER_OPT: unknown option '--gpu'; did you mean '--gpus'?"),
        (
            {"RUNTIME": "docker", "BUILD_ARGS": {"BASE_IMAG": "python"}},
            f"{HOST}:7: BUILD_ARGS: docker_images/cpu/pytorch_2.13/Dockerfile declares no ARG BASE_IMAG; did you mean",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_host_yaml_that_cannot_be_used_is_refused(project, keys, message):
    project.host_yaml(**keys)
    assert message in refused(project)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VENDOR: cpu\nHOSTS: [127.0.0.1\nCASES: {}\n", "my.yaml:3:6: YAML syntax: expected ',' or ']'"),
        ("VENDOR: cpu\nVENDOR: nvidia\n", "my.yaml:2: key 'VENDOR' stands here again; first in line 1"),
        ("- VENDOR\n", "my.yaml: expected 'key: value' lines"),
        ("", "my.yaml: key 'VENDOR' is missing\nmy.yaml: key 'HOSTS' is missing\nmy.yaml: key 'CASES' is missing"),
        (
            "VENDOR: {{ vendor }}\n",
            "my.yaml:1:10: YAML syntax: a key must be a word or a number; text that begins with {, as {{ this }}",
        ),
        ("VENDOR: cpu\nSSH_PORT: !!int ssh\n", "my.yaml:2:11: YAML syntax: 'ssh' is no int"),
        ("VENDOR: cpu\nCASES: 2024-02-30\n", "my.yaml:2:8: YAML syntax: '2024-02-30' is no timestamp"),
        ("VENDOR: cpu\nHOSTS: &h [*h]\n", "my.yaml:2:8: YAML syntax: an alias within what it names"),
        ("A: &a [1]\n" + BOMB, "my.yaml:17:4: YAML syntax: its aliases stand for more than 100,000 values"),
        ("VENDOR: cpu\nHOSTS: " + "[" * 100 + "]" * 100, "my.yaml:2:58: YAML syntax: nested too deeply"),
        ("VENDOR: cpu\nSSH_PORT: 0x" + "f" * 5000, "' is too large a number"),
        ("VENDOR: cpu\nSSH_PORT: " + "9" * 5000, "my.yaml:2:11: YAML syntax: '999"),
        ('VENDOR: cpu\nSSH_USER: "\\ud800"\n', r"my.yaml:2:11: YAML syntax: '\ud800' has a character that cannot be used in it"),
        ("VENDOR: cpu\n\0", r"my.yaml:2:1: YAML syntax: the character '\x00' cannot be used"),
        ("VENDOR: cpu\n22: SSH_PORT\n", "my.yaml:2: 22 cannot be a key, as it is no text; put it in quotes"),
        (f"VENDOR: {'x' * 300}\nHOSTS: [h]\nCASES: {{a: b}}\n", "must be the name of a folder: up to 100 letters"),
        ("VENDOR: cpu\nHOSTS: [h]\nCASES: {a: b}\nCASE_TIMEOUT: .inf\n", "my.yaml:4: CASE_TIMEOUT is inf: input should be less"),
        ("VENDOR: 'caf\udce9'", "my.yaml: cannot be read: 'utf-8' codec can't decode byte 0xe9"),
    ],
    ids=lambda text: text[:40],
)
def test_a_file_that_is_no_host_yaml_is_refused(project, text, message):
    (project.folder / "my.yaml").write_text(text, errors="surrogateescape")
    assert message in refused(project, "--config", "my.yaml")


def test_a_file_that_cannot_be_read_is_refused(project):
    assert refused(project, "--config", "nothing.yaml") == "run.py: nothing.yaml: no such file\n"
    assert "configs: cannot be read: [Errno 21] Is a directory" in refused(project, "--config", "configs")


@pytest.mark.parametrize("command", ["check", "run"])
def test_no_case_is_exit_4(project, command):
    project.host_yaml(CASES={})
    said = refused(project, command=command, status=4)
    assert said == f'run.py: {HOST}:4: CASES is empty; add a line like \'"digits:pytorch_2.13": "embedded"\'\n'


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (VENDOR, "compiler: openvino\n", f"{VENDOR}:1: 'compiler' has the value it already has in {CASE}:8; remove the line"),
        (VENDOR, "split: 2\n", f"{VENDOR}:1: 'split' stands in {PARAMETERS}:1, which no vendor may change"),
        (VENDOR, "log_freq: 7\nHOSTS: []\n", f"{VENDOR}:2: 'HOSTS' is a key of host.yaml or of the run itself; remove it here"),
        (VENDOR, "batch_size: many\n", f"{VENDOR}:1: 'batch_size' is 'many', but must be a whole number, 1 or more"),
        (
            VENDOR,
            "compiler: onnxruntim\n",
            f"{VENDOR}:1: compiler 'onnxruntim': inference_engine/cpu/onnxruntim.py does not exist",
        ),
        (VENDOR, "batch_size: [\n", f"{VENDOR}:2:1: YAML syntax: expected the node content"),
        (PARAMETERS, "split: 1\nrepeat: 3\n", f"{CASE}:11: 'repeat' also stands in {PARAMETERS}:2; keep it in one of them"),
        (CASE, "batch_size: 8\ncompiler: openvino\nrepeats: 3\n", f"{CASE}:3: unknown key 'repeats'; did you mean 'repeat'?"),
        (CASE, "batch_size: 8\ncompiler: {{ compiler }}\n", f"{CASE}:2:12: YAML syntax: a key must be a word or a number"),
        (PARAMETERS, "split: !!float x\n", f"{PARAMETERS}:1:8: YAML syntax: 'x' is no float"),
        (VENDOR, "batch_size: !!binary aGk=\n", f"{VENDOR}:1: 'batch_size' is b'hi', but must be a whole number, 1 or more"),
        (CASE, "compiler: openvino\n", f"{CASE}: 'batch_size' is missing"),
        (CASE, "batch_size: 8\ncompiler: null\nflops: exit(1)\n", f"{CASE}:3: 'flops' is 'exit(1)', but not a number"),
    ],
)
def test_a_case_s_files_that_break_the_rules_are_refused(project, file, text, message):
    project.host_yaml()
    project.write(PARAMETERS, "split: 1\n")
    project.write(file, text)
    assert message in refused(project)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["no_validation=true", "compiler=null"], "--set: no_validation with compiler null measures nothing; set one of them"),
        (["no_validation=true"], "--set: no_validation needs exist_onnx_path, as no model is there to export"),
        (["compiler=null", "exist_compiler_path=/m"], "--set: exist_compiler_path is set, but compiler is null"),
        (["fp16=true", "precision=bf16"], "--set: fp16 is true, but precision is bf16; set fp16: false"),
        (["repeats=3"], "--set repeats: neither the case nor vendor cpu has such a key; did you mean 'repeat'?"),
        (["VENDORS=cpu"], "--set VENDORS: unknown key of host.yaml; did you mean 'VENDOR'?"),
        (["repeat"], "--set repeat: expected KEY=VALUE"),
        (["VENDOR={{ v }}"], "--set VENDOR={{ v }}: the value is not YAML: a key must be a word or a number; text that begins"),
        (["repeat=!!int x"], "--set repeat=!!int x: the value is not YAML: 'x' is no int"),
        (["repeat=" + "[" * 1000], "the value is not YAML: nested too deeply"),
        (["compiler=" + "x" * 300], "must be the name of a module"),
        (["compiler=onnxruntim"], "does not exist; did you mean 'onnxruntime'?; vendor cpu has: inductor, onnxruntime, openvino"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(project, settings, message):
    project.host_yaml()
    assert message in refused(project, *(word for setting in settings for word in ("--set", setting)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--case", "digit"), f"--case digit: not in CASES of {HOST}; did you mean 'digits'?; add it there"),
        (("--vendor", "cpus"), "--vendor: unknown vendor 'cpus'; did you mean 'cpu'?"),
    ],
)
def test_a_command_line_that_names_what_is_not_there_is_refused(project, arguments, message):
    project.host_yaml()
    assert message in refused(project, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["runn"], "invalid choice: 'runn'"), (["--cases", "digits"], "unrecognized arguments: --cases digits")],
)
def test_an_unknown_command_or_option_is_exit_2_with_usage(project, arguments, message):
    said = project.run(*arguments)
    assert (said.status, message in said.output, said.output.startswith("usage: run.py")) == (2, True, True)


def test_run_refuses_what_check_finds_with_all_problems_at_once(project):
    project.host_yaml(CASES={"digit:pytorch_2.13": "embedded", "digits:pytorch_2.13": "embedded"}, ACCE_CONTAINER_OPT="--nope")
    project.write(VENDOR, "HOSTS: []\n")
    assert refused(project, command="run") == (
        f"run.py: {HOST}:8: ACCE_CONTAINER_OPT: unknown option '--nope'; did you mean '--net'?\n"
        f"{HOST}:4: unknown case 'digit'; did you mean 'digits'?; there is: digits, resnet50\n"
        f"{VENDOR}:1: 'HOSTS' is a key of host.yaml or of the run itself; remove it here\n"
    )


def test_data_that_is_not_there_is_found_before_anything_starts(project):
    project.host_yaml(CASES={"digits:pytorch_2.13": "/no/such/folder"})
    said = "data directory /no/such/folder of digits:pytorch_2.13 is missing or unreadable; correct CASES, or take what is built"
    checked, ran = project.run("check"), project.run()
    assert (checked.status, ran.status) == (2, 2)
    assert f"problem 127.0.0.1: {said} into digits: embedded" in checked.output
    assert ran.case()["reasons"] == [{"kind": "CONFIG", "message": f"127.0.0.1: {said} into digits: embedded"}]
    assert "guest" not in ran.output, "a guest was started for it"


@pytest.mark.parametrize("key", ["exist_onnx_path", "exist_compiler_path", "user_conf", "mlperf_conf"])
def test_a_file_that_a_switch_names_is_looked_for_before_anything_starts(project, key):
    project.host_yaml()
    said = f"{key} {project.folder}/onnxs/none of digits:pytorch_2.13 is missing or unreadable; put it there, or correct --set"
    assert f"problem 127.0.0.1: {said}" in refused(project, "--set", f"{key}=onnxs/none")
