"""`main.py doctor [CONFIG]`: what a training needs, looked at one by one, a line each."""

from pathlib import Path

from jsonargparse.typing import PositiveFloat
from rich.console import Console

from records.errors import in_one_line
from studies.runs import options


def main(arguments: list[str]) -> int:
    """Runs `doctor`; returns its exit status."""
    return options.run("doctor", doctor, arguments)


def doctor(config: Path | None = None, *settings: str, seconds: PositiveFloat = 10.0) -> int:
    """Looks at what a training needs: versions, devices, all-reduce, disk; of a configuration also data and speed.

    A line each, green or red (FAILED). A CONFIG of `fit`, whose options may follow, is checked as `fit` checks it, and
    the images that the loader gives a second stand beside those that the network takes.

    Exit status: 0 if nothing is red, 1 otherwise.

    Args:
        config: configuration of `fit`, such as configs/demo/demo.yaml; options such as --data.root=FOLDER may follow
            or stand alone
        seconds: of each of the two measurements
    """
    console = Console(highlight=False)
    # Imported late: --help need not wait for torch.
    from cli.doctor.looks import looks

    failed: set[str] = set()
    # Options without a configuration are those of `fit` without one.
    for name, look in looks([*([f"--config={config}"] if config else []), *settings], seconds):
        try:
            if "configuration" in failed:
                found, style = "not looked at: the configuration or its data failed, see above", "yellow"
            else:
                found, style = look(), "green"
        except Exception as error:
            found, style = f"FAILED: {in_one_line(error)}", "red"
            failed.add(name)
        console.print(f"{name:14}{found}", style=style, markup=False, soft_wrap=True)
    return 1 if failed else 0
