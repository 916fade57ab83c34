package memos_gov.erasure

# METADATA
# title: Resolved
# description: What retention makes of each cube, given that its erasure was asked for.
resolved[c.id] := {
	"action": "keep",
	"due": null,
	"rules": ["retention/hold"],
	"steps": ["held"],
} if {
	some c in input.cubes
	c.held
}

resolved[c.id] := {
	"action": "erase",
	"due": floor[c.id],
	"rules": object.get(postponed, c.id, ["retention/erasure"]),
	"steps": ["not_held", "statutory_until", "erasure_requested"],
} if {
	some c in input.cubes
	not c.held
	floor[c.id]
}

floor[c.id] := c.recorded_at + data.memos_gov.retention.schedule[c.retention_class].min_s if {
	some c in input.cubes
}

# METADATA
# title: Postponed
# description: Cubes within the minimum that the law sets for their class.
postponed[c.id] := ["retention/statutory"] if {
	some c in input.cubes
	input.now < floor[c.id]
}

resolved[c.id] := {
	"action": "keep",
	"due": null,
	"rules": ["retention/unscheduled"],
	"steps": ["class_not_scheduled"],
} if {
	some c in input.cubes
	not c.held
	not data.memos_gov.retention.schedule[c.retention_class]
}
