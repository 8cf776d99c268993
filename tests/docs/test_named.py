"""Commands, files and tests that the documentation names exist."""

import re

import pytest

from cli.app import COMMANDS
from tests.support.program import ROOT

FOLDERS = "|".join(["configs", "docs", "scripts", "sweeps", *(file.parent.name for file in ROOT.glob("*/__init__.py"))])


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))], ids=lambda page: page.name)
def test_what_is_named_exists(page):
    """Tests by `path.py::name`, its path below tests/; a name alone is of the file before."""
    text, file = page.read_text(), ""
    paths = re.findall(rf"(?<![\w/])(?:{FOLDERS})/[\w./]*\w", text)
    assert [each for each in paths if not ((ROOT / each).exists() or (ROOT / "tests" / each).exists())] == []
    for path, name, alone in re.findall(r"((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?|::(test_\w+)", text):
        file = path.removeprefix("tests/") or file
        assert f"def {name or alone}" in (ROOT / "tests" / file).read_text(), f"{file}::{name or alone}"
    assert set(re.findall(r"(?:`|python )main\.py ([\w-]+)", text)) <= {*COMMANDS}
    assert file or page.name != "reliability.md"
