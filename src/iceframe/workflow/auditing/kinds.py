"""What each kind of audit looks at in a run: from a subject to what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Fold
from iceframe.ingest.audit.copies import across
from iceframe.ingest.audit.nuisance import nuisance_cues
from iceframe.ingest.duplicates import find_duplicates
from iceframe.ingest.neutral import parse_cue
from iceframe.ingest.splits import cluster_features
from iceframe.measure.audits import (
    copies,
    cues,
    image_shifts,
    leave_out,
    planted,
    probes,
    shifts,
    subgroups,
    transplant,
)
from iceframe.measure.audits.outcome import Examined
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow.auditing.subject import Subject, as_labels
from iceframe.workflow.settings import LEVEL

Watch = Callable[[str], None]
Earlier = Mapping[str, Examined]

MOST_PROBED = 1500
MOST_SEARCHED = 2000
MOST_LEVELS = 30
MAIN_FEATURES = 3
CLUSTERS = 4
FEWEST_CLUSTERED = 80
TOO_FEW = "Too few samples: {n}, and {least} or more are needed."


def of_probes(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Nuisance information in the latents."""
    n = len(subject.data)
    index = np.flatnonzero(subject.groups >= 0)
    if len(index) < probes.FEWEST:
        return Examined(probes.KIND, skipped=TOO_FEW.format(n=len(index), least=probes.FEWEST))
    if len(index) > MOST_PROBED:
        index = np.sort(generator(subject.seed, "probed").permutation(index)[:MOST_PROBED])
    watch("the latents")
    latents, source, given = _latents(subject, index)
    nuisances = {name: v[index] for name, v in _nuisances(subject).items()}
    watch("the probes")
    found = probes.probe(
        latents, nuisances, subject.groups[index], subject.errors[index],
        given=given, seed=subject.seed,
    )  # fmt: skip
    done = probes.examine(found, source, len(index))
    return replace(done, facts={**done.facts, "n": n})


def _nuisances(subject: Subject) -> dict[str, np.ndarray]:
    """How samples were recorded: numbers or labels ``(n,)``, by name."""
    data = subject.data
    found: dict[str, np.ndarray] = {}
    for name, values in nuisance_cues(data).items():
        column = data.table.get(name)
        if column is None or pd.api.types.is_numeric_dtype(column):
            found[str(name)] = values.to_numpy(float)
        else:
            found[str(name)] = as_labels(column)
    for role, name in data.groups.items():
        levels = data.table[name].nunique()
        if name != data.target and 2 <= levels <= min(MOST_LEVELS, len(data) // 3):
            found[role] = as_labels(data.table[name])
    found["file order"] = np.arange(len(data), dtype=float)
    return found


def _latents(subject: Subject, index: np.ndarray) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """What the model makes of samples ``(m, d)``, what that is, and nuisances that are features."""
    rung = RUNGS[subject.rung]
    given = tuple(name for name in subject.data.features if name in subject.inputs.table.names)
    if rung.input == "image" and hasattr(subject.fitted.estimator, "torch_model"):
        from iceframe.measure.beyond_maps.layer_tap import LayerTap
        from iceframe.measure.image_model import ImageModel
        from iceframe.workflow.further.subject import tap_of

        assert subject.data.images is not None
        images = subject.data.images.take(index)
        model = ImageModel.of(subject.fitted)
        tap: LayerTap | None = tap_of(model, model.to_device(images.read([0])))
        if tap is not None:
            parts = [
                tap.activations(model.to_device(images.read(np.arange(s, min(s + 64, len(index))))))
                for s in range(0, len(index), 64)
            ]
            return np.concatenate(parts), "activations of the last hidden layer", ()
    table = subject.inputs.table.take(index)
    nuisance = set(_nuisances(subject))
    kept = [i for i, name in enumerate(table.names) if name not in nuisance]
    used = given if rung.input == "table" else ()
    return table.values[:, kept], "features", used


def of_cues(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Cues in images that tell the target."""
    images = subject.data.images
    why = _not_pictures(subject)
    if why or images is None:
        return Examined(planted.KIND, skipped=why)
    index = np.flatnonzero(subject.groups >= 0)
    if len(index) < probes.FEWEST or subject.groups.max() < 1:
        return Examined(planted.KIND, skipped=TOO_FEW.format(n=len(index), least=probes.FEWEST))
    if len(index) > MOST_SEARCHED:
        index = np.sort(generator(subject.seed, "searched").permutation(index)[:MOST_SEARCHED])
    watch("places of the images")
    images, groups = images.take(index), subject.groups[index]
    found = cues.find_cues(images, groups, subject.seed)
    watch("what the cues tell alone")
    return planted.examine(
        images, subject.y[index], subject.group_names, found, subject.classification, subject.seed
    )


def _not_pictures(subject: Subject) -> str:
    """Why there is nothing to see, as a sentence; empty where there is."""
    images = subject.data.images
    if images is None:
        return "These data have no images."
    if len(images.shape) != 3:
        return "The images are volumes; only pictures are looked at."
    if min(images.shape[1:]) < 16:
        return "The images are too small: 16 pixels along each axis are needed."
    return ""


def of_subgroups(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Errors and coverage by group."""
    position, losses, inside = subject.held_out
    if len(position) < 2 * subgroups.SMALLEST:
        least = 2 * subgroups.SMALLEST
        return Examined(subgroups.KIND, skipped=TOO_FEW.format(n=len(position), least=least))
    watch("groups")
    labels = {name: values[position] for name, values in _groupings(subject).items()}
    found = subgroups.subgroups(losses, inside, labels, LEVEL, seed=subject.seed)
    return subgroups.examine(found, LEVEL, *subject.loss_name)


def _groupings(subject: Subject) -> dict[str, np.ndarray]:
    """Labels ``(n,)`` of the user's groups, classes, thirds of target and features, clusters."""
    data = subject.data
    found: dict[str, np.ndarray] = {}
    for name in data.groups.values():
        if name != data.target and 2 <= data.table[name].nunique() <= MOST_LEVELS:
            found[name] = as_labels(data.table[name])
    if subject.classification:
        found["class"] = data.y.astype(str)
    else:
        found[str(data.target)] = _thirds(data.y)
    table = subject.inputs.table
    main = [name for name in subject.terms() if name in table.names]
    for name in main[:MAIN_FEATURES]:
        found[name] = _thirds(table.values[:, table.names.index(name)])
    features = cluster_features(data)
    if len(data) >= FEWEST_CLUSTERED and features.shape[1]:
        from sklearn.cluster import KMeans

        state = derive_seed(subject.seed, "audited clusters")
        if len(np.unique(features, axis=0)) > CLUSTERS:
            codes = KMeans(CLUSTERS, n_init=4, random_state=state).fit_predict(features)
            found["cluster"] = np.array([f"{code + 1} of {CLUSTERS}" for code in codes])
    return found


def _thirds(values: np.ndarray) -> np.ndarray:
    """Labels of the thirds of numbers ``(n,)``: their ranges; empty where missing."""
    known = np.isfinite(values)
    labels = np.full(len(values), "", dtype=object)
    if len(np.unique(values[known])) < 3:
        return labels.astype(str)
    cuts = np.quantile(values[known], (1 / 3, 2 / 3))
    names = (f"up to {cuts[0]:.4g}", f"{cuts[0]:.4g} to {cuts[1]:.4g}", f"above {cuts[1]:.4g}")
    labels[known] = np.array(names, object)[np.searchsorted(cuts, values[known])]
    return labels.astype(str)


def of_leave_class_out(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Errors on classes that were not trained on."""
    column = subject.data.groups.get("material_class")
    if column is None or column == subject.data.target:
        return Examined(
            leave_out.KIND,
            skipped="These data name no class of materials beside the target (a column "
            "'material_class' would).",
        )
    labels = as_labels(subject.data.table[column])
    spec, folds = subject.run.splits.spec, subject.folds
    if spec.startswith("leave-out"):
        from iceframe.ingest import make_splits

        made = make_splits(subject.data, "random", 5, subject.seed)
        folds = made.folds[: len(folds)]

    def losses(train: np.ndarray, fold: Fold) -> np.ndarray:
        fitted = subject.fitted_on(train, fold)
        return subject.judged(fitted.predict(subject.inputs.take(fold.test)), fold.test)[0]

    try:
        names, found, tested = leave_out.matrix(
            losses, labels, folds, lambda out: watch(f"without {out}" if out else "with all")
        )
    except ValueError:
        return Examined(
            leave_out.KIND,
            skipped=f"'{column}' names fewer than two classes of {leave_out.SMALLEST} samples.",
        )
    return leave_out.examine(names, found, tested, column, *subject.loss_name)


def of_shifts(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Errors and coverage as the data move."""
    input_ = RUNGS[subject.rung].input
    if input_ == "crystal":
        return Examined(shifts.KIND, skipped="Models that read crystals are not shifted.")
    position = subject.asked
    plain = subject.inputs.take(position)
    before = subject.judged(subject.answers(plain, position), position)
    curves = []
    if subject.data.images is None:
        curves = _table_curves(subject, plain, position, before, watch)
    else:
        kind = subject.data.images.kind
        pixels = subject.data.images.read(position)
        for name, (_, unit, strengths) in image_shifts.shifts_of(kind).items():
            after = []
            if pixels.ndim > 4 and name == "jpeg":
                continue
            for strength in strengths:
                watch(f"{name} {strength:g}")
                moved = image_shifts.shifted(pixels, name, kind, strength, subject.seed)
                answers = subject.answers(subject.with_images(moved, position), position)
                after.append((strength, *subject.judged(answers, position)))
            none = 1.0 if name in ("magnification", "coarsening") else 0.0
            curves.append(shifts.curve(name, unit, none, before, after, LEVEL))
    return shifts.examine(curves, LEVEL, *subject.loss_name, len(position))


def _table_curves(
    subject: Subject,
    plain: Inputs,
    position: np.ndarray,
    before: tuple[np.ndarray, np.ndarray],
    watch: Watch,
) -> list[shifts.Curve]:
    values = plain.table.values
    every = subject.inputs.table.values
    spread = np.nan_to_num(np.nanstd(np.where(np.isfinite(every), every, np.nan), axis=0))
    two_valued = np.array([len(np.unique(c[np.isfinite(c)])) <= 2 for c in every.T], bool)
    spread[two_valued] = 0.0  # a category is no measurement

    def judged(changed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = replace(plain, table=replace(plain.table, values=changed))
        return subject.judged(subject.answers(inputs, position), position)

    noise, gaps = [], []
    for strength in shifts.NOISE:
        watch(f"noise {strength:g}")
        noise.append((strength, *judged(shifts.noisy(values, spread, strength, subject.seed))))
    for share in shifts.MISSING:
        watch(f"missing {share:g}")
        gaps.append((share, *judged(shifts.with_gaps(values, share, subject.seed))))
    unit = "standard deviations of the features"
    return [
        shifts.curve("measurement noise", unit, 0.0, before, noise, LEVEL),
        shifts.curve("missing values", "of the cells", 0.0, before, gaps, LEVEL),
    ]


def of_copies(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """What copies on both sides do to the score."""
    watch("copies")
    known = find_duplicates(subject.data)
    leaked = across(known, subject.run.splits)
    position, losses, _ = subject.held_out
    return copies.examine(
        losses, leaked[position], subject.data.ids[position], int(known.shared().sum()),
        *subject.loss_name, seed=subject.seed,
    )  # fmt: skip


def of_shortcuts(subject: Subject, watch: Watch, earlier: Earlier) -> Examined:
    """Which parts of an image the model answers to."""
    why = _not_pictures(subject)
    if not why and RUNGS[subject.rung].input == "crystal":
        why = "Models that read crystals do not look at the images."
    if why or subject.data.images is None:
        return Examined(transplant.KIND, skipped=why)
    position = subject.asked
    pixels = subject.data.images.read(position)
    grid = (int(pixels.shape[2]), int(pixels.shape[3]))
    asked = [
        region for region in transplant.regions(grid)
        if region.mask is not None or subject.data.images.kind != "phase"
    ]  # fmt: skip
    known: dict[str, str] = {}
    cut = False  # behind a border that was cut off, places are counted anew
    for text in (earlier["cues"].cues if "cues" in earlier else {}).values():
        cue = parse_cue(text)
        if cue.kind == "brightness":
            known["brightness"] = text
        elif cue.kind == "border":
            asked.append(transplant.frame_region(cue.kind, cue.width, grid))
            asked = [r for r in asked if r.name != "border" or r is asked[-1]]
            known["border"], cut = text, True
        elif cue.box is not None and not cut:
            asked.append(transplant.box_region(cue.kind, cue.box, grid))
            known[cue.kind] = text

    def predict(images: np.ndarray, of: np.ndarray) -> np.ndarray:
        return subject.answers(subject.with_images(images, position[of]), position[of])

    found = transplant.followed(
        predict, pixels, subject.y[position], subject.classification, asked, subject.seed,
        lambda name: watch(f"the {name}"),
    )  # fmt: skip
    return transplant.examine(found, known, subject.rung)


PERFORM: Mapping[str, Callable[[Subject, Watch, Earlier], Examined]] = {
    probes.KIND: of_probes,
    planted.KIND: of_cues,
    subgroups.KIND: of_subgroups,
    leave_out.KIND: of_leave_class_out,
    shifts.KIND: of_shifts,
    copies.KIND: of_copies,
    transplant.KIND: of_shortcuts,
}
"""By name: what is done. Shortcuts look at the cues that were found before."""

BUILDS_ON = {transplant.KIND: planted.KIND}
