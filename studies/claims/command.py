"""`main.py claims RUNS_FOLDER`: the paper's claims, and what these runs say of each."""

from studies.runs.command import make_parser, run_studies

DESCRIPTION = """\
Each claim of the paper in a line: where it stands, the study that tests it, and what the runs say: supported,
contradicted, or not yet decidable with so many runs. Claims that need a trained network (Table 4, Figures 4 and 5), a
measurement of time (Table 1) or tested segmentation networks (Tables 6 and 7) are read from what those studies kept."""

EPILOG = """\
Writes claims and claims_evidence as .csv and .md, and claims.svg."""


def main(arguments: list[str]) -> int:
    """Prints and writes the claims; returns the exit status. Raises UserError where there is nothing to report."""
    options = make_parser("claims", DESCRIPTION, EPILOG).parse_args(arguments)
    # Imported late: --help need not wait for matplotlib and scipy.
    from studies.claims import table as claims_page

    return run_studies(options, (claims_page.study,), "nothing to test a claim with")
