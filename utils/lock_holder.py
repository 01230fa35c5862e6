"""Holds a host's lock for as long as whoever asked for it lives. Runs in the host's own python3 (3.6 or newer, Linux).

The lock is a name in the kernel's abstract socket namespace. It belongs to a process and not to a file: it is gone with its
holder, however that ends, nothing is left behind that could block, no symbolic link can lead it astray, and it is the same one
for every user. Source: unix(7), "Abstract sockets". Who holds it answers everybody who connects with a line about himself.

Such names are a network namespace's own, which containers have each. So its holder also locks FOLDER, where the project lies on
this host, by flock(2), which is as free of traces, and which containers share that have the folder mounted.

Usage: lock_holder.py NAME CLAIM wait|once FOLDER. CLAIM is JSON; in it, `token` is the run and `host` the host's name in that.
It prints what happens, a line each: `busy <CLAIM of the holder>`, `held`, `unlocked <why>` on a machine without such locks.
"""

import errno
import fcntl
import json
import os
import pwd
import re
import selectors
import socket
import struct
import sys
import threading
import time
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

HELD, BUSY, UNLOCKED = "held", "busy ", "unlocked "
ANSWER_SECONDS = 5.0
PAUSE_SECONDS = 0.05
TRIES = 100
FOLDER_TRIES = 20
LONGEST_LINE = 4096
CALLERS = 64
LOCAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay", "tmpfs")
"""File systems whose locks are this machine's own."""


def main(name: str, claim: str, waits: bool, folder: str) -> None:
    """Take the lock and keep it, or say who has it. A claim of the same run takes it over, or shares it with its other host."""
    mine = json.loads(claim)
    said, tries = "", 0
    lock = taken(name, folder)
    while lock is None:
        with socket.socket(socket.AF_UNIX) as caller:
            holder = ask(caller, name)
            tries = tries + 1 if holder is None else 0
            ours = holder is not None and holder["user_id"] in trusted() and holder.get("token") == mine["token"]
            if holder is None and tries < TRIES:
                time.sleep(PAUSE_SECONDS)
            elif holder and ours and holder.get("host") == mine["host"]:
                lock = handed_over(caller, mine["token"], folder)
            else:
                said = said if said == HELD else say(HELD if ours else BUSY + json.dumps(holder or {}), said)
                if said != HELD and not waits:
                    return
                wait_for_end(caller)
        lock = lock or taken(name, folder)
    if free(lock):
        say(HELD, said)
    else:
        say(BUSY + json.dumps(folder_holder(folder)), said)
        if not waits:
            return
        threading.Thread(target=wait_for_folder, args=(lock,), daemon=True).start()
    serve(lock, claim.encode() + b"\n", mine["token"].encode() + b"\n")


class Lock:
    """The socket whose name is the lock, and the folder that is locked with it, if there is one."""

    def __init__(self, server: socket.socket, folder: Optional[int]) -> None:
        self.server, self.folder = server, folder
        server.listen(CALLERS)  # from now on the kernel names us as its holder


def taken(name: str, folder: str) -> Optional[Lock]:
    """The lock, whose folder may still be another's; None where somebody else has it."""
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind("\0" + name)
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return Lock(server, opened(folder))


def opened(folder: str) -> Optional[int]:
    """The folder, or None where it cannot be had, or has no lock of this machine alone: a network's would exclude other hosts."""
    if file_system(folder) not in LOCAL:
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None


def file_system(folder: str) -> str:
    """Its kind, by the last and longest mount point that leads there."""
    path, longest, kind = os.path.realpath(folder), "", ""
    with Path("/proc/self/mountinfo").open(encoding=sys.getfilesystemencoding(), errors="surrogateescape") as table:
        for line in table:
            mounted, _, source = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), mounted.split()[4])
            if len(point) >= len(longest) and (path + "/").startswith(point.rstrip("/") + "/"):
                longest, kind = point, source.split()[0]
    return kind


def free(lock: Lock) -> bool:
    """Whether the folder is ours now. One that has just died may have it a moment longer than the name."""
    for _ in range(FOLDER_TRIES):
        try:
            if lock.folder is not None:
                fcntl.flock(lock.folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False


def wait_for_folder(lock: Lock) -> None:
    """Say when it is ours; who asks meanwhile is answered by the main thread."""
    assert lock.folder is not None
    fcntl.flock(lock.folder, fcntl.LOCK_EX)
    say(HELD, "")


def folder_holder(folder: str) -> Dict[str, Any]:
    """Who has locked the folder: the process and its user, if it is one that can be seen from here."""
    place = Path(folder).stat()
    wanted = "{:02x}:{:02x}:{}".format(os.major(place.st_dev), os.minor(place.st_dev), place.st_ino)
    with Path("/proc/locks").open(encoding="ascii") as table:
        processes = [int(fields[4]) for fields in map(str.split, table) if fields[1] == "FLOCK" and fields[5] == wanted]
    for process in processes:
        with suppress(OSError):
            return {"folder": folder, **identity(process, Path("/proc/{}".format(process)).stat().st_uid)}
    return {"folder": folder, **identity(0, -1)}


def handed_over(caller: socket.socket, token: str, folder: str) -> Optional[Lock]:
    """The lock itself from who holds it for our run, so that nobody can come between; None when he has just gone."""
    descriptors = array("i")
    try:
        caller.sendall(token.encode() + b"\n")
        _, ancillary, _, _ = caller.recvmsg(1, socket.CMSG_SPACE(2 * descriptors.itemsize))
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    if not descriptors:
        return None
    return Lock(socket.socket(fileno=descriptors[0]), descriptors[1] if len(descriptors) > 1 else opened(folder))


def hand_over(caller: socket.socket, lock: Lock) -> None:
    """The other half of that."""
    descriptors = array("i", [lock.server.fileno(), *([] if lock.folder is None else [lock.folder])])
    caller.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])


def trusted() -> Tuple[int, int]:
    """Whose word counts: root's and our own user's. Anybody can take the lock, and repeat what another has said of himself."""
    return 0, os.geteuid()


def ask(caller: socket.socket, name: str) -> Optional[Dict[str, Any]]:
    """What the holder says of himself, with his process and user id as the kernel knows them.

    None where nobody listens, or hung up at once: he has just gone, or has only begun. One who keeps silent is known by his ids.
    """
    holder: Any = None
    caller.settimeout(ANSWER_SECONDS)
    try:
        caller.connect("\0" + name)
        line = line_from(caller)
        if not line:
            return None
        holder = json.loads(line.decode())
    except (ConnectionRefusedError, ConnectionResetError):
        return None
    except (OSError, ValueError):
        pass
    known = holder if isinstance(holder, dict) else {}
    known.pop("folder", None)  # for folder_holder to say, and no holder of the name
    known.update(identity(*peer(caller)))
    return known


def identity(process: int, user: int) -> Dict[str, Any]:
    """Who the kernel says it is; `stranger` tells whether that is another user than root and ours."""
    try:
        name = pwd.getpwuid(user).pw_name
    except (KeyError, OverflowError):
        name = ""
    return {"process": process, "user_id": user, "user_name": name, "stranger": user not in trusted()}


def line_from(caller: socket.socket) -> bytes:
    """One line, without what may follow."""
    text = b""
    while b"\n" not in text and len(text) < LONGEST_LINE:
        piece = caller.recv(LONGEST_LINE)
        if not piece:
            break
        text += piece
    return text.partition(b"\n")[0]


def peer(connection: socket.socket) -> Tuple[int, int]:
    """The process and the user at the other end; (0, -1) where the kernel does not say."""
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return 0, -1
    process, user, _ = struct.unpack("3i", credentials)
    return process, user


def wait_for_end(caller: socket.socket) -> None:
    """Return when the holder has gone."""
    caller.settimeout(None)
    try:
        while caller.recv(LONGEST_LINE):
            pass
    except OSError:  # it never was there
        time.sleep(PAUSE_SECONDS)


def serve(lock: Lock, answer: bytes, token: bytes) -> None:
    """Answer everybody who asks, until this process is ended or the same run takes over by another connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(lock.server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                caller = key.fileobj
                assert isinstance(caller, socket.socket)
                if caller is lock.server:
                    selector.register(welcomed(lock.server, answer), selectors.EVENT_READ)
                    continue
                said = heard(caller)
                if said == token and peer(caller)[1] in trusted():
                    hand_over(caller, lock)
                    return
                if not said:
                    selector.unregister(caller)
                    caller.close()


def welcomed(server: socket.socket, answer: bytes) -> socket.socket:
    """A new caller, with our answer in its buffer."""
    caller = server.accept()[0]
    caller.setblocking(False)
    with suppress(OSError):  # it has gone already, which its end of file will say
        caller.sendall(answer)
    return caller


def heard(caller: socket.socket) -> bytes:
    """What a caller says; empty when it has gone."""
    try:
        return caller.recv(LONGEST_LINE)
    except OSError:
        return b""


def say(text: str, before: str) -> str:
    """Print what happens, unless that was the last thing said; return it."""
    if text != before:
        print(text, flush=True)  # noqa: T201
    return text


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3] == "wait", sys.argv[4])
    except OSError as failure:
        say(UNLOCKED + str(failure), "")
