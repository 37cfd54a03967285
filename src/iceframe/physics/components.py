"""Names of the components of effective tensors: ``C11`` … in Voigt notation, ``k_xx`` …"""

from __future__ import annotations

from itertools import combinations_with_replacement

from iceframe.core.errors import InputError
from iceframe.physics.properties import AXES, VOIGT

_VOIGT_NUMBERS = {"xx": 1, "yy": 2, "zz": 3, "yz": 4, "xz": 5, "xy": 6}


def tensor_names(prop: str, dimension: int) -> tuple[str, ...]:
    """Names of the upper triangle of an effective tensor, row by row.

    Examples
    --------
    >>> tensor_names("elasticity", 2)
    ('C11', 'C12', 'C16', 'C22', 'C26', 'C66')
    >>> tensor_names("conductivity", 2)
    ('k_xx', 'k_xy', 'k_yy')
    """
    if prop == "conductivity":
        return tuple(f"k_{a}{b}" for a, b in combinations_with_replacement(AXES[:dimension], 2))
    numbers = [_VOIGT_NUMBERS[part] for part in VOIGT[dimension]]
    return tuple(f"C{a}{b}" for a, b in combinations_with_replacement(numbers, 2))


def component_pair(prop: str, component: str, dimension: int) -> tuple[int, int]:
    """Row and column of a named component in the effective tensor.

    Raises
    ------
    InputError : no such component in this dimension.

    Examples
    --------
    >>> component_pair("elasticity", "C66", 2), component_pair("conductivity", "k_yx", 3)
    ((2, 2), (0, 1))
    """
    names = tensor_names(prop, dimension)
    turned = component[:-2] + component[:-3:-1]  # the tensor is symmetric
    if turned in names:
        component = turned
    if component not in names:
        raise InputError(
            f"The effective {prop} has no such component in {dimension} dimensions.",
            where="component",
            got=component,
            allowed=", ".join(names),
        )
    side = dimension if prop == "conductivity" else len(VOIGT[dimension])
    return list(combinations_with_replacement(range(side), 2))[names.index(component)]
