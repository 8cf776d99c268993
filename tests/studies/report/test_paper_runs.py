"""The paper's own runs, put to the tests that ours are put to."""

import pytest
from scipy import stats

from studies.report import paper_runs
from studies.runs import paper


def test_the_papers_runs_are_tested_as_ours_are():
    """Against scipy's own test of the runs as the file has them."""
    rows = paper.rows("table2")
    partial, zero = (
        next(r for r in rows if (r["network"], r["padding"]) == ("resnet101", p)) for p in ("partial", "zero")
    )
    found = paper_runs.against_zero("table2", partial)
    expected = stats.ttest_ind(partial["runs"], zero["runs"], equal_var=False)
    assert found.kind == "Welch"
    assert found.p == pytest.approx(expected.pvalue)
    assert found.p == pytest.approx(0.0235, abs=1e-4)
    shown = paper_runs.table("table2", "best")
    assert len(shown.rows) == 20
    assert shown.starts == [4, 8, 12, 16]
    assert "| resnet101_partial | 78.318 | 78.124 |" in shown.markdown()
    assert paper_runs.label(paper.rows("table5")[-1]) == "wide_resnet38-split2_partial"
