"""
Assessing commands that make cubes of cubes, and ways back to an earlier content.

Every source needs policy's word twice: that the actor may read it, and that
the actor may do this to it. What goes on into a new cube is what the actor
may see of the source, so nothing masked comes out unmasked elsewhere.
Nothing is opened for a command that policy refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from memos_gov.admission import Admission, Entered, Entry, masked
from memos_gov.attempt import Assessed, Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.decide import Situation, act_target
from memos_gov.domain.events import CubeContent
from memos_gov.domain.lineage import Named, Traits, traits_of
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Verdict, merge
from memos_gov.errors import InvalidCommandError

OpenContent = Callable[[str, Cube], CubeContent]
MakesOfCubes = c.OnCubes | c.SplitCube


class Deriving:
    """Assesses one command in one attempt."""

    def __init__(
        self,
        attempt: Attempt,
        command_id: str,
        admission: Admission,
        open_content: OpenContent,
    ) -> None:
        self._attempt = attempt
        self._command_id = command_id
        self._admission = admission
        self._open_content = open_content

    def assess(self, command: MakesOfCubes | c.RollBackCube, situation: Situation) -> Assessed:
        """Return the situation of a command and policy's verdict on it."""
        if isinstance(command, c.RollBackCube):
            return self._roll_back(command, situation)
        at = self._attempt
        wanted = command.cubes if isinstance(command, c.OnCubes) else (command.cube,)
        actions = ("read", command.ACTION)
        found, verdicts = at.weigh_all(actions, wanted, act_target(command))
        cubes = tuple(found[cube] for cube in wanted if cube in found)
        verdict = merge(*(replace(answer, obligations=()) for answer in verdicts.values()))
        situation = replace(situation, cubes=cubes, approval=at.approval)
        if not verdict.allows:
            return Assessed(situation, verdict, verdicts)
        entered = list(self._entered(command, cubes, self._seen(cubes, verdicts)))
        return self._assessed(situation, verdict, verdicts, entered)

    def _seen(self, cubes: Sequence[Cube], verdicts: dict[str, Verdict]) -> list[CubeContent]:
        """Return the contents of cubes as the actor may see them."""
        tenant = self._attempt.tenant
        return [
            masked(self._open_content(tenant, cube), verdicts[cube.cube].masks) for cube in cubes
        ]

    def _entered(
        self, command: MakesOfCubes, cubes: tuple[Cube, ...], seen: Sequence[CubeContent]
    ) -> Iterator[Entered]:
        """Yield what policy says of each new content."""
        action, traits, named = command.ACTION, traits_of(cubes), _named_by(command)

        def entry_of(content: CubeContent, traits: Traits) -> Entry:
            return Entry(content=content, traits=traits, named=named, sources=cubes)

        match command:
            case c.MergeCubes():
                content = CubeContent(content=_joined(seen), metadata={})
                yield self._admission.enter_verbatim(action, entry_of(content, traits))
            case c.SummariseCubes():
                content = CubeContent(content=command.content, metadata=command.metadata)
                summary = replace(traits, origin="inference", author=None)
                yield self._admission.enter(action, entry_of(content, summary))
            case c.SplitCube():
                _check_parts(command.parts, seen[0].content)
                for part in command.parts:
                    piece = CubeContent(content=part, metadata=seen[0].metadata)
                    yield self._admission.enter_verbatim(action, entry_of(piece, traits))

    def _assessed(
        self,
        situation: Situation,
        verdict: Verdict,
        verdicts: dict[str, Verdict],
        entered: Sequence[Entered],
    ) -> Assessed:
        """Return a situation with new contents, and the verdict on them and on their sources."""
        said = {
            ids.cube_id_of(self._command_id, place): entry.verdict
            for place, entry in enumerate(entered)
            if entry.verdict is not None
        }
        admitted = [entry.admitted for entry in entered if entry.admitted is not None]
        situation = replace(
            situation,
            admitted=admitted[0] if admitted else None,
            parts=tuple(admitted),
            ancestry=entered[0].ancestry,
            barred=tuple(sorted({reason for entry in entered for reason in entry.barred})),
        )
        whole = merge(verdict, *said.values())
        if said and whole.allows:
            whole = replace(merge(*said.values()), valid_until=whole.valid_until)
        return Assessed(situation, whole, {**verdicts, **said})

    def _roll_back(self, command: c.RollBackCube, situation: Situation) -> Assessed:
        at = self._attempt
        cube, verdict = at.weigh(command.ACTION, command.cube, act_target(command))
        situation = replace(situation, cube=cube, approval=at.approval)
        targets = {command.cube: verdict}
        if cube is None or not verdict.allows:
            return Assessed(situation, verdict, targets)
        earlier = at.revision(cube, command.to_revision)
        situation = replace(situation, earlier=earlier)
        if earlier is None or earlier.content.revision == cube.content.revision:
            return Assessed(situation, verdict, targets)
        content = self._open_content(at.tenant, earlier)
        ruled = at.labelled(cube, command.to_revision, situation.labels)
        verdict, facts = self._admission.readmit(command.ACTION, ruled, content, verdict)
        content = masked(content, verdict.masks)
        admitted = self._admission.admit(verdict, content, ruled.governance.label, facts)
        situation = replace(situation, admitted=admitted)
        return Assessed(situation, verdict, {command.cube: verdict})


def _named_by(command: MakesOfCubes) -> Named:
    if isinstance(command, c.SplitCube):
        return Named()
    return Named(basis=command.basis, retention_class=command.retention_class)


def _joined(contents: Sequence[CubeContent]) -> str:
    """
    Return several contents as one, a line break between them.

    Raises:
        InvalidCommandError: It would be over CONTENT_BYTES_MAX.
    """
    whole = "\n".join(content.content for content in contents)
    if len(whole.encode()) > c.CONTENT_BYTES_MAX:
        msg = f"cubes: together over the limit of {c.CONTENT_BYTES_MAX} bytes (CONTENT_BYTES_MAX)"
        raise InvalidCommandError(msg, field="cubes")
    return whole


def _check_parts(parts: Sequence[str], whole: str) -> None:
    """
    Refuse parts that are no pieces of a content in its order, one after the other.

    Raises:
        InvalidCommandError: Names the first such part.
    """
    start = 0
    for place, part in enumerate(parts):
        found = whole.find(part, start)
        if found < 0:
            msg = f"parts.{place}: is no piece of the cube's content after the part before it"
            raise InvalidCommandError(msg, field=f"parts.{place}")
        start = found + len(part)
