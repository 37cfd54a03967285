"""What CHGNet says of a crystal, as named features for any table rung.

Energy per atom; statistics of the absolute magnetic moments of the sites; and the 64 numbers of the
crystal embedding per atom, from which the energy is read. The network is not fitted here: the
features of a crystal depend on that crystal alone. A stored model holds a digest of the network's
weights, and is refused where they are others.

CHGNet: Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3.
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
    Feature("CHGNet energy per atom", "eV/atom", "chgnet_energy"),
    Feature("CHGNet magnetic moment, mean", "μB", "chgnet_moments"),
    Feature("CHGNet magnetic moment, largest", "μB", "chgnet_moments"),
    Feature("CHGNet magnetic moment, spread", "μB", "chgnet_moments"),
    *(Feature(f"CHGNet embedding {i + 1}", "", "chgnet_embedding") for i in range(WIDTH)),
)


@DESCRIPTORS.register("chgnet")
class Chgnet(Descriptor):
    """Energy, moments and embedding of a network that was trained on calculated energies.

    Undefined where an element is beyond plutonium or an atom has no neighbour within 6 Å.
    """

    name = "chgnet"
    title = "CHGNet"
    summary = "Energy per atom, magnetic moments and embedding of the foundation model CHGNet."
    reference = "Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3"
    needs = "crystal"
    default = False

    def fit(self, data: Dataset) -> Self:
        """Nothing is learned."""
        if data.crystals is None:
            raise InputError(f"The descriptor '{self.name}' needs crystals.", where=data.name)
        return self

    def transform(self, data: Dataset) -> Representation:
        """Features ``(n, 68)``.

        Raises
        ------
        InputError : the data set has no crystals.
        """
        from iceframe.scale.foundation.chgnet_features import chgnet_features

        if data.crystals is None:
            raise InputError(
                "This data set has no crystals, and the model looks at crystals.", where=data.name
            )
        crystals = data.crystals
        found = chgnet_features(crystals)
        n = len(crystals)
        moments, starts = found.moments, crystals.offsets[:-1]
        mean = np.bincount(crystals.owners, moments, n) / crystals.sizes
        away = (moments - mean[crystals.owners]) ** 2
        spread = np.sqrt(np.bincount(crystals.owners, away, n) / crystals.sizes)
        largest = np.maximum.reduceat(moments, starts) if n else np.empty(0)
        columns = (found.energies, mean, largest, spread, found.crystal_vectors)
        unknown = [crystals.names[i] for i in np.flatnonzero(~found.described)]
        self.notes = ()
        if unknown:
            named = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
            self.notes = (
                f"CHGNet cannot describe {len(unknown)} of {n} crystals (an element beyond "
                f"plutonium, or an atom without a neighbour within 6 Å): {named}.",
            )
        return represent(np.column_stack(columns), FEATURES, self.reference)

    def state(self) -> dict[str, Any]:
        """A digest of the network's weights."""
        from iceframe.scale.foundation.energy_correction import weights_state

        return dict(weights_state())

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor, where the network is the same."""
        from iceframe.scale.foundation.energy_correction import check_weights

        check_weights(state)
        return cls()
