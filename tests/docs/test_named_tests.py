"""Tests that the documentation names exist."""

import re

import pytest

from tests.support.program import ROOT


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_every_named_test_exists(page):
    """`path.py::name`, its path below tests/; a name alone is of the file before."""
    file, seen = "", 0
    for path, name in re.findall(r"[`/ ]((?:\w+/)*test_\w+\.py)?(?:::(test_\w+))?(?=[` ])", page.read_text()):
        if path or name:
            file = path.removeprefix("tests/") or file
            seen += 1
            assert f"def {name}" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"
    assert seen > 50 or page.name != "reliability.md"
