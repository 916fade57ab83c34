package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Scope
# description: >-
#   At most three clauses, one for each way to reach a cube. Empty where nothing
#   can be seen, and for actions that read no content.
# entrypoint: true
# schemas:
#   - input: schema.access_scope
default scope := {"any": []}

# METADATA
# title: Scope of who may read
# description: Clauses for read, recall and list.
# scope: rule
# schemas:
#   - input: schema.access_scope
scope := {"any": [clause |
	some way in ways
	clause := object.union(bounds, way)
]} if {
	input.action in data.memos_gov.access.actions.content
	count(refusals) == 0
}

# METADATA
# title: Ways to a cube
# description: Any cube for roles exempt from ownership; else own, shared and public ones.
# scope: rule
# schemas:
#   - input: schema.access_scope
ways := [{}] if {
	"ownership" in actor.exempt
} else := [
	{"owners": [input.actor.id]},
	{"shared_with": [input.actor.id]},
	{"labels": [label | some label in ["public"]; label in actor.cleared]},
]

# METADATA
# title: Bounds
# description: What holds for every way; a purpose bounds only where no consent can open it.
# scope: document
# schemas:
#   - input: schema.access_scope
bounds["labels"] := sort(actor.cleared)

bounds["states"] := data.memos_gov.access.open_states[input.action]

bounds["purposes"] := sort(sources) if purpose_bounds

bounds["regions"] := sort(places) if region_counts

# METADATA
# title: Purpose bounds
# description: Whether a cube's purposes alone can shut it out.
default purpose_bounds := false

purpose_bounds if {
	not "purpose" in actor.exempt
	not input.purpose in data.memos_gov.access.opened_by_consent
}
