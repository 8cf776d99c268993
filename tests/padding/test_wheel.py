"""The wheel that other projects install: `padding` alone, with torch and timm."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

USE = """
import sys, timm, padding
assert padding.convert_padding(timm.create_model("resnet18"), "partial").converted
print(padding.__file__)
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow  # it asks a package registry for setuptools
def test_the_wheel_works_where_nothing_else_of_the_project_is(tmp_path):
    built, home = tmp_path / "dist", tmp_path / "home"
    source = tmp_path / "source"  # building leaves folders behind
    shutil.copytree(ROOT / "padding", source / "padding", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", built, source], check=True)
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"padding"}
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "padding").rglob("*") if path.suffix in (".py", ".typed")}
    assert ours <= set(names)
    zipfile.ZipFile(wheel).extractall(home)
    environment = {**os.environ, "PYTHONPATH": str(home)}
    used = subprocess.run([sys.executable, "-c", USE], cwd=home, env=environment, capture_output=True, text=True)
    assert used.returncode == 0, used.stderr
    place, modules = used.stdout.splitlines()
    assert Path(place).is_relative_to(home)
    others = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"padding"}
    assert not (others | {"pytorch_lightning", "jsonargparse"}) & set(ast.literal_eval(modules))
