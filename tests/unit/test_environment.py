"""Facts about the machine."""

from tools.environment import cpu_model, environment, in_container


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
