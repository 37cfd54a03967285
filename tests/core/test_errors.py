"""An error says what, where, got, allowed and next; scripts rely on its exit code."""

from __future__ import annotations

import pytest

from iceframe.core.errors import (
    BudgetExhausted,
    IceframeError,
    InputError,
    NotAvailable,
    UsageError,
)


def test_message_has_every_part_in_order() -> None:
    error = InputError(
        "Unknown target.", where="alloys.csv", got="strenght", allowed="strength", hint="fix it"
    )
    lines = str(error).splitlines()
    assert lines[0] == "Unknown target."
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["where", "got", "allowed", "next"]
    assert [line.split(":", 1)[1].strip() for line in lines[1:]] == [
        "alloys.csv",
        "strenght",
        "strength",
        "fix it",
    ]


def test_parts_that_are_not_given_are_not_printed() -> None:
    assert str(InputError("Empty folder.")) == "Empty folder."
    assert str(InputError("Bad value.", got=0)).splitlines()[1].split() == ["got:", "0"]


def test_values_start_in_the_same_column() -> None:
    lines = str(UsageError("x", where="a", got="b", allowed="c", hint="d")).splitlines()[1:]
    assert {line.index(line.split()[1]) for line in lines} == {11}


@pytest.mark.parametrize(
    ("kind", "code"),
    [(InputError, 1), (UsageError, 2), (NotAvailable, 2), (BudgetExhausted, 3)],
)
def test_exit_codes(kind: type[IceframeError], code: int) -> None:
    assert kind("x").exit_code == code
    assert isinstance(kind("x"), IceframeError)


def test_parts_stay_available_to_programs() -> None:
    error = InputError("w", where="here", got=3, allowed=[1, 2], hint="n")
    assert (error.what, error.where, error.got, error.allowed, error.hint) == (
        "w",
        "here",
        3,
        [1, 2],
        "n",
    )
