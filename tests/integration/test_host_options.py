"""Racks that are not uniform: what HOST_OPTIONS says for one host reaches the guest there; with real hosts."""

import pytest
from lab_fixtures import CONTAINER_OPTIONS

pytestmark = pytest.mark.docker

TELLING = """
def create_model(config):
    import os, pathlib
    print("SEEN", os.environ["WHOSE"], pathlib.Path(config.data_dir, "whose").read_text(), config.data_dir, flush=True)
    return lambda inputs: (inputs, 0.0)
"""


def test_the_guest_of_each_host_sees_what_host_options_says_for_it(far, lab_hosts):
    one, other = lab_hosts
    case = far.case("quick", code=TELLING)
    [(name, shared)] = case.items()
    own = f"{far.lab.there}/its own data"
    texts = {one.disk / "data": "for all", other.disk / "data": "nobody's", other.disk / "its own data": "other's"}
    for folder, text in texts.items():
        folder.mkdir(exist_ok=True)
        (folder / "whose").write_text(text)
    options = {"DATA": {name: own}, "ACCE_CONTAINER_OPT": f"{CONTAINER_OPTIONS} -e WHOSE=other"}
    far.write(case, HOST_OPTIONS={other.address: options}, ACCE_CONTAINER_OPT=f"{CONTAINER_OPTIONS} -e WHOSE=all")
    run = far.run()
    assert run.status == 0, run.output
    folder = far.project.results / "latest" / name
    said = [(folder / f"{host.address}_noderank{rank}/stdout_err.out.log").read_text() for rank, host in enumerate(lab_hosts)]
    assert f"SEEN all for all {shared}\n" in said[0]
    assert f"SEEN other other's {own}\n" in said[1]
