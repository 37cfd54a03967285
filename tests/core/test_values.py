"""Values are frozen, check their own shapes, and become plain JSON."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from iceframe.core.values import (
    Audit,
    Equilibrium,
    Evidence,
    Finding,
    Grid,
    Representation,
    Status,
)


def representation(n: int = 3) -> Representation:
    return Representation(
        np.arange(2.0 * n).reshape(n, 2), ("a", "b"), ("MPa", ""), {"mechanical": (0,), "x": (1,)}
    )


def test_grid_needs_one_spacing_an_axis() -> None:
    assert Grid((4, 5), (0.5, 0.5), "um").unit == "um"
    with pytest.raises(ValueError, match="differ in length"):
        Grid((4, 5), (0.5,))


@pytest.mark.parametrize(
    ("names", "units"), [(("a",), ("", "")), (("a", "b"), ("",)), (("a", "b", "c"), ("", "", ""))]
)
def test_representation_needs_one_name_and_unit_a_column(
    names: tuple[str, ...], units: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="2 columns"):
        Representation(np.zeros((3, 2)), names, units)


def test_taking_rows_keeps_the_columns() -> None:
    part = representation(4).take(np.array([3, 0]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.values, [[6, 7], [0, 1]])
    assert (part.names, part.units) == (("a", "b"), ("MPa", ""))
    assert part.blocks == {"mechanical": (0,), "x": (1,)}


@pytest.mark.parametrize(
    "value",
    [
        Grid((1,), (1.0,)),
        representation(),
        Evidence("ridge", "fidelity", "mae", 1.0),
        Equilibrium("ridge", Status.CONVERGED, ""),
        Finding("constant", "note", "t", "e", "r"),
        Audit(()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen(value: object) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_evidence_as_plain_mapping() -> None:
    row = Evidence("ridge", "fidelity", "mae", 1.5, 1.0, 2.0, (1.0, 2.0), "lower", "MPa", n=90)
    back = json.loads(json.dumps(row.as_dict()))
    assert back["folds"] == [1.0, 2.0]
    assert Evidence(**{**back, "folds": tuple(back["folds"])}) == row


def test_an_interval_that_was_not_measured_is_nan_not_zero() -> None:
    row = Evidence("ridge", "fidelity", "mae", 1.5)
    assert np.isnan([row.low, row.high]).all()


def test_equilibrium_as_plain_mapping() -> None:
    step = {"rung": "mean", "admitted": False}
    value = Equilibrium("ebm", Status.CONVERGED, "none needed", ("because",), (step,))
    assert json.loads(json.dumps(value.as_dict())) == {
        "rung": "ebm",
        "status": "CONVERGED",
        "remedy": "none needed",
        "reasons": ["because"],
        "trajectory": [step],
    }


@pytest.mark.parametrize(
    ("severities", "worst"),
    [
        ((), "clean"),
        (("note",), "note"),
        (("note", "warning"), "warning"),
        (("note", "error", "warning"), "error"),
    ],
)
def test_an_audit_is_as_bad_as_its_worst_finding(severities: tuple[str, ...], worst: str) -> None:
    findings = tuple(Finding("c", s, "t", "e", "r") for s in severities)  # type: ignore[arg-type]
    assert Audit(findings).worst() == worst
