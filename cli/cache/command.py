"""`main.py cache CONFIG`: decodes the images that `fit` would read into the folder `data.cache`."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from records.errors import UserError
from studies.runs import options


def main(arguments: list[str]) -> int:
    """Runs `cache`; returns its exit status."""
    return options.run("cache", cache, arguments)


def cache(config: Path, *settings: str) -> int:
    """Decodes the images of a configuration into the folder data.cache; `fit` then reads them there.

    No pixel changes. Prints the size on the disk first, and never exceeds it. Started again, it decodes only images
    that are missing or have changed, and compares all checksums. A folder may hold caches of several configurations.

    Args:
        config: configuration of `fit`, such as configs/cityscapes/resnet50.yaml; options such as --data.cache=FOLDER
            and --data.num_workers=8 may follow
    """
    # Imported late, since --help need not wait for torch.
    from cli.sweep.resolver import PointCLI

    cli = PointCLI(["fit", f"--config={config}", *settings])
    data = cli.build("data", cli.config.fit.data)
    if getattr(data, "pixel_cache", None) is None:
        raise UserError("data.cache is not set, so there is nothing to make; say --data.cache=FOLDER")
    console = Console(highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        task = None
        for text, done, total in data.pixel_cache.build(data.num_workers):
            # The first item says how many bytes the cache takes; it has no bar.
            if done == 0:
                console.print(text, markup=False, soft_wrap=True)
                continue
            if task is None or bars.tasks[task].description != text:
                task = bars.add_task(text, total=total)
            bars.update(task, completed=done)
    console.print("complete, all checksums right")
    return 0
