"""The walk of a search: observe, ask the controller, carry out; and what is written of it.

One unit of the search's folder is one step: what was done, and the seconds that it took. They are
those of the first time, also where a search that was stopped is walked through again; so that the
controller meets the same situations, and the ledger is only ever added to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from iceframe.balance.action import Proposal
from iceframe.balance.goal import Goal
from iceframe.balance.record import finite, goal_record, step_records
from iceframe.balance.situation import Situation
from iceframe.balance.state import Outcome, State
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import plain, read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.ledger import FILE, Ledger, canonical
from iceframe.workflow.feedback.asking import EXPERIMENTS, write_experiments
from iceframe.workflow.feedback.balanced import BALANCED, PATH
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.ladder import start_of
from iceframe.workflow.feedback.observe import frame_of, observe
from iceframe.workflow.feedback.performer import PERFORMERS, Performed
from iceframe.workflow.feedback.step import START, Step
from iceframe.workflow.finished import EVIDENCE

RECORD = "step.json"


class Controller(Protocol):
    """What :mod:`iceframe.balance.controller` is."""

    def init(self, goal: Goal) -> State: ...
    def step(self, state: State, situation: Situation) -> tuple[State, Proposal | Outcome]: ...


class Search:
    """One walk; see the module."""

    def __init__(
        self,
        bench: Bench,
        ladder: Sequence[str],
        goal: Goal,
        controller: Controller,
        tell: Callable[[Step], None] | None,
    ) -> None:
        self.bench, self.ladder, self.goal, self.controller = bench, ladder, goal, controller
        self.tell = tell or (lambda step: None)
        self.steps: list[Step] = []
        self.chain = ""  # of the steps so far
        self.record = _Record(bench.store.root / FILE)

    def go(self) -> Outcome:
        """Walk to the end and write the derived files of the folder."""
        self.record.add([goal_record(self.goal)])
        self._take(Step(0, START, {"rungs": start_of(self.ladder)}))
        state, previous = self.controller.init(self.goal), None
        while True:
            elapsed = sum(step.seconds for step in self.steps)
            situation = observe(self.bench, self.ladder, elapsed)
            state, said = self.controller.step(state, situation)
            self.record.add(step_records(state, situation, said, previous))
            previous = situation
            if state.steps:
                self.steps[-1] = self.steps[-1].judged(state.steps[-1].verdict)
                self.tell(self.steps[-1])
            if isinstance(said, Outcome):
                break
            self._take(Step(len(self.steps), said.action, dict(said.arguments), said))
        self._publish(said, situation)
        return said

    def _take(self, step: Step) -> None:
        """Carry out a step and note what it took."""
        self.tell(step)
        self.bench.step = (step.number, step.action)
        begin = time.monotonic()
        done, failed = self._performed(step)
        seconds = time.monotonic() - begin
        key = content_hash(
            self.bench.store.header["identity"], "step", self.chain, step.action,
            canonical(step.arguments),
        )  # fmt: skip
        store = self.bench.store
        if not store.finished(key):
            staged = store.stage()
            write_json(staged / RECORD, {"seconds": seconds})
            store.commit(key, f"step-{step.number:03d}-{step.action}-{key[:8]}", staged)
        folder = self.bench.folder_of(done.candidates[0]).name if done.candidates else ""
        step = replace(
            step,
            candidates=done.candidates,
            notes=done.notes,
            facts=done.facts,
            failed=failed,
            seconds=float(read_json(store.unit(key) / RECORD)["seconds"]),
            folder=folder,
        )
        self.chain = key
        self.steps.append(step)
        if step.number:
            body = step.as_dict()
            names = (
                "step",
                "action",
                "candidates",
                "notes",
                "facts",
                "failed",
                "seconds",
                "folder",
            )
            self.record.add([("performed", {name: body[name] for name in names})])

    def _performed(self, step: Step) -> tuple[Performed, str]:
        """What was done, and why it could not be, if so."""
        if step.action == START:
            return Performed(self.bench.measure(step.arguments["rungs"])), ""
        performer = PERFORMERS[step.action]()
        try:
            return performer.perform(step.arguments, self.bench), ""
        except (InputError, UsageError) as error:
            return Performed(), " ".join(str(error).split())

    # -- what is written ------------------------------------------------------------------------

    def _publish(self, outcome: Outcome, situation: Situation) -> None:
        bench, store = self.bench, self.bench.store
        asked = self._ask(outcome)
        equilibrium = outcome.equilibrium
        staged = store.stage()
        frame_of(situation.evidence).to_parquet(staged / EVIDENCE)
        write_json(staged / PATH, [step.as_dict() for step in self.steps])
        write_json(
            staged / BALANCED,
            {
                "equilibrium": equilibrium.as_dict(),
                "outcome": {
                    "reasons": list(outcome.reasons),
                    "asks": [ask.as_dict() for ask in outcome.asks],
                    "nearest": outcome.nearest,
                },
                "candidates": [
                    {
                        "name": name,
                        "rung": held.rung,
                        "variant": held.variant,
                        "folder": bench.folder_of(name).name,
                        "step": held.step,
                        "failed": held.failed,
                    }
                    for name, held in bench.measured.items()
                ],
                "variants": [{"name": name, **about} for name, about in situation.variants.items()],
                "cues": {
                    name: list(variant.image_cues) for name, variant in bench.variants.items()
                },
                "experiments": asked,
                "seconds": sum(step.seconds for step in self.steps),
            },
        )
        store.publish(staged)

    def _ask(self, outcome: Outcome) -> str:
        """Write the experiments that are worth most, where the outcome asks for some."""
        for ask in outcome.asks:
            rung, variant = ask.arguments["rung"], ask.arguments["variant"]
            name = next(
                (
                    n
                    for n, m in self.bench.measured.items()
                    if (m.rung, m.variant) == (rung, variant)
                ),
                None,
            )
            if name is None:
                continue
            path = self.bench.store.root / EXPERIMENTS
            try:
                write_experiments(self.bench, name, int(ask.arguments["samples"]), path)
            except InputError:
                continue  # nothing is known that could be measured; the outcome says how many
            return EXPERIMENTS
        return ""


class _Record:
    """The ledger, to which only is added what does not stand there from an earlier walk.

    What an earlier walk wrote since its ``goal`` is met again, entry by entry. Where this walk
    differs (more time was given, for instance), it is written down whole, under a new ``goal``.
    """

    def __init__(self, path: Any) -> None:
        self.ledger = Ledger.open(path) if path.exists() else Ledger.create(path)
        held = [(entry.kind, canonical(entry.body)) for entry in self.ledger.entries()]
        last = max((i for i, (kind, _) in enumerate(held) if kind == "goal"), default=len(held))
        self.met: list[tuple[str, str]] | None = held[last:]
        self.walk: list[tuple[str, Mapping[str, Any]]] = []

    def add(self, records: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Note the next entries of this walk."""
        records = [
            (kind, finite(json.loads(json.dumps(body, default=plain)))) for kind, body in records
        ]
        if self.met is None:
            self.ledger.extend(records)
            return
        start = len(self.walk)
        self.walk += records
        known = self.met[start : len(self.walk)]
        mine = [(kind, canonical(body)) for kind, body in records]
        if known == mine:
            return
        if known == mine[: len(known)]:  # the earlier walk ends here
            self.ledger.extend(records[len(known) :])
        else:
            self.ledger.extend(self.walk)
        self.met = None
