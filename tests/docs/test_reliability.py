"""docs/reliability.md names tests that exist."""

import re

from tests.support.program import ROOT


def test_every_named_test_exists():
    file, seen = "", 0
    for path, name in re.findall(r"`([\w/]+\.py)?(?:::(\w+))?`", (ROOT / "docs/reliability.md").read_text()):
        file = path or file
        if path or name:
            seen += 1
            assert f"def {name}" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"
    assert seen > 50
