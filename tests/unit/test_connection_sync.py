"""Which files are the code."""

from pathlib import Path

from utils.connection.sync import code_files


def test_code_is_what_a_host_needs_and_nothing_that_is_generated(tmp_path):
    wanted = ["configs/host.yaml", "docker_images/cpu/.dockerignore", "run_inference.py", "tools/contract.py"]
    unwanted = [
        "tools/__pycache__/x.pyc",
        "configs/mine.local.yaml",
        "tests/unit/test_x.py",
        "result/run1/report.json",
        "onnxs/x.onnx",
        ".git/config",
        "utils/.cache/x",
    ]
    for name in wanted + unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert code_files(tmp_path) == wanted


def test_this_checkout_has_the_guest_s_entry_and_contract():
    names = code_files(Path(__file__).parents[2])
    assert {"run_inference.py", "tools/contract.py"} <= set(names)
