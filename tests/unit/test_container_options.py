import pytest

from tools.errors import ConfigError
from utils.runtime.options import idle_options, parse_options, read_shm_size, split_create_keys


def device(host, container, mode="rwm"):
    return {"devices": [{"PathOnHost": host, "PathInContainer": container, "CgroupPermissions": mode}]}


GPU = {"driver": "", "count": 0, "device_ids": None, "capabilities": [["gpu"]], "options": {}}

READ = [
    ("", {}),
    ("--gpus all", {"device_requests": [{**GPU, "count": -1}]}),
    ("--gpus=2", {"device_requests": [{**GPU, "count": 2}]}),
    ("""--gpus '"device=0,1"'""", {"device_requests": [{**GPU, "device_ids": ["0", "1"]}]}),
    ('--gpus "device=0,1"', {"device_requests": [{**GPU, "device_ids": ["0", "1"]}]}),
    ("--gpus device=GPU-3a23", {"device_requests": [{**GPU, "device_ids": ["GPU-3a23"]}]}),
    (
        """--gpus 'all,"capabilities=compute,utility"'""",
        {"device_requests": [{**GPU, "count": -1, "capabilities": [["compute", "utility", "gpu"]]}]},
    ),
    ("--device /dev/dri", device("/dev/dri", "/dev/dri", "rwm")),
    ("--device=/dev/xpu0:/dev/x:rw", device("/dev/xpu0", "/dev/x", "rw")),
    ("--device /dev/xpu0:r", device("/dev/xpu0", "/dev/xpu0", "r")),
    (
        "--device nvidia.com/gpu=all",
        {"device_requests": [{**GPU, "driver": "cdi", "device_ids": ["nvidia.com/gpu=all"], "capabilities": []}]},
    ),
    ("--device-cgroup-rule 'c 195:* rmw'", {"device_cgroup_rules": ["c 195:* rmw"]}),
    ("--group-add video --group-add=44", {"group_add": ["video", "44"]}),
    ("--privileged", {"privileged": True}),
    ("--privileged=false", {"privileged": False}),
    ("--init", {"init": True}),
    ("-v /a:/b -v/c:/d:ro --volume=cache:/e", {"binds": ["/a:/b", "/c:/d:ro", "cache:/e"]}),
    ("-v '/with space:/b'", {"binds": ["/with space:/b"]}),
    (
        "--mount type=bind,src=/a,dst=/b,readonly",
        {"mounts": [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}]},
    ),
    (
        "--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777",
        {"mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1777}}]},
    ),
    ("--tmpfs /t:size=1g,exec --tmpfs /u", {"tmpfs": {"/t": "size=1g,exec", "/u": ""}}),
    ("-e A=1 --env B='two words' --env=C=x=y", {"environment": {"A": "1", "B": "two words", "C": "x=y"}}),
    ("-e PASSED -e ABSENT", {"environment": {"PASSED": "on"}}),
    ("--ulimit stack=67108864 --ulimit=nofile=10:20", {"ulimits": [
        {"name": "stack", "soft": 67108864, "hard": 67108864},
        {"name": "nofile", "soft": 10, "hard": 20},
    ]}),
    ("--ulimit memlock=-1", {"ulimits": [{"name": "memlock", "soft": -1, "hard": -1}]}),
    ("--cap-add sys_ptrace --cap-drop=ALL", {"cap_add": ["CAP_SYS_PTRACE"], "cap_drop": ["ALL"]}),
    ("--security-opt seccomp=unconfined", {"security_opt": ["seccomp=unconfined"]}),
    ("--security-opt=seccomp:unconfined", {"security_opt": ["seccomp=unconfined"]}),
    ("--security-opt no-new-privileges", {"security_opt": ["no-new-privileges"]}),
    ("--ipc=host --pid host", {"ipc_mode": "host", "pid_mode": "host"}),
    ("--uts host --userns host", {"uts_mode": "host", "userns_mode": "host"}),
    ("--net=host", {"network_mode": "host"}),
    ("--network none --network bridge", {"network_mode": "bridge"}),
    ("--cgroupns host --runtime nvidia", {"cgroupns": "host", "runtime": "nvidia"}),
    ("--shm-size 1.5g", {"shm_size": 3 << 29}),
    ("--cpuset-cpus 0-3,8 --cpuset-mems 0", {"cpuset_cpus": "0-3,8", "cpuset_mems": "0"}),
    ("--cpus 1.5", {"nano_cpus": 1_500_000_000}),
    ("-m 64m --memory-swap -1", {"mem_limit": 64 << 20, "memswap_limit": -1}),
    ("--add-host a:10.0.0.1 --dns 1.1.1.1", {"extra_hosts": ["a:10.0.0.1"], "dns": ["1.1.1.1"]}),
    ("--sysctl net.core.somaxconn=9", {"sysctls": {"net.core.somaxconn": "9"}}),
    ("-h name -u 1000:1000 --oom-score-adj 5", {"hostname": "name", "user": "1000:1000", "oom_score_adj": 5}),
    ("-p 8080:80", {"port_bindings": {"80/tcp": ["8080"]}}),
    ("-p 8080:80/udp --publish=127.0.0.1:9:80/udp", {"port_bindings": {"80/udp": ["8080", ("127.0.0.1", "9")]}}),
    ("-p 80", {"port_bindings": {"80/tcp": [None]}}),
    ("-p 7-8:17-18", {"port_bindings": {"17/tcp": ["7"], "18/tcp": ["8"]}}),
    ("-P", {"publish_all_ports": True}),
    ("--rm -it -d --gpus=1", {"device_requests": [{**GPU, "count": 1}]}),
    ("-itv /a:/b -dp8080:80", {"binds": ["/a:/b"], "port_bindings": {"80/tcp": ["8080"]}}),
    ("--rm=true -i=true --init", {"init": True}),
    ("--ipc host \\\n --net host", {"ipc_mode": "host", "network_mode": "host"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "keywords"), READ)
def test_options_become_the_sdks_keywords(text, keywords):
    assert parse_options(text, environ={"PASSED": "on"}) == keywords


REFUSED = [
    ("--gpuz all", "unknown option '--gpuz'; did you mean '--gpus'?"),
    ("--publish-everything", "unknown option '--publish-everything'"),
    ("-x 1", "unknown option '-x'"),
    ("--name mine", "'--name' is not needed here (every case on every host has a container of its own"),
    ("-itx", "unknown option '-x'"),
    ("-p", "'-p' needs a value"),
    ("-p 80:http", "--publish '80:http'"),
    ("-p 1-3:80-81", "--publish '1-3:80-81'"),
    ("-w /tmp", "'-w' is not needed here"),
    ("--gpus", "'--gpus' needs a value"),
    ("--gpus many", "--gpus 'many'"),
    ("--gpus ''", "--gpus ''"),
    ("--gpus 1,device=0", "exclude each other"),
    ("-e A=two words", "'words' is not an option"),
    ("-e 'A=1", "no closing quotation"),
    ("-v relative:/x:ro:y", "--volume 'relative:/x:ro:y'"),
    ("-v ./here:/x", "must be absolute"),
    ("--device dri", "not /dev/name"),
    ("--device-cgroup-rule x", "not a rule"),
    ("--ulimit stack", "not name=soft[:hard]"),
    ("--ulimit stak=1", "not name=soft[:hard]"),
    ("--ulimit nofile=20:10", "above the hard limit"),
    ("--memory lots", "--memory 'lots': not a size"),
    ("--cpus two", "not a number of CPUs"),
    ("--cpuset-cpus a", "not a list"),
    ("--mount type=nfs,target=/x", "must be bind, tmpfs or volume"),
    ("--mount type=bind,source=here,target=/x", "absolute source"),
    ("--mount type=tmpfs", "absolute target"),
    ("--sysctl one", "not name=value"),
    ("--security-opt nonsense", "not no-new-privileges or name=value"),
    ("--security-opt seccomp=/no/such/file", "cannot be read"),
    ("--privileged=perhaps", "not true or false"),
    ("--oom-score-adj much", "not a whole number"),
    ("--ipc ''", "a value is needed"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_an_unusable_option_is_an_error_that_names_it(text, said):
    with pytest.raises(ConfigError) as raised:
        parse_options(text)
    assert said in str(raised.value)
    assert str(raised.value).startswith("ACCE_CONTAINER_OPT: ")


@pytest.mark.parametrize(
    ("text", "size"),
    [("32G", 32 << 30), ("64m", 64 << 20), ("1.5GB", 3 << 29), ("16GiB", 1 << 34), ("4096", 4096), ("7 k", 7168)],
)
def test_shm_size_is_read_in_powers_of_1024(text, size):
    assert read_shm_size(text) == size
    assert parse_options("", text) == {"shm_size": size}


def test_the_options_shm_size_goes_before_shm_size():
    assert parse_options("--shm-size 2g", "1g") == {"shm_size": 2 << 30}


@pytest.mark.parametrize("text", ["much", "", "-1", "32X", "G"])
def test_a_shm_size_that_is_none_is_an_error(text):
    with pytest.raises(ConfigError, match="SHM_SIZE"):
        parse_options("", text)


def test_a_seccomp_profile_is_read_on_this_machine(tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }')
    assert parse_options(f"--security-opt seccomp={profile}") == {"security_opt": ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']}


def test_flags_that_mean_nothing_here_are_known_with_the_reason():
    assert set(idle_options("-itd --rm --gpus all -e A=--rm")) == {"--interactive", "--tty", "--detach", "--rm"}
    assert idle_options("--rm") == {"--rm": "a container is removed in any case"}


def test_published_ports_are_exposed_too():
    create, host = split_create_keys(parse_options("-p 8080:80 -p 53:53/udp"))
    assert create == {"ports": [("80", "tcp"), ("53", "udp")]}
    assert list(host) == ["port_bindings"]


def test_keywords_are_parted_between_container_and_host_configuration():
    create, host = split_create_keys(parse_options("-e A=1 -u 5 --ipc host"))
    assert (create, host) == ({"environment": {"A": "1"}, "user": "5"}, {"ipc_mode": "host"})
