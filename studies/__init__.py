"""Studies of finished runs: a folder each, listed here in the order of the report's page.

The signature and the docstring of a command's `main` are its options and its help (studies/runs/options.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Study:
    """An entry in the list of studies; the study's own code is imported only when it is used.

    Attributes:
        name: name of the command; the folder has `_` in place of `-`.
        help: the line about the study in `main.py --help`.
        sections: `file:function` in the folder for each section of the report. A function takes the Collection of runs
            and the output folder, and returns a Section, or None if the runs hold nothing for it.
    """

    name: str
    help: str
    sections: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.name.replace("-", "_")

    @property
    def functions(self) -> list[Callable]:
        return [self.load(name) for name in self.sections]

    def load(self, name: str) -> Any:
        """Imports the function that `name`, such as `table:study`, refers to."""
        file, _, function = name.partition(":")
        return getattr(import_module(f"studies.{self.folder}.{file}"), function)

    def show(self, runs: Any, nothing: str) -> int:
        """Runs the command of a study that measures nothing: shows all sections, and returns the exit status."""
        # Imported late: --help need not wait for scipy.
        from studies.page.terminal import run_studies

        return run_studies(runs, self.functions, nothing)

    def main(self, arguments: list[str]) -> int:
        """Runs the study's command; returns its exit status. Raises UserError for arguments that it does not take."""
        # Imported late: `main.py --help` need not wait for jsonargparse.
        from studies.runs.options import run

        return run(self.name, self.load("command:main"), arguments)


STUDIES = (
    Study("report", "every study below that applies to a folder of runs, as one page", ("provenance:study",)),
    Study("claims", "each claim of the paper and of others, and whether these runs support it", ("table:study",)),
    Study(
        "accuracy",
        "Tables 2, 3 and 5, Figure 1: best and last-5 average of each run, differences with intervals",
        ("differences:study", "table:study_best", "table:study_last5", "figure:study"),
    ),
    Study("convergence", "Figure 3: mean curves, epochs to a target", ("figure:study", "targets:study")),
    Study("timing", "Table 1: inference time of the padding schemes, of any timm models", ("table:study",)),
    Study("cross-test", "Table 4: every checkpoint under every padding scheme", ("table:study",)),
    Study(
        "disagreements",
        "Figure 4: images that every run of one scheme gets wrong and every run of another right",
        ("table:study",),
    ),
    Study(
        "activations", "Figure 5: activation maps of two schemes side by side, any layer, any images", ("table:study",)
    ),
    Study(
        "segmentation",
        "Tables 5 to 7, Figures 6 to 8 from tested segmentation runs",
        ("table:study_tiles", "table:study_border", "distance:study", "seams:study", "pictures:study"),
    ),
    Study(
        "padded-validation",
        "validations of a checkpoint compared: cropped images, padded batches with and without a mask",
        ("table:study",),
    ),
    Study("shift", "how often the decision changes with the position of the crop, under each scheme", ("table:study",)),
    Study("sizes", "accuracy at other image sizes than that of training, under each scheme", ("table:study",)),
    Study("position", "accuracy by the position of a small object on an empty canvas", ("table:study",)),
    Study(
        "probe",
        "how well absolute position can be read from the maps of a frozen network",
        ("table:study", "rings:study"),
    ),
    Study(
        "geometry",
        "uneven padding, foveation and the response to constants of any timm network; needs no data, no training",
        ("table:study",),
    ),
    Study(
        "border-error",
        "error of each padding scheme against real context, by layer and distance, of any timm network",
        ("table:study",),
    ),
    Study(
        "location",
        "the red-green test: does a network use where something is? Every scheme, drawn images, minutes",
        ("table:study",),
    ),
    Study("inpaint-demo", "draws holes in an image and shows layer by layer how the mask closes; needs no data"),
)


def find(name: str) -> Study | None:
    """Returns the study of that name, or None."""
    return next((study for study in STUDIES if study.name == name), None)
