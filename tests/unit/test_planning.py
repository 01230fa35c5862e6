import re
from pathlib import Path

import pytest

from tools.config_manager import HOST_KEYS
from tools.errors import ConfigError, NoCaseError
from utils.config_text import is_loopback
from utils.host_config import HostConfig, load_host_config
from utils.monitoring import base
from utils.planning import Request, examine, plan_run

ROOT = Path(__file__).parents[2]
HOST_YAML = 'VENDOR: cpu\nHOSTS: ["localhost"]\nRUNTIME: process\nCASES:\n  "digits:pytorch_2.13": embedded\n'
OWN = (
    HOST_YAML
    + """\
HOST_OPTIONS:
  localhost:
    SSH_PORT: 2222
    DATA: {"digits:pytorch_2.13": /mnt/digits}
    ACCE_CONTAINER_OPT: "--gpus all"
    SHM_SIZE: 64G
"""
)
FLAGPERF = """\
FLAGPERF_PATH: "/home//FlagPerf/inference"
FLAGPERF_LOG_PATH: "result"
VENDOR: "nvidia"
FLAGPERF_LOG_LEVEL: "INFO"
LOG_CALL_INFORMATION: True
HOSTS: ["10.1.2.155"]
SSH_PORT: "22"
HOSTS_PORTS: ["2222"]
MASTER_PORT: "29501"
SHM_SIZE: "32G"
ACCE_CONTAINER_OPT: " --gpus all"
PIP_SOURCE: "https://mirror.example.org/simple"
CLEAR_CACHES: True
ACCE_VISIBLE_DEVICE_ENV_NAME: "CUDA_VISIBLE_DEVICES"
CASES:
    "resnet50:pytorch_2.5": "/raid/dataset/ImageNet_1k_2012/val"
"""


@pytest.fixture
def config(tmp_path):
    def written(text=HOST_YAML):
        path = tmp_path / "host.yaml"
        path.write_text(text)
        return path

    return written


def request(path, **more):
    return Request(path, **more)


def test_the_types_of_host_yaml_and_the_names_that_cases_may_not_use_are_the_same():
    assert set(HostConfig.model_fields) == set(HOST_KEYS)


@pytest.mark.parametrize(("seconds", "right"), [("0.049", False), ("0.05", True), ("3600", True), ("3600.1", False)])
def test_the_monitors_take_every_interval_that_host_yaml_takes_and_no_other(config, monkeypatch, tmp_path, seconds, right):
    monkeypatch.setenv("ACCELMARK_MONITOR_INTERVAL", seconds)
    monkeypatch.setattr(base, "_start", lambda source, folder, pid_file, interval: 0)
    started = base.main(base.Monitor("x", list), ["-o", "start", "-l", str(tmp_path)])
    try:
        load_host_config(config(f"{HOST_YAML}MONITOR_INTERVAL: {seconds}\n"))
        accepted = True
    except ConfigError:
        accepted = False
    assert (accepted, started == 0) == (right, right)


def test_a_host_yaml_of_flagperf_works_as_it_is(config):
    loaded = load_host_config(config(FLAGPERF))
    assert (loaded.config.SSH_PORT, loaded.config.HOSTS_PORTS, loaded.config.MASTER_PORT) == (22, [2222], 29501)
    assert loaded.config.RUNTIME == "docker"
    plan = plan_run(request(config(FLAGPERF)), ROOT)
    assert plan.code_path == "/home/FlagPerf/inference"
    assert plan.hosts[0].ssh
    assert plan.environment["MASTER_ADDR"] == "10.1.2.155"
    assert plan.cases[0].data_directory == "/raid/dataset/ImageNet_1k_2012/val"


def test_the_complete_file_of_the_manual_works_as_it_is(config):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/using.md").read_text(), re.DOTALL)
    complete = [text for text in blocks if text.startswith("VENDOR")]
    plan = plan_run(request(config(complete[0])), ROOT)
    assert (plan.vendor, plan.runtime, plan.hosts[0].user) == ("nvidia", "docker", "bench")
    assert plan.cases[0].data_directory == "/data/imagenet/val"


def test_the_shipped_host_yaml_is_the_embedded_default():
    plan = plan_run(request(ROOT / "configs/host.yaml"), ROOT)
    assert (plan.runtime, plan.vendor, [host.ssh for host in plan.hosts]) == ("process", "cpu", [False])
    assert {case.case for case in plan.cases} == {"digits", "resnet50"}
    assert [case.data_directory for case in plan.cases] == [None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HOST_YAML + "SHM_SIZES: 3G\n", "host.yaml:6: unknown key 'SHM_SIZES'; did you mean 'SHM_SIZE'?"),
        (HOST_YAML.replace("VENDOR: cpu\n", ""), "host.yaml: key 'VENDOR' is missing"),
        (HOST_YAML.replace("VENDOR: cpu", "VENDOR: cpx"), "host.yaml:1: unknown vendor 'cpx'; there is: cpu, nvidia"),
        (HOST_YAML.replace("digits:", "digit:"), "host.yaml:4: unknown case 'digit'; did you mean 'digits'?"),
        (HOST_YAML.replace("pytorch_2.13", "jax"), "host.yaml:4: unknown framework of case digits 'jax'; there is: pytorch"),
        (HOST_YAML.replace("digits:pytorch_2.13", "digits"), "host.yaml:4: CASES: 'digits' is not '<case>:<framework>'"),
        (HOST_YAML.replace("digits:pytorch_2.13", "../../etc:x"), "is not '<case>:<framework>'"),
        (HOST_YAML.replace("process", "docker").replace("2.13", "1.0"), "no Dockerfile; frameworks of cpu: pytorch_2.13"),
        (HOST_YAML + "SSH_PORT: abc\n", "host.yaml:6: SSH_PORT is 'abc'"),
        (HOST_YAML + "SSH_PORT: 70000\n", "host.yaml:6: SSH_PORT is 70000"),
        (HOST_YAML.replace('["localhost"]', "localhost"), "host.yaml:2: HOSTS is 'localhost': input should be a valid list"),
        (HOST_YAML.replace('["localhost"]', '["-oProxyCommand=x"]'), "must be a host name or an IP address"),
        (HOST_YAML.replace('["localhost"]', '["a", "a"]'), "HOSTS names a host twice: a; name it once"),
        (
            HOST_YAML.replace('"localhost"', "localhost, node2, 127.0.0.2"),
            "host.yaml:2: HOSTS names this machine more than once: localhost, 127.0.0.2",
        ),
        (
            HOST_YAML.replace('"localhost"', "a, b") + "CONNECTION: local\n",
            "than once: a, b (CONNECTION is local); keep one of them",
        ),
        (HOST_YAML + "HOSTS_PORTS: [1, 2]\n", "HOSTS_PORTS needs one port, or one for each of HOSTS"),
        (HOST_YAML + "RUNTIME: podman\n", "key 'RUNTIME' stands here again"),
        (HOST_YAML + "IMAGE_SOURCE: pull\n", "IMAGE_SOURCE pull needs IMAGE_REGISTRY"),
        (HOST_YAML + "CASE_TIMEOUT: 0\n", "host.yaml:6: CASE_TIMEOUT is 0"),
        (HOST_YAML + 'ACCE_CONTAINER_OPT: "--gpuz all"\n', "did you mean '--gpus'?"),
        (HOST_YAML.replace("process", "docker") + "BUILD_ARGS: {BASE_IMAG: x}\n", "host.yaml:6: BUILD_ARGS"),
        (HOST_YAML.replace('"digits:pytorch_2.13": embedded', "digits:pytorch_2.13: 3"), "CASES['digits:pytorch_2.13'] is 3"),
        ("VENDOR: [\n", "host.yaml:2:1: YAML syntax"),
        (OWN.replace("SSH_PORT", "SSH_PROT"), "host.yaml:8: HOST_OPTIONS['localhost']: unknown key 'SSH_PROT'; did you mean"),
        (OWN.replace("2222", "70000"), "host.yaml:8: HOST_OPTIONS['localhost']['SSH_PORT'] is 70000: input should be less"),
        (OWN.replace("  localhost:", "  localhots:"), "host.yaml:7: HOST_OPTIONS: 'localhots' is not in HOSTS; did you mean"),
        (OWN.replace("  localhost:", "  -x:"), "host.yaml:7: HOST_OPTIONS['-x'] is '-x': must be a host name or an IP address"),
        (OWN.replace('pytorch_2.13": /', 'pytorch_2.12": /'), "host.yaml:9: HOST_OPTIONS['localhost']['DATA']: 'digits:"),
        (OWN.replace("--gpus", "--gpuz"), "host.yaml:10: HOST_OPTIONS['localhost']: ACCE_CONTAINER_OPT: unknown option '--gpuz'"),
        (OWN.replace("64G", "64Q"), "host.yaml:11: HOST_OPTIONS['localhost']: SHM_SIZE: '64Q'"),
        (HOST_YAML + "SHM_SIZE: lots\n", "host.yaml:6: SHM_SIZE: 'lots': not a size"),
    ],
)
def test_a_wrong_host_yaml_is_an_error_with_file_line_and_remedy(config, text, message):
    with pytest.raises(ConfigError) as caught:
        plan_run(request(config(text)), ROOT)
    assert message in str(caught.value)


def test_hosts_that_are_reached_over_ssh_may_be_one_machine(config):
    plan = plan_run(request(config(HOST_YAML.replace('"localhost"', "localhost, 127.0.0.1") + "CONNECTION: ssh\n")), ROOT)
    assert [host.ssh for host in plan.hosts] == [True, True]


def test_all_that_is_wrong_is_said_at_once(config):
    with pytest.raises(ConfigError) as caught:
        plan_run(request(config(HOST_YAML + "SSH_PORT: 0\nCASE_TIMEOUT: x\n")), ROOT)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "text", [HOST_YAML.split("CASES", maxsplit=1)[0] + "CASES: {}\n", HOST_YAML.split("CASES", maxsplit=1)[0] + "CASES:\n"]
)
def test_no_case_is_an_outcome_of_its_own(config, text):
    with pytest.raises(NoCaseError):
        plan_run(request(config(text)), ROOT)


def test_the_command_line_narrows_and_overrides_and_the_plan_says_so(config):
    two = HOST_YAML + '  "resnet50:pytorch_2.13": synthetic\n'
    asked = request(config(two), cases=("resnet50",), settings=("batch_size=2", "CASE_TIMEOUT=5"))
    plan = plan_run(asked, ROOT)
    assert [case.case for case in plan.cases] == ["resnet50"]
    assert plan.cases[0].config["batch_size"] == {"value": 2, "origin": "--set"}
    assert (plan.case_timeout, plan.host_config["CASE_TIMEOUT"]["origin"]) == (5.0, "--set")
    assert plan.overrides == ("--case resnet50", "--set batch_size=2", "--set CASE_TIMEOUT=5")


def test_the_command_line_takes_another_vendor_and_the_plan_says_so(config):
    plan = plan_run(request(config(), vendor="nvidia", settings=("compiler=null",)), ROOT)
    assert (plan.vendor, plan.cases[0].vendor, plan.cases[0].config["vendor"]["value"]) == ("nvidia", "nvidia", "nvidia")
    assert plan.host_config["VENDOR"] == {"value": "nvidia", "origin": "--vendor"}
    assert plan.overrides == ("--vendor nvidia", "--set compiler=null")
    with pytest.raises(ConfigError, match="--vendor: unknown vendor 'nvidea'; did you mean 'nvidia'"):
        plan_run(request(config(), vendor="nvidea"), ROOT)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cases": ("digit",)}, "--case digit: not in CASES"),
        ({"settings": ("CASE_TIMEOT=5",)}, "--set CASE_TIMEOT: unknown key of host.yaml; did you mean 'CASE_TIMEOUT'?"),
        ({"settings": ("compiler=tensorrt",)}, "--set: compiler 'tensorrt': inference_engine/cpu/tensorrt.py does not exist"),
        ({"vendor": "nvidiaa"}, "--vendor: unknown vendor 'nvidiaa'; did you mean 'nvidia'?"),
    ],
)
def test_a_wrong_command_line_is_an_error_that_says_what_there_is(config, more, message):
    with pytest.raises(ConfigError) as caught:
        plan_run(request(config(), **more), ROOT)
    assert message in str(caught.value)


def test_a_setting_that_is_wrong_for_each_case_in_its_own_way_names_the_case_each_time(config):
    two = config(HOST_YAML + '  "resnet50:pytorch_2.13": synthetic\n')
    unlike = examine(request(two, settings=("num_classes=4",)), ROOT).problems
    assert [problem.partition(": it stands")[0].partition(": neither")[0] for problem in unlike] == [
        "digits:pytorch_2.13: --set num_classes",
        "resnet50:pytorch_2.13: --set num_classes",
    ]
    [alike] = examine(request(two, settings=("repeats=4",)), ROOT).problems
    assert alike.startswith("--set repeats: neither")


def test_the_value_of_the_visible_devices_is_passed_on(config, monkeypatch):
    monkeypatch.setenv("MY_DEVICES", "0,1")
    plan = plan_run(request(config(HOST_YAML + "ACCE_VISIBLE_DEVICE_ENV_NAME: MY_DEVICES\nHOSTS_PORTS: [2222]\n")), ROOT)
    assert (plan.environment["MY_DEVICES"], plan.environment["HOSTS_PORTS"]) == ("0,1", "2222")
    assert plan.environment["ACCE_VISIBLE_DEVICE_ENV_NAME"] == "MY_DEVICES"


def test_a_password_in_an_address_is_not_in_the_report(config):
    plan = plan_run(request(config(HOST_YAML + 'PIP_SOURCE: "https://me:secret@mirror.example.org/simple"\n')), ROOT)
    assert "secret" not in str(plan.host_config)
    assert plan.pip_source is not None
    assert "secret" in plan.pip_source


def test_a_remark_about_a_case_is_not_a_problem(config):
    planned = examine(request(config(HOST_YAML + '  "resnet50:pytorch_2.13": synthetic\n')), ROOT)
    assert not planned.problems
    assert any("cpu sets num_workers" in message for _, message in planned.plan.remarks)


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("node2", False)],
)
def test_only_the_loopback_names_are_this_machine(host, here):
    assert is_loopback(host) is here


def test_container_options_that_mean_nothing_here_are_a_remark(config):
    planned = examine(request(config(HOST_YAML + "ACCE_CONTAINER_OPT: -it --rm --gpus all\n")), ROOT)
    assert planned.problems == ()
    said = [message for _, message in planned.plan.remarks if "ACCE_CONTAINER_OPT" in message]
    assert [message.split(": ")[2] for message in said] == ["--interactive is ignored", "--tty is ignored", "--rm is ignored"]


def test_a_host_has_its_own_options_and_the_others_those_of_all(config):
    common = 'SSH_PORT: 22\nSSH_USER: all\nACCE_CONTAINER_OPT: "--ipc host"\nSHM_SIZE: 1G\n'
    plan = plan_run(request(config(OWN.replace('["localhost"]', '["localhost", "node2"]') + common)), ROOT)
    first, second = plan.hosts
    assert [(host.port, host.user) for host in plan.hosts] == [(2222, "all"), (22, "all")]
    assert [(plan.on(host).container_options, plan.on(host).shm_size) for host in plan.hosts] == [
        ("--gpus all", "64G"),
        ("--ipc host", "1G"),
    ]
    assert [plan.on(host).cases[0].data_directory for host in plan.hosts] == ["/mnt/digits", None]
    assert plan.on(first).cases[0].data == "/mnt/digits"
    assert plan.on(second) == plan


def test_a_host_can_have_no_container_options_where_the_others_have_some(config):
    text = OWN.replace('"--gpus all"', '""') + 'ACCE_CONTAINER_OPT: "--gpus all"\n'
    plan = plan_run(request(config(text)), ROOT)
    assert plan.on(plan.hosts[0]).container_options == ""


def test_the_report_says_on_which_line_of_host_yaml_the_data_stands(config):
    case = plan_run(request(config()), ROOT).cases[0]
    assert case.config["data_dir"]["value"] == "embedded"
    assert case.config["data_dir"]["origin"].endswith("host.yaml:5")


def test_a_hosts_data_is_built_in_or_below_the_code_as_in_cases(config):
    text = HOST_YAML.replace("embedded", "/data/digits") + 'HOST_OPTIONS: {localhost: {DATA: {"digits:pytorch_2.13": %s}}}\n'
    plans = [plan_run(request(config(text % data)), ROOT) for data in ("embedded", "data/digits")]
    cases = [plan.on(plan.hosts[0]).cases[0] for plan in plans]
    assert [(case.data, case.data_directory) for case in cases] == [
        ("embedded", None),
        (f"{ROOT}/data/digits", f"{ROOT}/data/digits"),
    ]
    assert cases[0].config["data_dir"] == {"value": "embedded", "origin": "HOST_OPTIONS of localhost"}


def test_the_report_says_each_option_of_a_host_with_its_line(config):
    found = plan_run(request(config(OWN)), ROOT).host_config
    assert found["HOST_OPTIONS[localhost].SSH_PORT"]["value"] == 2222
    assert found["HOST_OPTIONS[localhost].SSH_PORT"]["origin"].endswith("host.yaml:8")
    assert not any(key.endswith("SSH_KEY") for key in found if key.startswith("HOST_OPTIONS"))


def test_options_of_hosts_can_be_set_on_the_command_line(config):
    asked = request(config(OWN), settings=("HOST_OPTIONS={localhost: {SSH_USER: bench}}",))
    plan = plan_run(asked, ROOT)
    assert (plan.hosts[0].user, plan.hosts[0].port) == ("bench", 22)
    assert plan.host_config["HOST_OPTIONS[localhost].SSH_USER"]["origin"] == "--set"
