"""The report: whole, the same each time, and every name on it escaped."""

import re
import shutil
import subprocess

import pytest

from studies.report.page import PAGE, write_report
from studies.runs.collect import collect

TABLES = ("claims", "claims_evidence", "differences", "epochs_to_target", "figure3", "table2_best", "table3_last5")
DRAWINGS = ("figure1.svg", "figure3.svg")


def test_same_bytes_again_and_links_to_every_file_and_run(tmp_path, make_run):
    for network, schemes in {"resnet18": ("zero", "partial", "reflect"), "vgg11_bn": ("zero", "partial")}.items():
        for padding in schemes:
            for seed in (0, 1):
                values = [10.0 * (epoch + 1) + seed + len(padding) for epoch in range(5)]
                make_run(network, padding, seed, values, targets=[30.0, 99.0])
    make_run(seed=2, finished=False, max_epochs=9)
    for name in "ab":
        write_report(collect(tmp_path / "runs"), tmp_path / name)
    one, other = (tmp_path / name / PAGE for name in "ab")
    files = sorted(each.name for each in one.parent.iterdir())
    assert {*files} >= {f"{t}.{kind}" for t in TABLES for kind in ("csv", "md")} | {*DRAWINGS, "report.html"}
    for name in files:
        assert (one.parent / name).read_bytes() == (other.parent / name).read_bytes()
    text = one.read_text()
    assert [each for each in files if each != "report.html" and f'href="{each}"' not in text] == []
    links = [each for each in re.findall(r' href="([^"]+)"', text) if not each.startswith("#")]
    assert len(links) > 2 * 10
    assert [each for each in links if not (one.parent / each).exists()] == []
    assert "Before you compare" not in text
    # What was compared, the curves, the differences; all else is folded, and the contents name it.
    unfolded = text[: text.index('<details class="chapter">')]
    heads = re.findall(r"<h2>(.*?)</h2>", unfolded)
    assert [head.partition(" ")[0] for head in heads] == ["Convergence", "Differences"]
    contents = re.findall(r'<a href="#(part\d+)">', text)
    assert contents == re.findall(r'<div id="(part\d+)">', text)
    assert len(contents) > len(heads) + 3
    # Claims without evidence are a line, not a row each.
    assert re.search(r"Not tested by these runs, of 22 claims: [^<]*\b9 by main.py timing; ", text)
    assert "not tested<" not in text
    assert re.search(r"Left out of all tables.*runs/resnet18-zero-seed2\".*unfinished: 2 of 9 epochs.*<h2>", text, re.S)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1200, 420])
def test_no_element_is_wider_than_the_page(width, tmp_path, make_run):
    """With everything unfolded, in a browser; frames that scroll may hold wider tables where the screen is narrow."""
    for network in ("a_rather_long_name_of_a_network_512", "resnet50"):
        for padding, best in (("zero", 70.0), ("partial", 70.2)):
            for seed in range(5):
                make_run(network, padding, seed, [10.0, best + seed**2 / 7])
    write_report(collect(tmp_path / "runs"), tmp_path / "out")
    text = (tmp_path / "out" / PAGE).read_text()
    script = """<script>
    document.querySelectorAll("details").forEach(each => each.open = true);
    const wide = [...document.querySelectorAll("main *")].filter(each => each.matches(".scroll") ?
        innerWidth > 1000 && each.scrollWidth > each.clientWidth : !each.closest(".scroll") &&
        each.getBoundingClientRect().right > innerWidth + 1).map(each => each.tagName + each.innerText.slice(0, 40));
    document.title = "wide:" + [...wide, document.documentElement.scrollWidth > innerWidth].join();
    </script></body>"""
    (tmp_path / "out" / "opened.html").write_text(text.replace("</body>", script))
    options = ["--headless", "--no-sandbox", f"--window-size={width},2000", "--dump-dom"]
    page = ["chromium", *options, f"file://{tmp_path}/out/opened.html"]
    found = subprocess.run(page, capture_output=True, text=True, timeout=300)
    assert re.search(r"<title>(.*?)</title>", found.stdout)[1] == "wide:false"
