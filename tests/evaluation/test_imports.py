"""evaluation/ can be taken out and used alone: it imports the standard library, torch and itself."""

import ast
import sys
from pathlib import Path

import evaluation

ALLOWED = {*sys.stdlib_module_names, "torch", "evaluation", "numpy", "PIL"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_imports_torch_and_nothing_else_of_the_project():
    files = sorted(Path(evaluation.__file__).parent.rglob("*.py"))
    assert len(files) > 5
    for path in files:
        foreign = [name for name in imported(path) if not name.startswith(".") and name.split(".")[0] not in ALLOWED]
        beyond = [name for name in imported(path) if name.startswith("..")]
        assert not foreign + beyond, f"{path.name} imports {foreign + beyond}"
