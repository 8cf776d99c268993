"""The house: which folder may import which, no circle anywhere, and nothing heavy where a command must start fast."""

import ast
import io
import subprocess
import sys
import tokenize
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from studies import STUDIES

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "padding": "",
    "evaluation": "",
    "records": "",
    "processes/signals.py": "",
    "processes/cores.py": "",
    "processes": "records/errors.py",
    "networks": "padding",
    "datamodules/errors.py": "",
    "datamodules/loading": "datamodules/errors.py records/errors.py processes/signals.py processes/cores.py",
    "datamodules/imagenet": "datamodules/loading datamodules/errors.py records/errors.py",
    "datamodules/cityscapes": "datamodules/loading datamodules/errors.py records/errors.py",
    "datamodules/samples/cityscapes.py": "datamodules/samples datamodules/cityscapes/splits.py datamodules/errors.py",
    "datamodules/samples": "datamodules/loading datamodules/errors.py records/errors.py",
    "datamodules": "datamodules",
    "lightning_modules": "networks evaluation padding",
    "training": "lightning_modules datamodules networks evaluation records processes",
    "studies/stats": "",
    "studies/runs": "studies/stats records evaluation",
    "studies/page": "studies/runs studies/stats records evaluation",
    "studies/checkpoints": "studies/page studies/runs studies/stats training lightning_modules datamodules networks "
    "padding evaluation records",
    "studies": "",
    "cli": "studies training lightning_modules datamodules records evaluation padding processes",
    "main.py": "cli/app.py processes/signals.py",
    "benchmarks": "studies training networks datamodules lightning_modules padding evaluation records",
    "docs": "padding",
}
"""What each folder, or file, may import beside itself; the longest name that fits counts. Studies: `allowed`."""

EVERY_STUDY = "studies/runs studies/page studies/stats studies/__init__.py records evaluation processes/cores.py"
"""What every file of a study may import beside the study's own folder."""

MEASURING = "studies/checkpoints training lightning_modules datamodules networks padding"
"""What the other files of a study may import, too: its command and what measures. `report` never loads these."""

BINDING = ("claims", "report")
"""Studies that may import other studies."""

SHARED = ("runs", "page", "stats", "checkpoints")
"""Folders of studies/ that are no study."""

TIMM_AND_TORCH = {"padding": {"torch", "timm"}, "evaluation": {"torch", "numpy", "PIL"}}
"""Third packages of the folders that can be taken out and used alone."""


@cache
def files() -> dict[str, str]:
    """Module name to path, of every Python file that is no test."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = [path for path in listed.split() if not path.startswith("tests/") and (ROOT / path).exists()]
    return {path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path for path in paths}


@cache
def imported(path: str) -> frozenset[str]:
    """Names of modules, ours and others', that a file imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports {'.' * node.level}{node.module}: imports name whole paths"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            ours = submodules & files().keys()
            found |= ours if len(ours) == len(submodules) else {node.module, *ours}
    return frozenset(found)


def ours(path: str) -> set[str]:
    """Paths of the project's files that a file imports."""
    return {files()[name] for name in imported(path) if name in files()}


def within(path: str, places: str) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places.split())


def is_study(path: str) -> bool:
    parts = path.split("/")
    return parts[0] == "studies" and len(parts) == 3 and parts[1] not in SHARED


@cache
def shown() -> set[str]:
    """Files of studies that the report imports."""
    todo = [f"studies/{study.folder}/{name.partition(':')[0]}.py" for study in STUDIES for name in study.sections]
    found = set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += [target for target in ours(path) if is_study(target)]
    return found


def allowed(path: str) -> str:
    """What a file may import, as ALLOWED writes it."""
    if not is_study(path):
        place = max((place for place in ALLOWED if within(path, place)), key=len)
        return f"{place} {ALLOWED[place]}"
    study = path.split("/")[1]
    measuring = "" if path in shown() else MEASURING
    binding = "studies" if study in BINDING else ""
    return f"studies/{study} {EVERY_STUDY} {measuring} {binding}"


@pytest.mark.parametrize("path", files().values())
def test_arrows_run_down(path):
    beyond = sorted(target for target in ours(path) if not within(target, allowed(path)))
    assert not beyond, f"{path} may import {allowed(path)}, not {', '.join(beyond)}"


def test_no_circle_not_even_within_a_folder():
    """A package's `__init__.py` that gathers its own files is no circle with them: nothing else is exempt."""
    graph = {path: ours(path) for path in files().values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"imports in a circle: {' <- '.join(error.args[1])}") from None


@pytest.mark.parametrize("package", TIMM_AND_TORCH)
def test_packages_that_stand_alone_import_little(package):
    known = {*sys.stdlib_module_names, *TIMM_AND_TORCH[package], package}
    for path in files().values():
        if within(path, package):
            foreign = {name.split(".")[0] for name in imported(path)} - known
            assert not foreign, f"{path} imports {foreign}"


def test_no_folder_of_code_has_more_than_fourteen_files():
    folders = [str(path.relative_to(ROOT).parent) for path in code()]
    assert not {folder: folders.count(folder) for folder in folders if folders.count(folder) > 14}


def code():
    """Files of Python, those too that git does not track yet."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / path for path in listed if (ROOT / path).exists()]


MOST_LINES = {"product": 20_805, "tests": 17_216}
"""Of code. Whoever adds more looks first for what can go; whoever takes something out lowers the number."""


def test_the_house_does_not_grow():
    """Lines of code, without docstrings, comments and blank ones."""
    found = dict.fromkeys(MOST_LINES, 0)
    for path in code():
        found["tests" if path.is_relative_to(ROOT / "tests") else "product"] += len(lines_of_code(path))
    for part, lines in found.items():
        todo = "take something out, or raise the number and say in the commit why nothing can go"
        assert lines <= MOST_LINES[part], f"{part}: {lines} lines of code, MOST_LINES allows {MOST_LINES[part]}; {todo}"


def lines_of_code(path):
    source = path.read_bytes()
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    tokens = [token for token in tokenize.tokenize(io.BytesIO(source).readline) if token.type not in silent]
    lines = {line for token in tokens if token.string for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


def test_what_must_start_fast_does_not_load_torch():
    """The report, whatever it binds, and the help of the program."""
    program = "import sys, studies.report.page, cli.app; from studies import STUDIES\n"
    program += "[study.load(name) for study in STUDIES for name in study.sections]\n"
    program += "print([name for name in ('pytorch_lightning', 'timm', 'torchvision') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_two_classes_have_one_name():
    names = [
        node.name
        for path in files().values()
        for node in ast.parse((ROOT / path).read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    assert not {name for name in names if names.count(name) > 1}
