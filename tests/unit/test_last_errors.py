"""Which lines of a failed installation or compilation are shown; the logs are those of the real tools (LC_ALL=C)."""

import pytest

from utils.runtime.last_errors import LONGEST, MOST_LINES, LastErrors

APT = """Reading package lists...
Building dependency tree...
Reading state information...
E: Unable to locate package nothing-of-that-name
"""
APT_404 = """Get:1 http://deb.debian.org/debian bookworm/main amd64 libisl23 amd64 0.25-1.1 [683 kB]
Err:2 http://deb.debian.org/debian bookworm/main amd64 g++ amd64 4:12.2.0-3
  404  Not Found [IP: 151.101.2.132 80]
Fetched 683 kB in 1s (1,002 kB/s)
E: Failed to fetch http://deb.debian.org/debian/pool/main/g/gcc-defaults/g%2b%2b_12.2.0-3_amd64.deb  404  Not Found
E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?
"""
PIP = """Looking in indexes: https://pypi.org/simple
ERROR: Ignored the following versions that require a different python version: 1.21.2 Requires-Python >=3.7,<3.11; {many}
ERROR: Could not find a version that satisfies the requirement numpy==0.0.1 (from versions: 1.3.0, {many})
ERROR: No matching distribution found for numpy==0.0.1

[notice] A new release of pip is available: 24.0 -> 26.1
[notice] To update, run: pip install --upgrade pip
""".format(many="1.21.3, " * 100)
GCC = """a.c: In function 'main':
a.c:1:20: warning: implicit declaration of function 'f' [-Wimplicit-function-declaration]
    1 | int main(){ return f(1) }
      |                    ^
a.c:1:24: error: expected ';' before '}' token
    1 | int main(){ return f(1) }
      |                        ^~
      |                        ;
a.c: At top level:
a.c:2:10: fatal error: nothing.h: No such file or directory
    2 | #include "nothing.h"
      |          ^~~~~~~~~~~
compilation terminated.
"""
LINKER = """gcc b.c
/usr/bin/ld: /tmp/cc9FEANO.o: in function `main':
b.c:(.text+0xa): undefined reference to `f'
collect2: error: ld returned 1 exit status
make: *** [Makefile:2: all] Error 1
"""
PIP_GCC = """Building wheels for collected packages: toy
  Building wheel for toy (pyproject.toml): started
  Building wheel for toy (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error

  x Building wheel for toy (pyproject.toml) did not run successfully.
  | exit code: 1
  `-> [4 lines of output]
      building 'toy' extension
      toy.c:1:10: fatal error: nothing.h: No such file or directory
      compilation terminated.
      error: command '/usr/bin/gcc' failed with exit code 1
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for toy
Failed to build toy
ERROR: Failed to build one or more wheels

[notice] A new release of pip is available: 24.0 -> 26.1
"""
SHELL = """ERROR: pip's dependency resolver does not currently take into account all the packages that are installed.
Successfully installed toy-1
/bin/sh: 1: nothing_there: not found
"""
PYTHON = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
ModuleNotFoundError: No module named 'nothing'
"""


def shown(log):
    errors = LastErrors()
    for line in log.splitlines():
        errors.take(line)
    return errors.lines()


@pytest.mark.parametrize(
    ("log", "beginnings"),
    [
        (APT, ["E: Unable to locate package nothing-of-that-name"]),
        (APT_404, ["Err:2 http", "E: Failed to fetch http", "E: Unable to fetch some archives"]),
        (PIP, ["ERROR: Ignored", "ERROR: Could not find a version that satisfies", "ERROR: No matching distribution found"]),
        (GCC, ["a.c:1:24: error: expected ';'", "a.c:2:10: fatal error: nothing.h", "compilation terminated."]),
        (LINKER, ["b.c:(.text+0xa): undefined reference", "collect2: error: ld returned 1", "make: *** [Makefile:2: all]"]),
        (SHELL, ["ERROR: pip's dependency resolver", "/bin/sh: 1: nothing_there: not found"]),
        (PYTHON, ["ModuleNotFoundError: No module named 'nothing'"]),
    ],
)
def test_the_last_errors_and_the_last_line_are_shown(log, beginnings):
    lines = shown(log)
    assert [line[: len(beginning)] for line, beginning in zip(lines, beginnings, strict=True)] == beginnings


def test_the_compiler_s_error_is_shown_with_pip_s():
    assert [line.strip() for line in shown(PIP_GCC)[1:3]] == [
        "toy.c:1:10: fatal error: nothing.h: No such file or directory",
        "error: command '/usr/bin/gcc' failed with exit code 1",
    ]
    assert shown(PIP_GCC)[-1] == "ERROR: Failed to build one or more wheels"


def test_where_no_line_is_an_error_the_last_ones_are_shown():
    assert shown("".join(f"{number}\n\n" for number in range(20))) == ["15", "16", "17", "18", "19"]
    assert shown("note: nothing\n \n") == []


def test_little_is_shown_of_much():
    lines = shown(f"error: {'x' * 10_000}\n" * 100)
    assert len(lines) == MOST_LINES
    assert max(map(len, lines)) <= LONGEST + 2
