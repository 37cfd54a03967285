"""What SevenNet-0 says of a crystal, as named features for any table rung.

Energy per atom, the spread of the site energies, and the 64 numbers of the crystal embedding per
atom, from which the energy is read. The network is not fitted here: the features of a crystal
depend on that crystal alone. A stored model holds a digest of the network's weights, and is refused
where they are others. The package ``sevenn`` is an extra: ``pip install 'iceframe[sevennet]'``.

SevenNet: Park et al. 2024, https://doi.org/10.1021/acs.jctc.4c00190.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Descriptor, Feature, represent

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset
    from iceframe.core.values import Representation

WIDTH = 64

FEATURES = (
    Feature("SevenNet energy per atom", "eV/atom", "sevennet_energy"),
    Feature("SevenNet site energy, spread", "eV", "sevennet_energy"),
    *(Feature(f"SevenNet embedding {i + 1}", "", "sevennet_embedding") for i in range(WIDTH)),
)


@DESCRIPTORS.register("sevennet")
class Sevennet(Descriptor):
    """Energy and embedding of an equivariant network that was trained on calculated energies.

    Undefined where an element is none of the 89 that it knows, or an atom has no neighbour within
    5 Å.
    """

    name = "sevennet"
    title = "SevenNet"
    summary = (
        "Energy per atom, spread of site energies and embedding of the foundation model SevenNet-0 "
        "(extra: iceframe[sevennet])."
    )
    reference = "Park et al. 2024, https://doi.org/10.1021/acs.jctc.4c00190"
    needs = "crystal"
    default = False

    def fit(self, data: Dataset) -> Self:
        """Nothing is learned.

        Raises
        ------
        InputError : the data set has no crystals.
        NotAvailable : the package ``sevenn`` is not installed.
        """
        from iceframe.scale.foundation.sevennet_network import require_sevenn

        if data.crystals is None:
            raise InputError(f"The descriptor '{self.name}' needs crystals.", where=data.name)
        require_sevenn()
        return self

    def transform(self, data: Dataset) -> Representation:
        """Features ``(n, 66)``.

        Raises
        ------
        InputError : the data set has no crystals.
        """
        from iceframe.scale.foundation.sevennet_features import sevennet_features

        if data.crystals is None:
            raise InputError(
                "This data set has no crystals, and the model looks at crystals.", where=data.name
            )
        crystals = data.crystals
        found = sevennet_features(crystals)
        n = len(crystals)
        away = (found.site_energies - found.energies[crystals.owners]) ** 2
        spread = np.sqrt(np.bincount(crystals.owners, away, n) / crystals.sizes)
        unknown = [crystals.names[i] for i in np.flatnonzero(~found.described)]
        self.notes = ()
        if unknown:
            named = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
            self.notes = (
                f"SevenNet cannot describe {len(unknown)} of {n} crystals (an element that it was "
                f"not trained on, or an atom without a neighbour within 5 Å): {named}.",
            )
        columns = (found.energies, spread, found.crystal_vectors)
        return represent(np.column_stack(columns), FEATURES, self.reference)

    def state(self) -> dict[str, Any]:
        """A digest of the network's weights."""
        from iceframe.scale.foundation.sevennet_network import weights_state

        return dict(weights_state())

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor, where the network is the same."""
        from iceframe.scale.foundation.sevennet_network import check_weights

        check_weights(state)
        return cls()
