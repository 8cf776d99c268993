"""`main.py doctor [CONFIG]`: checks what a training needs, and prints a line per check."""

from pathlib import Path

from jsonargparse.typing import PositiveFloat
from rich.console import Console

from records.errors import in_one_line
from studies.runs import options


def main(arguments: list[str]) -> int:
    """Runs `doctor`; returns its exit status."""
    return options.run("doctor", doctor, arguments)


def doctor(config: Path | None = None, *settings: str, seconds: PositiveFloat = 10.0) -> int:
    """Checks what a training needs: versions, devices, all-reduce, disk; with a configuration also its data and speed.

    Prints a line per check, green or red (FAILED). A CONFIG of `fit`, after which options of `fit` may follow, is
    checked as `fit` checks it; then the images per second of the loader and of the network are measured.

    Exit status: 0 if nothing is red, 1 otherwise.

    Args:
        config: configuration of `fit`, such as configs/demo/demo.yaml; options such as --data.root=FOLDER may follow
            it, or be given without it
        seconds: duration of each of the two measurements
    """
    console = Console(highlight=False)
    # Imported late, since --help need not wait for torch.
    from cli.doctor.looks import looks

    failed: set[str] = set()
    # Options without a configuration are checked as `fit` without --config.
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
