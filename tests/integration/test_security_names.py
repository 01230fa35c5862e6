"""Names with blanks, quotes, semicolons, `$()`, line ends and leading dashes: each is refused clearly, or means itself."""

import json
import shlex

import pytest
import yaml
from run_fixtures import CHECKOUT, copy_project, in_container
from toy import add_case

from tools.errors import AccelmarkError
from utils.host_config import HostConfig
from utils.planning import Request, examine

PAYLOADS = (
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY;",
    "x && touch CANARY",
    "x | touch CANARY",
    "' ; touch CANARY ; '",
    '" ; touch CANARY ; "',
    "a b",
    "-rf",
    "--help",
    "../../../etc",
    "x\ntouch CANARY",
    "x\x00y",
    "\x1b[2J",
    "\udcff",
    "ünï ☃",
    "%h %r ${HOME} $HOME ~",
    "x'y\"z\\",
    "",
)
UNUSABLE = ("x\ntouch CANARY", "x\x00y", "\x1b[2J", "\udcff")
PLACES = {
    "HOSTS": lambda text: [text],
    "CASES": lambda text: {"digits:pytorch_2.13": text},
    "CASES key": lambda text: {text: "embedded"},
    "HOSTS_PORTS": lambda text: [text],
    "BUILD_ARGS": lambda text: {"BASE_IMAGE": text},
    "BUILD_ARGS key": lambda text: {text: "x"},
    "ACCE_CONTAINER_OPT": lambda text: f"-e {shlex.quote('X=' + text)}",
    "HOST_OPTIONS": lambda text: {"127.0.0.1": {"SSH_USER": text, "DATA": {"digits:pytorch_2.13": text}}},
    "HOST_OPTIONS key": lambda text: {text: {}},
}
TYPED = {key: kind.annotation for key, kind in HostConfig.model_fields.items()}
KEYS = [*(key for key in TYPED if key not in PLACES), *PLACES]


def planned(values):
    """The plan that host.yaml of these values leads to, or what run.py says instead."""
    shown = {"VENDOR": "cpu", "HOSTS": ["127.0.0.1"], "CASES": {"digits:pytorch_2.13": "embedded"}, "RUNTIME": "docker"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("utils.host_config.load_yaml", lambda path: loaded({**shown, **values}))
            return examine(Request(CHECKOUT / "configs/host.yaml"), CHECKOUT), ""
    except AccelmarkError as error:
        return None, str(error)


def loaded(values):
    from tools.config_file import ConfigFile

    return ConfigFile("host.yaml", values, dict.fromkeys(values, 1))


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_host_yaml_is_refused_with_its_key_or_taken_as_it_is(key, payload, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = key.split()[0]
    value = PLACES[key](payload) if key in PLACES else payload
    found, said = planned({name: value})
    if found is None or found.problems:
        said = said or " ".join(found.problems)
        assert name in said or payload[:10] in said or "CASES" in said or "host.yaml" in said, said
        assert all(character >= " " or character == "\n" for character in said), "it steers the terminal"
    elif payload in UNUSABLE and name not in ("ACCE_CONTAINER_OPT", "BUILD_ARGS"):
        pytest.fail(f"{key} took {payload!r}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("payload", ["x\x00y", "\udcff", "\x1b[2J"], ids=ascii)
@pytest.mark.parametrize("key", KEYS)
def test_what_no_command_line_can_carry_is_refused_everywhere(key, payload):
    name = key.split()[0]
    found, said = planned({name: PLACES[key](payload) if key in PLACES else payload})
    assert found is None
    assert "cannot be used" in said


@pytest.mark.parametrize("name", ["fe80::1%eth0;x", "fe80::1%$(id)", "fe80::1%a b", "-oProxyCommand=x", "a/../b", "x;y"])
def test_a_host_s_name_is_a_name_or_an_address_and_nothing_else(name):
    _, said = planned({"HOSTS": [name]})
    assert "must be a host name or an IP address" in said


def test_an_address_with_a_zone_is_one():
    found, _ = planned({"HOSTS": ["fe80::1%eth0"]})
    assert found.plan.hosts[0].host == "fe80::1%eth0"


NASTY = "we ird;$(touch CANARY)`touch CANARY`'\"ü -rf\\ & | > x"
SETTINGS = ("x=$(touch CANARY)", "odd=; touch CANARY", r'''quote="' \" $x;"''', "dash=-rf", "lines=a\nb", "snow=ü☃")
CODE = """
def create_model(config):
    import json
    names = ("x", "odd", "quote", "dash", "lines", "snow", "data_dir")
    print("SEEN " + json.dumps([getattr(config, name) for name in names]))
    def model(inputs):
        time.sleep(0.0003)
        return inputs, 0.0
    return model
"""


def nasty_project(folder, **keys):
    """A project in a folder of an odd name, with its data and its results in such ones too."""
    project = copy_project(folder / NASTY)
    configure(project, **keys)
    return project


def configure(project, name="toy", code=CODE, framework="pytorch_2.13", **keys):
    cases = add_case(project, name, code=code, framework=framework)
    settings = "".join(f"{name}: null\n" for name in ("x", "odd", "quote", "dash", "lines", "snow"))
    path = project.folder / f"configs/{name}/configurations.yaml"
    path.write_text(path.read_text() + settings)
    data = project.folder / f"data {NASTY}"
    data.mkdir()
    project.host_yaml(FLAGPERF_LOG_PATH=f"results {NASTY}", CASES=dict.fromkeys(cases, str(data)), **keys)


def check_nothing_was_run_by_a_shell(project, folder):
    finished = project.run("run", *(word for setting in SETTINGS for word in ("--set", setting)))
    assert finished.status == 0, finished.output
    assert list(folder.rglob("CANARY")) == []
    assert not (CHECKOUT / "CANARY").exists()
    log = next((project.folder / f"results {NASTY}").rglob("stdout_err.out.log")).read_text()
    *more, seen = [json.loads(line.partition(" ")[2]) for line in log.splitlines() if line.startswith("SEEN ")]
    assert seen[0] == "$(touch CANARY)"
    assert seen[1] == "; touch CANARY"
    assert seen[3] == "-rf"
    assert seen[5:] == ["ü☃", str(project.folder / f"data {NASTY}")]
    assert project.run("clean").status == 0
    return more


def test_odd_paths_and_settings_mean_themselves_on_this_machine(tmp_path):
    check_nothing_was_run_by_a_shell(nasty_project(tmp_path), tmp_path)


def test_odd_paths_and_settings_mean_themselves_over_ssh(tmp_path, sshd):
    known = {"SSH_KEY": str(sshd.user_key), "SSH_KNOWN_HOSTS": str(sshd.known_hosts), "SSH_PORT": sshd.port}
    project = nasty_project(tmp_path, CONNECTION="ssh", FLAGPERF_PATH=str(tmp_path / f"there {NASTY}"), **known)
    check_nothing_was_run_by_a_shell(project, tmp_path)


IN_CONTAINER = """
import json, os, pathlib
files = [pathlib.Path(name).read_text() for name in ("/odd", "/odd place/file")]
print("SEEN " + json.dumps([os.environ["X"], os.environ["ODD_DEVICES"], *files]))
"""


@pytest.mark.docker
def test_odd_values_mean_themselves_in_a_run_s_container(tmp_path, base_tag, docker_client):
    project, mounted = copy_project(tmp_path / NASTY), tmp_path / "odd ;$(touch CANARY)'"
    mounted.mkdir()
    (mounted / "file").write_text("here")
    project.environment["ODD_DEVICES"] = NASTY
    with in_container(project, base_tag, docker_client):
        dockerfile = project.folder / "docker_images/cpu/pytorch_here/Dockerfile"
        dockerfile.write_text(dockerfile.read_text() + 'ARG ODD\nRUN printf %s "${ODD}" > /odd\n')
        keys = {**project.docker, "BUILD_ARGS": {**project.docker["BUILD_ARGS"], "ODD": NASTY}}
        mount = f"type=bind,source={mounted},target=/odd place,readonly"
        keys["ACCE_CONTAINER_OPT"] += " " + shlex.join(["-e", f"X={NASTY}\n", "--mount", mount])
        keys.update(FLAGPERF_PATH=str(tmp_path / f"there {NASTY}"), ACCE_VISIBLE_DEVICE_ENV_NAME="ODD_DEVICES")
        configure(project, "Odd+toy-1_", CODE + IN_CONTAINER, "pytorch_here", **keys)
        [seen] = check_nothing_was_run_by_a_shell(project, tmp_path)
    assert seen == [f"{NASTY}\n", NASTY, NASTY, "here"]


@pytest.mark.docker
def test_odd_environment_values_and_mounts_mean_themselves_in_a_container(container, tmp_path):
    folder = tmp_path / "odd ;$(touch CANARY)'"
    folder.mkdir()
    (folder / "file").write_text("here")
    value = "$(touch CANARY) `touch CANARY` ; ' \" \\ \n ü"
    options = f"-e {shlex.quote('X=' + value)} --mount {shlex.quote(f'type=bind,source={folder},target=/odd place,readonly')}"
    lines = []
    with container(container_options=options) as place:
        script = "import json, os; print(json.dumps([os.environ['X'], open('/odd place/file').read()]))"
        assert place.run(["python3", "-c", script], timeout=30, on_line=lines.append) == 0
    assert yaml.safe_load(lines[0]) == [value, "here"]
    assert list(tmp_path.rglob("CANARY")) == []
