"""Makes a small base image out of this machine's own CPython, pip and a few tools: seconds, no registry, no network."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path

_DIGEST = sha256(Path(__file__).read_bytes()).hexdigest()[:12]
TAG = f"accelmark-test/python:{_DIGEST}"
"""With a digest of what makes it: an engine that lives on may have one of yesterday."""

COMPILING_TAG = f"accelmark-test/python-with-compiler:{_DIGEST}"
TOOLS = (
    *("sh", "bash", "env", "ls", "cat", "cp", "mv", "rm", "mkdir", "chmod", "chown", "ln", "sleep", "kill", "grep", "sed", "id"),
    *("head", "tail", "tee", "wc", "timeout", "nproc", "sort", "xargs", "find", "stat", "true", "false", "df", "du", "free"),
    *("date", "dirname", "basename", "uname", "ps", "tar", "gzip", "mktemp", "hostname", "setsid", "nohup", "touch", "echo"),
    "openssl",
)
WHEEL_LIBRARIES = (
    *("libstdc++.so.6", "libgcc_s.so.1"),
    *("libanl.so.1", "libdl.so.2", "libm.so.6", "libmvec.so.1", "libnss_compat.so.2", "libnss_dns.so.2", "libnss_files.so.2"),
    *("libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
)
"""GCC's and glibc's, all that python:3.11-slim has of those, and none that it lacks, such as libgomp.so.1."""

HEADERS = ("c++", "asm", "asm-generic", "bits", "gnu", "linux", "sys")
"""The folders of /usr/include that a compiler of C++ has use for; of others' libraries there may be gigabytes."""

LINKED = (
    *("Scrt1.o", "crti.o", "crtn.o", "libc.so", "libc_nonshared.a", "libdl.a", "libgomp.so.1", "libm.so", "libmvec.so"),
    *("libpthread.a", "librt.a"),
)
"""What a program is linked from, beside what lies in g++'s own folder."""

NOT_OF_CPP = ("cc1", "cc1obj", "cc1objplus", "d21", "f951", "gnat1", "lto1", "lto-dump", "plugin")
FILES = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release", "/etc/ssl/certs/ca-certificates.crt")
LEFT_OUT = {"test", "tests", "__pycache__", "site-packages", "dist-packages", "idlelib", "turtledemo"}


def build(client, tag=TAG, parts=()):
    """Import the image into the engine and return its tag; `parts` add to the archive."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for part in (fill, *parts):
                part(archive)
        file.flush()
        repository, _, version = tag.rpartition(":")
        changes = ["ENV PATH=/usr/local/bin:/usr/bin:/bin", 'CMD ["/bin/sh"]']
        client.api.import_image_from_file(file.name, repository=repository, tag=version, changes=changes)
    return tag


def fill(archive):
    folders(archive)
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    stdlib = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix}))
    archive.add(python, arcname=at(python))
    archive.add(stdlib, arcname=at(stdlib), filter=without_ballast)
    for name in ("pip", "setuptools", "_distutils_hack", "pkg_resources"):
        add_package(archive, python, name)
    for name in ("python3", "python", python.name):
        link(archive, f"usr/local/bin/{name}", str(python))
        if name != python.name:  # a virtual environment mounted into a container looks for these
            link(archive, f"{at(python.parent)}/{name}", python.name)
    tools = {name: Path(found).resolve() for name in TOOLS if (found := shutil.which(name))}
    for name, tool in tools.items():
        archive.add(tool, arcname=f"usr/bin/{name}")
    for library in libraries([python, *tools.values(), *stdlib.glob("lib-dynload/*.so")]):
        archive.add(library.resolve(), arcname=at(library))
    for file in FILES:
        with contextlib.suppress(FileNotFoundError):
            archive.add(Path(file).resolve(), arcname=file.lstrip("/"))


def compiler(archive):
    """g++ with its headers and libraries, and Python's headers: a part for `build`, for what compiles in its container."""
    own = Path(gcc("-print-libgcc-file-name")).parent
    programs = [Path(shutil.which(name)) for name in ("g++", gcc("-print-prog-name=as"), gcc("-print-prog-name=ld"))]
    for program in programs:
        archive.add(program.resolve(), arcname=f"usr/bin/{program.name}")
    archive.add(own, arcname=at(own), filter=without_other_languages)
    linked = [Path(os.path.normpath(gcc(f"-print-file-name={name}"))) for name in LINKED]
    there = set(archive.getnames())
    for library in {*linked, *libraries([*programs, own / "cc1plus", own / "collect2"])}:
        if library.is_absolute() and at(library) not in there:  # of one that there is not, the bare name is printed
            archive.add(library.resolve(), arcname=at(library))
    for header in headers():
        archive.add(header, arcname=at(header))


def headers():
    system = Path("/usr/include")
    folders = [system / name for name in (*HEADERS, gcc("-print-multiarch")) if name]
    python = sysconfig.get_path("include", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
    return [*system.glob("*.h"), *(folder for folder in folders if folder.exists()), Path(python)]


def gcc(question):
    return subprocess.run(["g++", question], check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def without_other_languages(member):
    return None if set(Path(member.name).parts) & set(NOT_OF_CPP) or member.name.endswith("san.a") else member


def folders(archive):
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc", "tmp", "proc", "sys", "dev", "root"):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        archive.addfile(folder)
    for name in ("bin", "sbin", "lib", "lib64"):
        link(archive, name, f"usr/{name}")


def link(archive, name, target):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = tarfile.SYMTYPE, target
    archive.addfile(made)


def add_package(archive, python, name):
    """A package of this environment, into the site-packages that the bare interpreter looks into."""
    spec = PathFinder.find_spec(name)  # importlib's own would have setuptools make way for pip, for good: see _distutils_hack
    if spec is None or not spec.submodule_search_locations:
        return
    asked = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    source = Path(next(iter(spec.submodule_search_locations)))
    archive.add(source, arcname=f"{at(Path(target))}/{name}", filter=without_caches)
    for metadata in source.parent.glob(f"{name}-*.dist-info"):
        archive.add(metadata, arcname=f"{at(Path(target))}/{metadata.name}", filter=without_caches)


def without_ballast(member):
    parts = Path(member.name).parts
    return None if LEFT_OUT & set(parts) or any(part.startswith("config-3") for part in parts) else member


def without_caches(member):
    return None if "__pycache__" in Path(member.name).parts else member


def libraries(binaries):
    """The shared libraries that the binaries are linked to, and those that wheels need besides."""
    asked = ["ldd", *map(str, binaries)]
    said = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60).stdout
    linked = {Path(found) for found in re.findall(r"(?:=> |^\t)(/\S+)", said, re.MULTILINE)}
    folder = next((library.parent for library in linked if library.name.startswith("libc.so")), Path("/usr/lib"))
    return sorted(linked | {folder / name for name in WHEEL_LIBRARIES if (folder / name).exists()})


def at(path):
    """Where a file lies in the image: `/lib` and its like are links into `/usr` there."""
    text = str(path)
    return (text if not re.match(r"/(bin|sbin|lib|lib64)/", text) else f"/usr{text}").lstrip("/")
