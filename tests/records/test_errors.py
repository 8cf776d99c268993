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
    defect = ValueError("a defect")
    with pytest.raises(ValueError) as caught:
        message_for_users(defect)
    assert caught.value is defect


def test_the_traceback_of_a_loader_process_is_left_out():
    text = "Caught DataError in DataLoader worker process 0.\nTraceback ...\ndatamodules.errors.DataError: a.png is damaged"
    assert message_for_users(DataError(text)) == "a.png is damaged"
