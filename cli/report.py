"""`main.py report RUNS_FOLDER`: tables and figures of a folder of runs, in the terminal and as one page."""

import shlex

from rich.console import Console

from cli.study_command import cannot_write, collect_runs, make_parser, output_folder, say, show_sections, show_set_aside

DESCRIPTION = """\
Compare the finished runs below a folder: for each architecture and padding scheme the accuracy or mIoU by the best
epoch (Tables 2 and 5 of the paper) and by the average of the last five (Table 3), mean, standard deviation and
difference from zero padding; the mean curves with their spread over the seeds (Figure 3); epochs to reach targets."""

EPILOG = """\
Writes report.html (one page that opens without a network), table2_best.csv and .md, table3_last5.csv and .md (of
segmentation runs table5_best and last5), figure3.svg and figure3.csv. Unfinished and damaged runs are named and left
out of the tables."""


def main(arguments: list[str]) -> int:
    """Prints and writes the report; returns the exit status. Raises UserError where there is nothing to report."""
    options = make_parser("report", DESCRIPTION, EPILOG).parse_args(arguments)
    collection, output = collect_runs(options), output_folder(options)
    # Imported late: --help need not wait for matplotlib.
    from studies.report import write_report

    try:
        report = write_report(collection, output)
    except OSError as error:
        raise cannot_write(output, error) from None
    console = Console()
    show_sections(console, report.sections)
    for sentence in report.sentences:
        say(console, sentence)
    for warning in report.warnings:
        say(console, f"warning: {warning}")
    show_set_aside(console, collection)
    say(console, f"\nReport: {shlex.quote(str(report.page))}")
    return 0
