"""Real hosts on one machine: each has a network, process and mount namespace, an sshd and a Docker engine of its own.

Several labs can be up at a time: names, addresses and files are made from this process's id. Needs root and Linux.
"""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import docker
import services

SSHD_CONFIG = """\
Port 22
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {lab}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxSessions {sessions}
MaxStartups 50:30:100
SetEnv PATH={path}
Subsystem sftp internal-sftp
"""
PATIENCE = 180.0
SESSIONS = 10


def command(*argv, check=True, timeout=180.0):
    return subprocess.run([*map(str, argv)], check=check, capture_output=True, text=True, timeout=timeout)


def eventually(condition, seconds=PATIENCE):
    """Wait until something is true, and return it."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)
    return found


class Lab:
    """`count` hosts on a bridge of their own; `there` is a folder that each of them has for itself."""

    def __init__(self, folder, count):
        self.folder = Path(folder)
        number = os.getpid() % 65536
        self.name = f"al{number:x}"
        self.network = ipaddress.ip_network(f"10.{64 + number // 256 % 128}.{number % 256}.0/24")
        self.there = self.folder / "there"
        self.hosts = [Host(self, number) for number in range(1, count + 1)]

    @property
    def address(self):
        """This machine's, as the hosts see it."""
        return str(self.network[1])

    @property
    def user_key(self):
        return self.folder / "user_key"

    @property
    def known_hosts(self):
        return self.folder / "known_hosts"

    @property
    def forwarding(self):
        """Docker drops what is forwarded, and bridged frames count as that."""
        return ("FORWARD", "-i", self.name, "-o", self.name, "-j", "ACCEPT")

    def up(self):
        self.there.mkdir(parents=True)
        services.cgroups_removed_afterwards(f"{self.name}-")
        services.afterwards("ip", "link", "delete", self.name)
        services.afterwards("iptables", "-w", "-D", *self.forwarding)
        make_key(self.user_key)
        command("ip", "link", "add", self.name, "type", "bridge")
        command("ip", "address", "add", f"{self.address}/24", "dev", self.name)
        command("ip", "link", "set", self.name, "up")
        command("iptables", "-w", "-I", *self.forwarding, check=False)
        for host in self.hosts:
            host.create()
        self.known_hosts.write_text("".join(f"{host.address} {host.public_key}\n" for host in self.hosts))

    def down(self):
        """Loss of power everywhere; disks and networks are removed with the end of the tests."""
        for host in self.hosts:
            host.kill()


class Host:
    """One of them: `address` answers SSH, `disk` is its own `there` as seen from outside."""

    def __init__(self, lab, number):
        self.lab = lab
        self.name = f"{lab.name}-{number}"
        self.folder = lab.folder / f"h{number}"
        self.address = str(lab.network[10 + number])
        self.sessions = SESSIONS
        self.engine_options = ()
        self._init = self._engine = None

    @property
    def disk(self):
        return self.folder / "disk"

    @property
    def public_key(self):
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def create(self):
        self.disk.mkdir(parents=True)
        make_key(self.folder / "host_key")
        services.afterwards("rm", "-rf", self.folder / "docker")
        services.afterwards("ip", "netns", "delete", self.name)
        services.afterwards("ip", "link", "delete", f"{self.name}v")
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", f"{self.name}v", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        command("ip", "link", "set", f"{self.name}v", "master", self.lab.name, "up")
        command("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            command("ip", "-n", self.name, "link", "set", device, "up")
        self.start()

    def start(self):
        """Boot: the same disk, the same host key."""
        path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        values = {"address": self.address, "folder": self.folder, "lab": self.lab.folder, "path": path}
        (self.folder / "sshd_config").write_text(SSHD_CONFIG.format(sessions=self.sessions, **values))
        world = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "-m", "-u", "-p", "-f", "--kill-child", "--mount-proc"]
        init = [sys.executable, __file__, self.name, self.disk, self.lab.there, self.folder / "sshd_config"]
        self._init = services.start([*world, *init], self.folder / "log")
        eventually(lambda: self._pid() and self._listens())
        self.start_engine()

    def kill(self):
        """Power loss: everything that runs on it is gone at once."""
        if self._init is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._pid() or self._init.pid, signal.SIGKILL)
        if self._engine is not None:
            self._engine.send_signal(signal.SIGCONT)  # nsenter stops with what it started, and has to bury it
            self._engine.wait(PATIENCE)
        self._init.wait(PATIENCE)
        self._init = self._engine = None

    def cut(self):
        """The network: nobody is told."""
        command("ip", "link", "set", f"{self.name}v", "down")

    def heal(self):
        command("ip", "link", "set", f"{self.name}v", "up")

    def argv(self, *argv):
        """A command inside the host."""
        return ["nsenter", "-t", str(self._pid()), "-m", "-u", "-n", "-p", "--", *map(str, argv)]

    def run(self, *argv, check=True):
        return command(*self.argv(*argv), check=check).stdout

    @property
    def socket(self):
        """Docker's, as seen from outside."""
        return f"/proc/{self._pid()}/root/run/docker.sock"

    def docker(self):
        return closing(docker.DockerClient(f"unix://{self.socket}", timeout=60))

    def start_engine(self):
        places = ["--data-root", self.folder / "docker", "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"]
        options = ["--host", "unix:///run/docker.sock", "--bip", "172.31.77.1/24", "--cgroup-parent", f"/{self.name}"]
        insecure = ["--insecure-registry", str(self.lab.network)]
        asked = self.argv("dockerd", *places, *options, *insecure, *self.engine_options)
        self._engine = services.start(asked, self.folder / "dockerd.log")
        eventually(self.engine_answers)

    def engine_answers(self):
        assert self._engine.running, (self.folder / "dockerd.log").read_text()[-2000:]
        with suppress(Exception), self.docker() as client:
            return client.ping()
        return False

    def kill_engine(self):
        self.signal_engine(signal.SIGKILL)
        self._engine.wait(PATIENCE)

    def mend_engine(self):
        """Let it answer again, whatever was done to it."""
        if not self._engine.running:
            self.start_engine()
        self.thaw_engine()
        eventually(self.engine_answers)

    @property
    def is_up(self):
        return self._init is not None and self._init.running

    def restart_engine(self, *options):
        """Start it anew with these options."""
        self.engine_options = options
        self.kill_engine()
        self.start_engine()

    def restart(self, sessions):
        """Boot again with an sshd that allows so many sessions for one login."""
        self.sessions = sessions
        self.kill()
        self.start()

    def freeze_engine(self):
        self.signal_engine(signal.SIGSTOP)

    def thaw_engine(self):
        self.signal_engine(signal.SIGCONT)

    def signal_engine(self, number):
        inside = int((Path(f"/proc/{self._pid()}/root/run/docker.pid")).read_text())
        self.run("kill", f"-{int(number)}", inside)
        if number != signal.SIGSTOP:
            self._engine.send_signal(signal.SIGCONT)  # nsenter stops with what it started

    def processes(self):
        """The command lines of what runs there beside init, sshd and Docker's engine."""
        own = ("dockerd", "containerd", "sshd: /usr/sbin/sshd", "/usr/sbin/sshd", "docker-proxy", "ps")
        running = [line.split(None, 1) for line in self.run("ps", "-e", "-o", "pid=,args=").splitlines()]
        others = [args for pid, args in running if pid != "1" and not args.startswith(own)]
        return [args for args in others if not Path(args.split()[0]).name.startswith(own)]

    def containers(self):
        with self.docker() as client:
            return [one["Names"][0] for one in client.api.containers(all=True, filters={"label": "accelmark.kind=container"})]

    def _pid(self):
        """The process id of its init."""
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        try:
            found = children.read_text().split()
        except OSError:
            return None
        return int(found[0]) if found else None

    def _listens(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.address, 22)) == 0


def make_key(path):
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)


def be_init(name, disk, there, sshd_config):
    """Be the first process of a host: mount, start sshd, and bury the dead."""
    command("hostname", name)
    command("mount", "--make-rprivate", "/")
    command("mount", "-t", "tmpfs", "tmpfs", "/run")
    for folder in ("/run/sshd", "/run/lock", "/run/user"):
        Path(folder).mkdir(mode=0o755)
    command("mount", "--bind", disk, there)
    if (started_by_bash := Path("~/.bashrc").expanduser()).exists():  # what it does may not survive a loss of power
        command("mount", "--bind", "/dev/null", started_by_bash)
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", sshd_config], stdin=subprocess.DEVNULL)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)


if __name__ == "__main__":
    be_init(*sys.argv[1:])
