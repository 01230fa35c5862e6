"""Facts about the machine."""

import sys
from types import SimpleNamespace

import pytest

from tools.environment import cpu_flags, cpu_model, environment, host_port, in_container


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9654\n\nprocessor\t: 1\nmodel name\t: AMD EPYC 9654\n")
    assert cpu_model(cpuinfo) == "AMD EPYC 9654"


def test_a_container_is_known_by_its_mark(tmp_path, monkeypatch):
    monkeypatch.delenv("container", raising=False)
    assert not in_container(tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert in_container(tmp_path)


def test_the_place_in_the_run_and_the_installed_packages_are_facts(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    facts = environment()
    assert facts["variables"]["RANK"] == "3"
    assert "PyYAML" in facts["packages"]
    assert facts["cpu_cores"] >= 1


def test_what_the_processor_can_do_is_what_the_kernel_says(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2\nvmx flags\t: vnmi\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n")
    assert (cpu_flags(cpuinfo), cpu_flags(tmp_path / "none")) == ("fpu avx2", "")


def test_the_variable_that_chooses_devices_is_a_fact_with_its_value(monkeypatch):
    monkeypatch.delenv("ACCE_VISIBLE_DEVICE_ENV_NAME", raising=False)
    assert environment()["visible_devices"] is None
    monkeypatch.setenv("ACCE_VISIBLE_DEVICE_ENV_NAME", "MY_DEVICES")
    assert environment()["visible_devices"] == {"variable": "MY_DEVICES", "value": None}
    monkeypatch.setenv("MY_DEVICES", "1,3")
    assert environment()["visible_devices"] == {"variable": "MY_DEVICES", "value": "1,3"}


@pytest.mark.parametrize(
    ("ports", "rank", "port"),
    [("2222", "3", 2222), ("2222,2223", "1", 2223), ("2222,2223", "2", None), ("", "0", None), ("2222,2223", "", 2222)],
)
def test_a_host_has_the_port_that_is_for_all_or_its_own(ports, rank, port):
    assert host_port(ports, rank) == port


def test_what_torch_can_use_here_is_a_fact(monkeypatch):
    threads = {name: lambda: 2 for name in ("get_num_threads", "get_num_interop_threads")}
    card = SimpleNamespace(is_available=lambda: True)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.5.1+cu124", cuda=card, **threads))
    facts = environment()["torch"]
    assert (facts["version"], facts["accelerator"]) == ("2.5.1+cu124", "cuda")
