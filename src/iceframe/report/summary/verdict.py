"""The verdict: which rung, how sure, and why, in sentences for a materials scientist."""

from __future__ import annotations

from dataclasses import dataclass

from iceframe.report.numbers import THIN, fixed
from iceframe.report.scores import Row, Score, Scores
from iceframe.report.words import STATUS, word
from iceframe.workflow.view import RunView


@dataclass(frozen=True)
class KeyNumber:
    """One large number: what it is called, its value, unit and interval, and how to read it."""

    label: str
    value: str
    unit: str
    interval: str
    reading: str
    tip: str


@dataclass(frozen=True)
class Verdict:
    """The first screen."""

    headline: str
    lede: tuple[str, ...]
    status: str
    status_label: str
    status_tip: str
    settled: bool
    remedy: str
    reasons: tuple[str, ...]
    numbers: tuple[KeyNumber, ...]
    numbers_of: str


def verdict(view: RunView, scores: Scores) -> Verdict:
    """The verdict of a run; where no rung was chosen, the numbers are those of the closest one."""
    status = str(view.equilibrium.status)
    label, tip = STATUS.get(status, (status, ""))
    chosen = next((row for row in scores.rows if row.chosen), None)
    shown = chosen or _closest(scores)
    return Verdict(
        headline=_headline(view, chosen, status),
        lede=_lede(view, scores, chosen) if chosen else (),
        status=status,
        status_label=label,
        status_tip=tip,
        settled=status == "CONVERGED",
        remedy="" if status == "CONVERGED" else view.equilibrium.remedy,
        reasons=tuple(view.equilibrium.reasons),
        numbers=_numbers(view, scores, shown) if shown else (),
        numbers_of="" if chosen or shown is None else shown.title,
    )


_PLURALS = ("trees", "forests", "neighbours", "machines", "ensembles")


def called(title: str) -> str:
    """A rung's title inside a sentence, with its article.

    Examples
    --------
    >>> called("Explainable boosting machine"), called("MLP ensemble"), called("Ridge regression")
    ('an explainable boosting machine', 'an MLP ensemble', 'ridge regression')
    >>> called("Extra trees"), called("Small CNN"), called("Mean")
    ('extra trees', 'a small CNN', 'the mean')
    """
    first, last = title.split(" ", 1)[0], title.rsplit(" ", 1)[-1].lower()
    spoken = title if first.isupper() or first == "Gaussian" else title[:1].lower() + title[1:]
    if last in ("mean", "majority"):
        return f"the {spoken}"
    if last == "regression" or _plural(title):
        return spoken
    vowel = spoken[:1] in ("AEFHILMNORSX" if first.isupper() else "aeiou")
    return f"{'an' if vowel else 'a'} {spoken}"


def _plural(title: str) -> bool:
    return title.rsplit(" ", 1)[-1].lower() in _PLURALS


def _closest(scores: Scores) -> Row | None:
    best = scores.best(scores.loss)
    return next((row for row in scores.rows if row.name == best), None)


def _headline(view: RunView, chosen: Row | None, status: str) -> str:
    target = view.target
    if chosen is None:
        if status == "INFEASIBLE":
            return f"No model on this ladder predicts {target} as well as was asked."
        return f"No model of {target} can be recommended yet."
    model, many = called(chosen.title), _plural(chosen.title)
    be = "are" if many else "is"
    if status == "BUDGET_EXHAUSTED":
        return f"So far, {model} {be} the simplest adequate model of {target}."
    if status == "OSCILLATING":
        return f"For {target}, {model} {be} one defensible choice, but not a settled one."
    if status == "INFEASIBLE":
        closest = f"{model} {'come' if many else 'comes'} closest"
        return f"No model predicts {target} as well as was asked; {closest}."
    return f"To predict {target}, {model} {be} as complex as the model needs to be."


def _lede(view: RunView, scores: Scores, chosen: Row) -> tuple[str, ...]:
    """Two or three sentences that stand on their own when quoted."""
    sentences = []
    loss = scores.get(chosen.name, scores.loss)
    if loss.known:
        sentences.append(_error_sentence(loss))
    cover = scores.get(chosen.name, "coverage")
    if cover.known:
        level = f"{fixed(100 * float(view.settings.get('level', 0.9)), 0)}{THIN}%"
        kind = "prediction sets hold" if view.task == "classification" else "intervals hold"
        sentences.append(f"Its {level} {kind} the truth {cover.text} of the time.")
    faith = scores.get(chosen.name, "faithfulness")
    if chosen.glass and view.rungs[chosen.name].terms:
        sentences.append("It is a glass box: what it learned can be read, exactly, below.")
    elif faith.known and not chosen.glass:
        sentences.append(
            f"It is a black box: its explanations agree with its own behaviour at {faith.text} "
            "(1 is perfect, 0 is chance)."
        )
    return tuple(sentences)


def _error_sentence(loss: Score) -> str:
    unit = f" {loss.unit}" if loss.unit else ""
    interval = f" (95{THIN}% interval {loss.interval})" if loss.interval else ""
    if loss.metric == "mae":
        return f"On samples it has not seen, it is off by {loss.text}{unit} on average{interval}."
    if loss.metric in ("accuracy", "balanced_accuracy"):
        balance = ", rare classes counted like common ones" if "balanced" in loss.metric else ""
        return f"It puts {loss.text} of unseen samples into the right class{balance}{interval}."
    label = word(loss.metric).label.lower()
    return f"On samples it has not seen, its {label} is {loss.text}{unit}{interval}."


def _numbers(view: RunView, scores: Scores, row: Row) -> tuple[KeyNumber, ...]:
    level = f"{fixed(100 * float(view.settings.get('level', 0.9)), 0)}{THIN}%"
    better = {"lower": "lower is better", "higher": "higher is better"}
    loss = scores.get(row.name, scores.loss)
    gdf = scores.get(row.name, "gdf")
    behaves = (
        f"behaves as if it had {gdf.text} free parameters" if gdf.known else "0 simple, 1 complex"
    )
    readings = (
        (loss, better.get(loss.better, "")),
        (scores.get(row.name, "coverage"), f"promised {level}"),
        (scores.get(row.name, "complexity"), behaves),
        (scores.get(row.name, "faithfulness"), "1 is perfect, 0 is chance"),
    )
    return tuple(
        KeyNumber(
            word(score.metric).label,
            score.text,
            score.unit,
            score.interval,
            reading if score.known else "not measured",
            word(score.metric).tip,
        )
        for score, reading in readings
    )
