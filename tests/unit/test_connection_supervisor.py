"""The supervisor that travels to hosts: old Pythons must take it."""

import ast
import subprocess
import sys
from pathlib import Path

from utils.connection import supervisor

SOURCE = Path(supervisor.__file__)


def test_it_is_valid_python_3_6():
    ast.parse(SOURCE.read_text(), feature_version=(3, 6))


def test_it_imports_nothing_but_the_standard_library():
    imports = [node for node in ast.walk(ast.parse(SOURCE.read_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in imports if isinstance(node, ast.ImportFrom)]
    assert set(names) <= sys.stdlib_module_names


def test_a_request_that_is_cut_off_runs_nothing():
    cut = subprocess.run([sys.executable, SOURCE], input=b'{"argv": ["ech', capture_output=True, check=False, timeout=60)
    assert (cut.returncode, cut.stdout) == (supervisor.HUNG_UP, b"")
