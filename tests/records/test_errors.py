"""Errors meant for users say so by an attribute; defects keep their traceback."""

import pytest

from datamodules import DataError
from evaluation import EvaluationError
from lightning_modules.errors import ModelError
from networks.create import NetworkError
from padding import PaddingError
from records import RunFolderError
from records.errors import RecordError, UserError, is_for_users, message_for_users

MEANT = (UserError, RecordError, RunFolderError, PaddingError, DataError, NetworkError, ModelError, EvaluationError)


@pytest.mark.parametrize("kind", MEANT)
def test_errors_meant_for_users(kind):
    assert is_for_users(kind("wrong"))
    assert message_for_users(kind("wrong.")) == "wrong."


def test_a_defect_is_raised_again():
    defect = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError) as caught:
        message_for_users(defect)
    assert caught.value is defect


def test_the_traceback_of_a_loader_process_is_left_out():
    traceback = "Caught DataError in DataLoader worker process 0.\nTraceback ...\n"
    error = DataError(f"{traceback}datamodules.errors.DataError: a.png is damaged.\n")
    assert message_for_users(error) == "a.png is damaged."
