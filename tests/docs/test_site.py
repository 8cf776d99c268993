"""The documentation builds as a site without a warning, and shows what docstrings say."""

import os
import subprocess
import sys

from tests.support.program import ROOT


def test_the_site_builds_without_warnings(tmp_path):
    """Strict: a link to no page, or a page that the navigation leaves out, ends it."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    reference = (tmp_path / "api" / "padding" / "index.html").read_text()
    assert 'id="padding.convert_padding"' in reference
    assert "```" not in reference, "examples are shown as code"
    assert (ROOT / "README.md").read_text().splitlines()[0].lstrip("# ") in (tmp_path / "index.html").read_text()
