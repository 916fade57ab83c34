"""
Why a verdict was given: what was recorded, the facts it relied on, and the rules by name.

Everything comes from the record and from the tables at the versions it names.
Where the question can be rebuilt in full, the same bundle is asked again, and
it is said whether the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from memos_gov.certify import parse
from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.as_of import Then
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.commands import make
from memos_gov.domain.decide import DOMAIN_REASONS
from memos_gov.domain.facts import Facts
from memos_gov.domain.history import LogPosition, Parsed
from memos_gov.domain.verdicts import FAILED_CLOSED, Obligation, Verdict, merge
from memos_gov.errors import GovernanceError, NotFoundError, PolicyUnavailableError
from memos_gov.past import Past
from memos_gov.queries.again import NO_ANSWER, Again, NotRebuilt
from memos_gov.queries.arguments import ExplainArguments
from memos_gov.queries.asking import Evidence, Names, ids_in
from memos_gov.queries.rules import Rule, rule

NO_POLICY = "policy gave no answer this time"


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """A reason, what it means, and whether the refused caller was told."""

    code: str
    text: str
    public: bool


class ReliedFact(msgspec.Struct, frozen=True, kw_only=True):
    """A stream at the version the verdict relied on; `facts` None where it was never written."""

    stream: str
    version: int
    facts: dict[str, Any] | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """
    A recorded verdict and what it rests on.

    `index` is that of the decided record, `asked` that of the question.

    `same` is whether the same bundle answers the rebuilt question alike; None
    where it was not asked again, for the cause in `not_asked`.
    """

    verdict_id: str
    index: int
    command: str
    actor: str
    time_s: int
    context: dict[str, str | None]
    outcome: str
    struck: tuple[str, ...]
    policy: str
    targets: dict[str, str]
    target: str | None
    effect: str
    reasons: tuple[Ground, ...]
    obligations: tuple[Obligation, ...]
    rules: tuple[Rule, ...]
    valid_until: int
    facts: tuple[ReliedFact, ...]
    same: bool | None
    not_asked: str
    asked: int


def explain(evidence: Evidence, verdict_id: str) -> Explanation:
    """
    Return what is recorded of a verdict.

    Args:
        verdict_id: `<command id>[/<target>]`, or an index in place of the command id.

    Raises:
        InvalidCommandError: It has another form; nothing was written.
        DeniedError: Refused; recorded.
        NotFoundError: The tenant has no such verdict.
    """
    verdict_id = make(ExplainArguments, verdict=verdict_id).verdict
    asked = evidence.ask("explain", "explain", verdict_id)
    command, _, target = verdict_id.partition("/")
    row = _outcome(evidence, command)
    at = LogPosition(row.partition, row.log_offset)
    parsed = parse(evidence.governor.log.read(at.partition, at.offset, 1)[0])
    if parsed.record is None or parsed.record.data.verdict is None:
        raise NotFoundError
    if target and target not in parsed.record.data.verdict.by_target:
        raise NotFoundError
    return _explained(evidence, row, parsed, target or None, asked)


def _outcome(evidence: Evidence, command: str) -> Any:
    """Return the outcome of a command, the final one if there is any, or of an index."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, table_of

    table = table_of(OutcomeRow)
    named = table.c.idx == int(command) if command.isdigit() else table.c.command_id == command
    query = select(table).where(table.c.tenant == evidence.tenant, named, table.c.idx.is_not(None))
    found = evidence.rows(query.order_by(table.c.code.in_(["accepted", "refused"]), table.c.idx))
    if not found:
        raise NotFoundError
    return found[-1]


def _explained(
    evidence: Evidence, row: Any, parsed: Parsed, target: str | None, asked: int
) -> Explanation:
    record, bundle = parsed.record, None
    assert record is not None
    recorded = record.data.verdict
    assert recorded is not None
    try:
        bundle = evidence.bundles.get(recorded.policy)
    except GovernanceError:
        bundle = None
    facts = _facts(evidence, record)
    names = evidence.names({row.actor, *ids_in([msgspec.to_builtins(f) for f in facts.values()])})
    chosen = [target] if target else sorted(recorded.by_target)
    verdict = _joined(recorded, chosen)
    detail = msgspec.json.decode(row.detail)
    same, not_asked = _again(evidence, parsed, facts, chosen)
    return Explanation(
        verdict_id=record.id if target is None else f"{record.id}/{target}",
        index=row.idx,
        command=record.type.removeprefix(codec.TYPE_PREFIX),
        actor=names[row.actor],
        time_s=row.time_ms // 1000,
        context=msgspec.to_builtins(record.data.context),
        outcome=row.code,
        struck=tuple(detail.get("struck", ())),
        policy=recorded.policy,
        targets={name: answer.effect for name, answer in sorted(recorded.by_target.items())},
        target=target,
        effect=recorded.effect if target is None else verdict.effect,
        reasons=_grounds(verdict, parsed.events, bundle),
        obligations=verdict.obligations,
        rules=tuple(rule(name, bundle) for name in verdict.rules),
        valid_until=verdict.valid_until,
        facts=_shown(record, facts, names),
        same=same,
        not_asked=not_asked,
        asked=asked,
    )


def _joined(recorded: codec.RecordedVerdict, targets: list[str]) -> Verdict:
    """Return the verdict on all `targets`; where there are none, the recorded effect alone."""
    if not targets:
        return Verdict(recorded.effect, (), (), (), recorded.valid_until)
    first, *others = (recorded.by_target[name] for name in targets)
    return merge(first, *others)


def _facts(evidence: Evidence, record: codec.Record) -> dict[str, Facts]:
    """Return stream -> facts at exactly the versions that the record relied on."""
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        found = {
            stream: snapshot.facts_at(stream, version)
            for stream, version in record.data.relied_on.items()
        }
    return {stream: facts for stream, facts in found.items() if facts is not None}


def _shown(record: codec.Record, facts: dict[str, Facts], names: Names) -> tuple[ReliedFact, ...]:
    return tuple(
        ReliedFact(
            stream=stream,
            version=version,
            facts=names.shown(msgspec.to_builtins(facts[stream])) if stream in facts else None,
        )
        for stream, version in sorted(record.data.relied_on.items())
    )


def _grounds(
    verdict: Verdict, events: Iterable[e.Event], bundle: PolicyBundle | None
) -> tuple[Ground, ...]:
    """Return policy's reasons, and those of the domain where it refused by itself."""
    texts = {**DOMAIN_REASONS, **(bundle.vocabulary.reasons if bundle else {})}
    public = {reason.code: reason.public for reason in verdict.reasons}
    for event in events:
        if isinstance(event, e.CommandRefused):
            public = dict.fromkeys(event.reasons, True) | public
    return tuple(
        Ground(code=code, text=texts.get(code, ""), public=public[code]) for code in sorted(public)
    )


def _again(
    evidence: Evidence, parsed: Parsed, facts: dict[str, Facts], targets: list[str]
) -> tuple[bool | None, str]:
    """Ask again about every target; return (same, why it was not asked)."""
    assert parsed.record is not None
    recorded = parsed.record.data.verdict
    assert recorded is not None
    governor = evidence.governor
    try:
        words = governor.words(recorded.policy)
    except PolicyUnavailableError:
        return None, NO_POLICY
    with governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        now = Then(index=snapshot.index(evidence.tenant), moment=evidence.now)
        past = Past(snapshot, evidence.tenant, now, words)
        again = Again(parsed.record, parsed.events, facts, past)
        judge = governor.judge(recorded.policy)
        try:
            answers = {target: again.ask(judge, target) for target in targets}
        except NotRebuilt as reason:
            return None, str(reason)
    if any(FAILED_CLOSED & {r.code for r in answer.reasons} for answer in answers.values()):
        return None, NO_POLICY
    if not answers:
        return None, NO_ANSWER
    return all(_alike(answers[t], recorded.by_target[t]) for t in targets), ""


def _alike(one: Verdict, other: Verdict) -> bool:
    """Whether two answers say the same, whenever each was given."""
    return msgspec.structs.replace(one, valid_until=other.valid_until) == other
