"""Holds a host's lock for as long as whoever asked for it lives. Runs in the host's own python3 (3.6 or newer, Linux).

The lock is a name in the kernel's abstract socket namespace. It belongs to a process and not to a file: it is gone with its
holder, however that ends, nothing is left behind that could block, no symbolic link can lead it astray, and it is the same one
for every user. Source: unix(7), "Abstract sockets". Who holds it answers everybody who connects with a line about himself.

Usage: lock_holder.py NAME CLAIM wait|once. CLAIM is JSON; in it, `token` is the run and `host` the host's name in that.
It prints what happens, a line each: `busy <CLAIM of the holder>`, `held`, `unlocked <why>` on a machine without such locks.
"""

import errno
import json
import os
import selectors
import socket
import struct
import sys
import time
from array import array
from contextlib import suppress
from typing import Any, Dict, Optional, Tuple

HELD, BUSY, UNLOCKED = "held", "busy ", "unlocked "
ANSWER_SECONDS = 5.0
PAUSE_SECONDS = 0.05
TRIES = 100
LONGEST_LINE = 4096
CALLERS = 64


def main(name: str, claim: str, waits: bool) -> None:
    """Take the lock and keep it, or say who has it. A claim of the same run takes it over, or shares it with its other host."""
    mine = json.loads(claim)
    said, tries = "", 0
    server = taken(name)
    while server is None:
        with socket.socket(socket.AF_UNIX) as caller:
            holder = ask(caller, name)
            tries = tries + 1 if holder is None else 0
            if holder is None and tries < TRIES:
                time.sleep(PAUSE_SECONDS)
            elif holder and holder.get("token") == mine["token"] and holder.get("host") == mine["host"]:
                server = handed_over(caller, mine["token"])
            else:
                if said != HELD:
                    ours = holder is not None and holder.get("token") == mine["token"]
                    said = say(HELD if ours else BUSY + json.dumps(holder or {}), said)
                if said != HELD and not waits:
                    return
                wait_for_end(caller)
        server = server or taken(name)
    say(HELD, said)
    serve(server, claim.encode() + b"\n", mine["token"].encode() + b"\n")


def taken(name: str) -> Optional[socket.socket]:
    """The socket that is the lock; None where somebody else has it."""
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind("\0" + name)
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    server.listen(CALLERS)
    return server


def handed_over(caller: socket.socket, token: str) -> Optional[socket.socket]:
    """The lock itself from who holds it for our run, so that nobody can come between; None when he has just gone."""
    descriptors = array("i")
    try:
        caller.sendall(token.encode() + b"\n")
        _, ancillary, _, _ = caller.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: descriptors.itemsize])
    if not descriptors:
        return None
    server = socket.socket(fileno=descriptors[0])
    server.listen(CALLERS)  # from now on the kernel names us as its holder
    return server


def hand_over(caller: socket.socket, server: socket.socket) -> None:
    """The other half of that."""
    caller.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [server.fileno()]))])


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
    known["process"], known["user_id"] = peer(caller)
    return known


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


def serve(server: socket.socket, answer: bytes, token: bytes) -> None:
    """Answer everybody who asks, until this process is ended or the same run takes over by another connection."""
    trusted = (0, os.geteuid())
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                caller = key.fileobj
                assert isinstance(caller, socket.socket)
                if caller is server:
                    selector.register(welcomed(server, answer), selectors.EVENT_READ)
                    continue
                said = heard(caller)
                if said == token and peer(caller)[1] in trusted:
                    hand_over(caller, server)
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
        main(sys.argv[1], sys.argv[2], sys.argv[3] == "wait")
    except OSError as failure:
        say(UNLOCKED + str(failure), "")
