import pytest

from tools.config_file import load_yaml, nearest, parse_number
from tools.config_manager import KEYS, read_resolved, resolve, resolved_text
from tools.errors import ConfigError

BASE = "batch_size: 8\ncompiler: foo\nflops: 2*512*0.33e9\nfp16: false\n"


@pytest.fixture
def layers(tmp_path):
    """Writes the three layers of case `c` and resolves them for vendor `v`."""

    def resolved(base=BASE, parameters="", vendor=None, settings=(), context=None):
        folder = tmp_path / "configs" / "c"
        (folder / "vendor_config").mkdir(parents=True, exist_ok=True)
        (folder / "configurations.yaml").write_text(base)
        (folder / "parameters.yaml").write_text(parameters)
        if vendor is not None:
            (folder / "vendor_config" / "v_configurations.yaml").write_text(vendor)
        return resolve(tmp_path, "c", "v", settings, context or {"case": "c"})

    return resolved


def test_layers_are_merged_and_each_value_knows_where_it_came_from(layers):
    resolved = layers(parameters="seq: 3\n", vendor="batch_size: 16\n", settings=["repeat=5"])
    config = resolved.config()
    assert (config.batch_size, config.seq, config.repeat, config.case) == (16, 3, 5, "c")
    assert resolved.origins["batch_size"] == "configs/c/vendor_config/v_configurations.yaml:1"
    assert (resolved.origins["flops"], resolved.origins["warmup"]) == ("configs/c/configurations.yaml:3", "default")
    assert (resolved.origins["repeat"], resolved.origins["seq"]) == ("--set", "configs/c/parameters.yaml:1")


CONTEXT = {"perf_dir": "/code", "data_dir": "/data", "log_dir": "/log", "vendor": "v", "case": "c", "framework": "pytorch"}
ANYTHING = 'day: 2024-05-01\nedge: .inf\nclasses: {1: cat, 2: dog}\nname: "ünï ✓: #"\nnothing: ~\nraw: !!binary aGk=\n'


def as_file(resolved, folder, **changes):
    """The file that a resolved config goes to the guest in, with `changes` to its entries."""
    path = folder / "config.yaml"
    path.write_text(resolved_text({**resolved.as_report(), **changes}))
    return path


def test_a_resolved_config_comes_back_from_its_file_as_it_was(layers, tmp_path):
    resolved = layers(BASE + "batch_sizes: [4, 2]\n", parameters=ANYTHING, context=CONTEXT)
    read = read_resolved(as_file(resolved, tmp_path), CONTEXT)
    assert read.config() == resolved.config()
    assert read.origins == resolved.origins


def test_the_guest_s_own_folders_replace_the_host_s(layers, tmp_path):
    host = layers(context={**CONTEXT, "perf_dir": "/link/to/code"})
    read = read_resolved(as_file(host, tmp_path), {**CONTEXT, "log_dir": "/there"})
    assert (read.values["perf_dir"], read.values["log_dir"]) == ("/code", "/there")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": {"value": "many", "origin": "x"}}, "'batch_size' is 'many', but must be a whole number"),
        ({"batch_size": {"value": 8}}, "'batch_size' is not a value with its origin"),
        ({"vendor": {"value": "w", "origin": "x"}}, "this is the config for vendor w, not for v; leave --config out"),
    ],
)
def test_a_file_that_is_no_resolved_config_of_this_case_is_refused(layers, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=f"config.yaml:[0-9]+: {message}"):
        read_resolved(as_file(layers(context=CONTEXT), tmp_path, **changes), CONTEXT)


def test_a_resolved_config_must_be_whole(tmp_path):
    (tmp_path / "config.yaml").write_text("batch_size: {value: 8, origin: x}\n")
    with pytest.raises(ConfigError, match=r"config.yaml: 'compiler' is missing; let run.py write this file anew"):
        read_resolved(tmp_path / "config.yaml", CONTEXT)


def test_a_file_is_named_from_the_project_s_folder_on(layers):
    values = layers(BASE + "exist_onnx_path: onnxs/a.onnx\nexist_compiler_path: /b.plan\n", context=CONTEXT).values
    assert (values["exist_onnx_path"], values["exist_compiler_path"]) == ("/code/onnxs/a.onnx", "/b.plan")


def test_the_config_is_an_immutable_namedtuple(layers):
    config = layers().config()
    assert "batch_size" in config._fields
    with pytest.raises(AttributeError):
        config.batch_size = 1


def test_both_generations_of_keys_are_known(layers):
    config = layers("batch_size: 1\ncompiler: null\ninput_size: 150528\nfp16: true\n").config()
    assert (config.input_size, config.flops, config.precision) == (150528, None, "fp16")


def test_an_empty_vendor_file_changes_nothing(layers):
    assert layers(vendor="# nothing\n").values["batch_size"] == 8


@pytest.mark.parametrize(
    ("value", "number"), [("4.12e9", 4.12e9), (7, 7.0), ("2*512*0.33e9", 2 * 512 * 0.33e9), ("-(1+2)/4", -0.75)]
)
def test_flops_may_be_a_number_or_arithmetic(value, number):
    assert parse_number(value) == pytest.approx(number)


@pytest.mark.parametrize("value", ["__import__('os').system('true')", "9**9**9**9", "1/0", "a", "", True, None, [1], "(-1)**0.5"])
def test_flops_is_never_code(value):
    with pytest.raises(ValueError):
        parse_number(value)


def test_what_the_four_rules_let_pass_is_remarked(layers):
    remarks = layers(vendor="batch_size: 16\ntmp_path: /x\n").remarks
    assert [level for level, _ in remarks] == ["INFO", "WARNING"]
    assert "v sets batch_size to 16 (was 8)" in remarks[0][1]
    assert "new key 'tmp_path' set by v" in remarks[1][1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"vendor": "batch_size: 8\n"}, "v_configurations.yaml:1: 'batch_size' has the value it already has in configs/c/conf"),
        ({"vendor": "VENDOR: x\n"}, "v_configurations.yaml:1: 'VENDOR' is a key of host.yaml"),
        ({"vendor": "data_dir: x\n"}, "'data_dir' is a key of host.yaml or of the run"),
        (
            {"vendor": "seq: 4\n", "parameters": "seq: 3\n"},
            "'seq' stands in configs/c/parameters.yaml:1, which no vendor may change",
        ),
        (
            {"base": BASE + "seq: 1\n", "parameters": "seq: 3\n"},
            "configurations.yaml:5: 'seq' also stands in configs/c/parameters.yaml:1",
        ),
        ({"parameters": "repeat: 3\n"}, "parameters.yaml:1: 'repeat' belongs in configs/c/configurations.yaml"),
        ({"base": BASE + "batch_sise: 3\n"}, "configurations.yaml:5: unknown key 'batch_sise'; did you mean 'batch_size'?"),
        ({"base": "compiler: foo\n"}, "configurations.yaml: 'batch_size' is missing"),
        ({"base": BASE + "repeat: '3'\n"}, "configurations.yaml:5: 'repeat' is '3', but must be a whole number, 1 or more"),
        ({"base": BASE + "repeat: true\n"}, "'repeat' is True, but must be a whole number"),
        ({"base": BASE + "precision: fp8\n"}, "must be one of fp32, fp16, bf16, int8"),
        ({"base": BASE.replace("foo", "../evil")}, "must be the name of a module"),
        ({"base": BASE + "batch_size: 9\n"}, "configurations.yaml:5: key 'batch_size' stands here again; first in line 1"),
        ({"base": BASE + "  bad: [\n"}, "configurations.yaml:5"),
        ({"base": "- a\n- b\n"}, "expected 'key: value' lines"),
        ({"base": BASE + "no_validation: true\n"}, "no_validation needs exist_onnx_path"),
        ({"base": BASE.replace("foo", "null") + "exist_compiler_path: /x\n"}, "exist_compiler_path is set, but compiler is null"),
        (
            {"base": BASE.replace("foo", "null") + "no_validation: true\nexist_onnx_path: /x\n"},
            "no_validation with compiler null measures nothing",
        ),
        ({"base": BASE.replace("false", "true") + "precision: bf16\n"}, "fp16 is true, but precision is bf16; set fp16: false"),
        ({"parameters": "seq: 3\n", "settings": ["seq=4"]}, "--set seq: it stands in configs/c/parameters.yaml:1"),
        (
            {"settings": ["batch_sise=4"]},
            "--set batch_sise: neither the case nor vendor v has such a key; did you mean 'batch_size'?",
        ),
        ({"settings": ["compiler=null", "audit=true"]}, "--set: 'audit' needs an engine that runs, but compiler is null"),
        ({"settings": ["compile_only=true", "scenarios=[Server]"]}, "'scenarios' needs an engine that runs, but compile_only"),
        ({"settings": ["scenarios=[Sever]"]}, "must be a list of dataset, SingleStream, MultiStream, Server, Offline"),
        ({"settings": ["clients=[0]"]}, "must be a list of whole numbers, 1 or more"),
        ({"settings": ["clients=[100000]"]}, "must be at most 1024 clients"),
        ({"settings": ["percentiles=[98]"]}, "must be a list of 50, 90, 95, 99, 99.9"),
        ({"settings": ["accuracy_target=150%"]}, "must be a percentage, above 0 and up to 100"),
        ({"settings": ["data_percent=0"]}, "must be a percentage, above 0 and up to 100"),
        ({"settings": ["loadgen={Sever: {}}"]}, "must be settings by scenario"),
        ({"settings": ["batch_size"]}, "expected KEY=VALUE"),
        ({"settings": ["batch_size=["]}, "the value is not YAML"),
        ({"settings": ["batch_size=no"]}, "--set: 'batch_size' is False"),
        ({"settings": ["case=x"]}, "--set case: it is given by the run itself"),
    ],
)
def test_what_breaks_a_rule_is_an_error_that_names_file_line_and_key(layers, files, message):
    with pytest.raises(ConfigError) as caught:
        layers(**files)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"a: \x01", b"a: !!python/object/apply:os.system [true]"])
def test_what_is_not_plain_yaml_text_is_an_error_and_never_run(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        load_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nothing.yaml: no such file"):
        load_yaml(tmp_path / "nothing.yaml")


def test_every_key_has_a_default_that_its_own_check_accepts():
    for name, key in KEYS.items():
        if not key.required and key.default is not None:
            assert key.check(key.default) == key.default, name


def test_the_nearest_word_is_only_given_when_it_is_near():
    assert nearest("shm_sizes", ["SHM_SIZE", "HOSTS"]) == "; did you mean 'SHM_SIZE'?"
    assert nearest("xyz", ["SHM_SIZE"]) == ""
