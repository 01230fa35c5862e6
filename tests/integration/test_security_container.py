"""From inside of a container: what can be written, which privileges there are, and which limits hold."""

import json

import pytest

pytestmark = pytest.mark.docker

WRITE_EVERYWHERE = """
import json, os
mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
def writable(place):
    folder = place if os.path.isdir(place) else os.path.dirname(place)
    try:
        with open(os.path.join(folder, ".probe"), "w") as file:
            file.write("x")
        os.unlink(os.path.join(folder, ".probe"))
        return True
    except OSError:
        return False
CGROUPS = [place for place in mounts if place.startswith("/sys/fs/cgroup/")] or ["/sys/fs/cgroup"]
host = [place for place in mounts if os.stat(place).st_dev == os.stat(CODE).st_dev]
print(json.dumps({
    "writable": sorted(set(filter(writable, [*host, CODE, DATA, "/", "/proc/sys/kernel", "/sys", *CGROUPS]))),
    "sockets": [path for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd") if os.path.exists(path)],
}))
"""

GAIN = """
import ctypes, json, os, socket
def allowed(attempt):
    try:
        attempt()
        return True
    except OSError:
        return False
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "allowed": [name for name, attempt in {
        "device": lambda: os.mknod(LOGS + "/disk", 0o60600, os.makedev(254, 0)),
        "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "mount": lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
        "remount": lambda: call("mount", None, CODE.encode(), None, 32 | 4096, None),
        "module": lambda: call("init_module", b"", 0, b""),
        "clock": lambda: call("settimeofday", (ctypes.c_long * 2)(1, 0), None),
        "host name": lambda: socket.sethostname("owned"),
        "file capability": lambda: os.setxattr(LOGS + "/probe", "security.capability", b"\\x01\\0\\0\\x02" + b"\\xff" * 16),
        "kernel log": lambda: os.close(os.open("/dev/kmsg", os.O_WRONLY)),
        "memory": lambda: open("/dev/mem", "rb").close(),
        "reboot": lambda: open("/proc/sysrq-trigger", "w").close(),
    }.items() if allowed(attempt)],
}))
"""


def told(container, tmp_path, script, **changes):
    """What the script prints as JSON; CODE, DATA and LOGS are its folders."""
    names = {"CODE": tmp_path / "code", "DATA": tmp_path / "data", "LOGS": tmp_path / "logs"}
    head = "".join(f"{name} = {str(path)!r}\n" for name, path in names.items()) + "open(LOGS + '/probe', 'w').close()\n"
    lines = []
    with container(**changes) as place:
        assert place.run(["python3", "-c", head + script], timeout=60, on_line=lines.append) == 0, lines
        return json.loads(lines[-1]), place


def test_of_the_host_only_logs_and_exported_models_can_be_written(container, tmp_path):
    found, _ = told(container, tmp_path, WRITE_EVERYWHERE)
    of_host = [place for place in found["writable"] if place.startswith(str(tmp_path))]
    assert of_host == [str(tmp_path / "code" / "onnxs"), str(tmp_path / "logs")]
    assert not [place for place in found["writable"] if place.startswith(("/proc", "/sys"))]
    assert found["sockets"] == []


def test_a_guest_cannot_gain_privileges(container, tmp_path):
    found, place = told(container, tmp_path, GAIN)
    assert found["no_new_privileges"] == "1"
    assert found["allowed"] == []
    assert place.notes == []


def test_what_container_options_ask_for_is_given_and_nothing_else(container, tmp_path):
    found, _ = told(container, tmp_path, GAIN, container_options="--cap-add NET_RAW")
    assert "raw socket" in found["allowed"]
    assert "device" not in found["allowed"]


@pytest.mark.parametrize(("options", "dropped"), [("--cap-add ALL", []), ("--cap-add MKNOD", ["CAP_AUDIT_WRITE", "CAP_NET_RAW"])])
def test_capabilities_that_were_asked_for_are_not_dropped(container, options, dropped):
    create, host = container(container_options=options).keywords()
    assert set(dropped) <= set(host["cap_drop"])
    assert "CAP_MKNOD" not in host["cap_drop"]
    assert "no-new-privileges" in host["security_opt"]
    assert create["user"] == "0:0"


def test_limits_that_hold_are_not_noted(container, docker_client):
    with container(container_options="-m 64m --memory-swap 64m --cpus 1 --pids-limit 100") as place:
        taken = docker_client.api.inspect_container(place._name)["HostConfig"]
    assert taken["Memory"] == 64 * 2**20
    assert place.notes == []


def test_what_a_container_s_root_wrote_belongs_to_the_caller_and_nothing_of_root_s_is_left(container, tmp_path):
    script = (
        f"mkdir -p {tmp_path}/logs/a/b onnxs/c; echo x > {tmp_path}/logs/a/b/file; echo x > onnxs/c/file; chmod 600 onnxs/c/*"
    )
    with container(owner=(1234, 2345)) as place:
        assert place.run(["sh", "-c", script], timeout=30, on_line=print) == 0
    made = [path for folder in (tmp_path / "logs", tmp_path / "code" / "onnxs") for path in folder.rglob("*")]
    assert {path.lstat().st_uid for path in made} == {1234}
    assert len(made) == 5
