# METADATA
# title: Retention
# description: Keep, archive, expire or erase each cube, when, and how that follows.
# scope: package
# schemas:
#   - input: schema.retention_verdicts
package memos_gov.retention

# METADATA
# title: Verdicts
# description: A retention verdict for each cube asked about; without a rule a cube is kept.
# entrypoint: true
verdicts := {c.id: verdict |
	some c in input.cubes
	verdict := object.get(outcomes, c.id, unscheduled)
}

# METADATA
# title: Unscheduled
# description: A class that the schedule does not know loses nothing.
unscheduled := {
	"action": "keep",
	"due": null,
	"rules": ["retention/unscheduled"],
	"steps": ["not_held", "class_not_scheduled"],
}

# METADATA
# title: Outcomes
# description: What a hold, an erasure or the schedule makes of a cube; a hold wins.
outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"rules": ["retention/held"],
	"steps": ["held"],
} if {
	some c in input.cubes
	c.held
}

outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"rules": ["retention/erased"],
	"steps": ["not_held", "erased"],
} if {
	some c in input.cubes
	not c.held
	c.state == "erased"
}

outcomes[c.id] := {
	"action": "keep",
	"due": due[c.id],
	"rules": ["retention/schedule"],
	"steps": ["not_held", "class_scheduled", "counted_from_recorded_at", "maximum_ahead"],
} if {
	some c in input.cubes
	input.now < due[c.id]
}

outcomes[c.id] := {
	"action": next[c.id],
	"due": due[c.id],
	"rules": ["retention/schedule"],
	"steps": ["not_held", "class_scheduled", "counted_from_recorded_at", "maximum_reached"],
} if {
	some c in input.cubes
	input.now >= due[c.id]
}

outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"rules": ["retention/schedule"],
	"steps": ["not_held", "class_scheduled", "archived_for_good"],
} if {
	some c in input.cubes
	not c.held
	settled[c.id]
}

# METADATA
# title: Due
# description: >-
#   When the next step is due: at the class's maximum counted from the record, and
#   for an expired cube after the days of grace that follow.
due[c.id] := c.recorded_at + data.memos_gov.retention.schedule[c.retention_class].max_s if {
	some c in input.cubes
	not c.held
	not c.state in ["erased", "expired"]
	not settled[c.id]
}

due[c.id] := (c.recorded_at + max_s) + data.memos_gov.retention.grace_s if {
	some c in input.cubes
	not c.held
	c.state == "expired"
	max_s := data.memos_gov.retention.schedule[c.retention_class].max_s
}

# METADATA
# title: Next step
# description: What is done when it is due; what has expired is erased.
next[c.id] := data.memos_gov.retention.schedule[c.retention_class].then if {
	some c in input.cubes
	c.state != "expired"
}

next[c.id] := "erase" if {
	some c in input.cubes
	c.state == "expired"
}

# METADATA
# title: Settled
# description: Archived cubes of a class that ends in the archive.
settled contains c.id if {
	some c in input.cubes
	c.state == "archived"
	data.memos_gov.retention.schedule[c.retention_class].then == "archive"
}
