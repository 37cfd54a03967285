"""What a rung is: one model family, how it is built, tuned, read and stored.

To add one, write one file in ``iceframe/scale/rungs/`` (see CONTRIBUTING.md): a subclass of
:class:`Rung` decorated with ``@RUNGS.register(name)``. Heavy imports go inside the methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from iceframe.core.registry import Registry
from iceframe.core.values import Task

if TYPE_CHECKING:
    import optuna

    from iceframe.core.crystals import Crystals
    from iceframe.core.dataset import ImageSource
    from iceframe.core.values import Representation


Effort = Literal["light", "medium", "heavy", "extreme"]


@dataclass(frozen=True)
class Inputs:
    """What models may look at: the representation's columns, images and crystals, row by row.

    ``unlabelled``: samples of the same kind without a target, for rungs that learn from a teacher's
    answers on them; never samples that are held out. They stay whole whatever is taken.
    """

    table: Representation
    images: ImageSource | None = None
    crystals: Crystals | None = None
    unlabelled: Inputs | None = None

    def __len__(self) -> int:
        return len(self.table)

    def take(self, index: np.ndarray) -> Inputs:
        """The samples at positions ``index``."""
        images = self.images.take(index) if self.images is not None else None
        crystals = self.crystals.take(index) if self.crystals is not None else None
        return Inputs(self.table.take(index), images, crystals, self.unlabelled)


@dataclass(frozen=True)
class Context:
    """What a rung may know of the problem before it sees the data.

    ``blocks`` maps a family of columns to their positions; ``image_shape`` is
    ``(channels, *grid)``; ``symmetries`` are the image operations that leave the target unchanged
    (subset of ``{"flip", "rotate90", "translate"}``). ``feature_units`` and ``target_unit`` are as
    the user wrote them, empty where unknown; ``target`` names what is predicted. ``teacher`` is the
    rung that rungs which learn from another's answers shall learn from; empty: they choose one.
    """

    task: Task
    n_samples: int
    n_features: int
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    n_classes: int = 0
    image_shape: tuple[int, ...] | None = None
    periodic: bool = False
    symmetries: tuple[str, ...] = ()
    device: str = "cpu"
    seed: int = 0
    feature_units: tuple[str, ...] = ()
    target: str = ""
    target_unit: str = ""
    teacher: str = ""


class Rung(ABC):
    """One rung of the ladder.

    Class attributes
    ----------------
    title : what a person calls it. reference : where it comes from (DOI).
    input : ``"table"`` (estimators get float64 ``(n, d)`` with NaN where missing), ``"image"``
        (estimators get an ``ImageSource`` or float32 ``(n, channels, *grid)``) or ``"crystal"``
        (estimators get :class:`~iceframe.core.crystals.Crystals`).
    blocks : families of columns that it cannot do without, such as the element ``fractions``.
    family : models that fail for the same reasons share one: where one of them brought nothing,
        the next is less promising. Unsaid, it is one of all that look at images, or at crystals;
        on a table, one of glass boxes or black boxes in general.
    pretrained : whether it starts from weights or features that were learned elsewhere.
    supervised : whether it is taught by the solver's sensitivities.
    untaught : the rung that is the same network without them, where there is one.
    distils : the rung that it is once it is fitted, where it learns from another rung's answers:
        fitting gets :class:`Inputs` whole, as the teacher may look at what the pupil does not.
    glass_box : whether :meth:`terms` is exact.
    effort : decides how many tuning trials and GDF replicates are affordable; ``extreme`` where one
        fit takes minutes.
    trusted : type names, beyond scikit-learn's, that its stored model may contain.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    input: ClassVar[Literal["table", "image", "crystal"]] = "table"
    blocks: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = ""
    pretrained: ClassVar[bool] = False
    supervised: ClassVar[bool] = False
    untaught: ClassVar[str] = ""
    distils: ClassVar[str] = ""
    glass_box: ClassVar[bool] = False
    effort: ClassVar[Effort] = "light"
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "classification")
    trusted: ClassVar[tuple[str, ...]] = ()

    @classmethod  # noqa: B027
    def check_images(cls, images: ImageSource) -> None:
        """Raise an ``InputError`` where this rung can never be fitted to such images."""

    @abstractmethod
    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        """An unfitted scikit-learn style estimator for these settings.

        It must fit on what ``input`` says; imputation and scaling belong inside it.
        """

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        """Settings suggested by ``trial``; empty when there is nothing to tune."""
        return {}

    def search(
        self,
        inputs: Inputs,
        y: np.ndarray,
        context: Context,
        *,
        trials: int,
        folds: int,
        groups: np.ndarray | None,
    ) -> dict[str, Any] | None:
        """Settings found by a search of the rung's own, inside these samples; ``None`` where
        :meth:`space` is to be searched. Arguments as of :func:`iceframe.scale.fitting.tune`."""
        return None

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray | None:
        """Exact additive contributions ``(n, d)``, one a :meth:`term_names`, for glass boxes.

        They sum, with the intercept, to the prediction (regression) or to the log-odds of the
        predicted class (classification; ``(n, d, k)``). ``None`` where there are none.
        """
        return None

    def term_names(self, estimator: Any, context: Context) -> tuple[str, ...]:
        """What the columns of :meth:`terms` belong to: the features of the table, unless a rung
        that looks at something else has terms of its own."""
        return context.feature_names

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """What the model learned, readable: rows with ``term``, ``importance`` and, where it has
        one, a curve (``x``, ``y``) or a ``rule``. Empty for black boxes."""
        return []

    @abstractmethod
    def parameters(self, estimator: Any) -> int:
        """Number of fitted numbers in the model."""

    def save(self, estimator: Any, folder: Path) -> None:
        """Store a fitted estimator without pickle."""
        from iceframe.scale.storage import save_estimator

        save_estimator(estimator, folder)

    def load(self, folder: Path, settings: Mapping[str, Any], context: Context) -> Any:
        """Load what :meth:`save` stored; executes nothing that was stored."""
        from iceframe.scale.storage import load_estimator

        return load_estimator(folder, self.trusted)


class StatefulRung(Rung):
    """A rung whose estimators give their ``state()`` as arrays and JSON values, ``restore()`` from
    it, and count their ``n_parameters()``; stored as safetensors and JSON."""

    def parameters(self, estimator: Any) -> int:
        return int(estimator.n_parameters())

    def save(self, estimator: Any, folder: Path) -> None:
        from iceframe.scale.storage import save_state

        arrays, values = estimator.state()
        save_state(arrays, values, folder)

    def load(self, folder: Path, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.storage import load_state

        return self.build(settings, context).restore(*load_state(folder))


RUNGS: Registry[type[Rung]] = Registry("rung", "iceframe.scale.rungs")
