"""What a dashboard holds of a run beside its curves, so that the run folder can be written anew from it."""

import json
from typing import Any

from records.run_folder import RunFolder, RunFolderError, RunRecord

KEY = "run_folder"
"""The entry of the dashboard's configuration that `exported` goes into."""


def exported(folder: RunFolder) -> dict[str, Any]:
    """run.json and config.yaml as they are, and the number of epochs in epochs.csv.

    As text: a dashboard keeps numbers as JavaScript does, which makes 1 of 1.0.
    """
    texts = {path.name: path.read_text() for path in (folder.record_file, folder.config)}
    return {**texts, "epochs": len(folder.read_rows())}


def imported(content: Any) -> tuple[RunRecord, str, int]:
    """The record, the text of config.yaml and the number of epochs that `exported` made `content` of.

    Raises:
        RunFolderError: if `content` is something else.
    """
    try:
        record = RunRecord(**json.loads(content["run.json"]))
        return record, str(content["config.yaml"]), int(content["epochs"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"its {KEY} is damaged: {type(error).__name__}: {error}") from None
