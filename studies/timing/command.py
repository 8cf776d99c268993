"""`main.py timing`: Table 1 of the paper, inference time under each padding scheme, of any timm models."""

from records.atomic import check_writable
from studies.runs.command import ANOTHER_OUTPUT
from studies.timing.options import Options


def main(options: Options) -> int:
    """Measures Table 1 of the paper on this machine: the time of one inference under each padding scheme.

    Times first and later iterations under zero padding, under zero padding a second time (the null pair, whose ratio
    shows the measurement noise) and under each scheme. Schemes take turns, in an order shuffled in each round; a ratio
    is that of two times of the same round.

    The first iteration is the first forward pass of a newly built network, after other copies have run at this size:
    the scheme has cached nothing for later iterations yet, and a compiled network is compiled within it.

    Writes timing.json (every measured time; it replaces an earlier one only when all is measured), table1_timing.csv
    and .md. `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/timing or a folder in it, such as
    timing/gpu. Exit status: 0; 1 if a network or a scheme could not be measured (it is named, and the rest reported);
    2 for bad input, or if nothing could be measured; 130 after Ctrl-C, when nothing is written.
    """
    file = options.output / "timing.json"
    # Imported late: --help need not wait for torch.
    from studies.page.terminal import show_measured
    from studies.timing.measure import check, measure
    from studies.timing.table import section

    check_writable(options.output, ANOTHER_OUTPUT)
    record = measure(check(options, file))
    record.write(file)
    show_measured(section([record], options.output), file)
    return 1 if record.failed else 0
