"""What a search may try, by what the rungs say of themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iceframe.balance.families import family_of
from iceframe.core.dataset import Dataset
from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs.ebm import EBMRung
from iceframe.workflow.feedback.ladder import facts_of, ladder_for


@pytest.fixture
def splines(monkeypatch):
    """Two rungs of someone's own: a glass box, and the same once it was taught by another rung."""
    RUNGS.discover()
    alone = type("Splines", (EBMRung,), {"name": "splines", "family": "splines"})
    taught = type("Kept", (EBMRung,), {"name": "kept", "distils": "splines", "effort": "extreme"})
    monkeypatch.setattr(RUNGS, "_entries", {**RUNGS._entries, "splines": alone, "kept": taught})


def test_a_new_rung_needs_no_name_of_a_kind_to_be_found(splines):
    facts = facts_of("splines")
    assert (family_of(facts), facts.distilled) == ("splines", "")
    assert (family_of(facts_of("kept")), facts_of("kept").distilled) == ("distilled", "splines")
    table = pd.DataFrame({"a": np.arange(20.0), "y": np.arange(20.0)})
    data = Dataset(table, features=("a",), target="y", task="regression")
    assert ladder_for(["splines"], data) == ("mean", "splines", "kept")
    assert ladder_for(["splines"], data, ["distil"]) == ("mean", "splines")


def test_what_two_point_statistics_miss_a_network_may_find():
    assert family_of(facts_of("two_point_pca")) != family_of(facts_of("cnn"))
    assert family_of(facts_of("cnn")) == family_of(facts_of("vit")) == "image"
    assert facts_of("vit").supervised_by == "sobolev_vit"
    assert family_of(facts_of("micrographs_tuned")) == "pretrained image"
