"""
What cubes are made of: inheritance when one is made, narrowing when a source is narrowed.

Pure. A cube made of others is never looser than any of them: `inherit` says
what rules it (union of subjects, strictest label, intersection of purposes,
earliest end). What happens to a source afterwards reaches everything made of
it in the same record, as one `CubeNarrowed` each: `narrowed` makes these
events for the drafts of any command. A revision of a cube that is there may
add sources to it: `link` says which. `fault_of_narrowing`,
`fault_of_derivation` and `fault_of_linking` are the rules by which the
certifier checks a record, from its own tables.
"""

from memos_gov.domain.lineage.descent import (
    DESCENDANTS_MAX,
    INHERITED_SUBJECTS_MAX,
    SOURCES_MAX,
    is_live,
    walk,
)
from memos_gov.domain.lineage.inheritance import (
    Barred,
    Heritage,
    Named,
    Traits,
    inherit,
    named_by,
    own_traits,
    own_word,
    strictest,
    traits_of,
)
from memos_gov.domain.lineage.linking import Link, link, new_sources
from memos_gov.domain.lineage.narrowing import Narrowing, causes_of, may_narrow, narrowed
from memos_gov.domain.lineage.rules import (
    Fault,
    fault_of_derivation,
    fault_of_linking,
    fault_of_narrowing,
)

__all__ = [
    "DESCENDANTS_MAX",
    "INHERITED_SUBJECTS_MAX",
    "SOURCES_MAX",
    "Barred",
    "Fault",
    "Heritage",
    "Link",
    "Named",
    "Narrowing",
    "Traits",
    "causes_of",
    "fault_of_derivation",
    "fault_of_linking",
    "fault_of_narrowing",
    "inherit",
    "is_live",
    "link",
    "may_narrow",
    "named_by",
    "narrowed",
    "new_sources",
    "own_traits",
    "own_word",
    "strictest",
    "traits_of",
    "walk",
]
