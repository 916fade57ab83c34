package memos_gov.retention

# METADATA
# title: Class
# description: What the schedule says of the cube's class.
class[c.id] := data.memos_gov.retention.schedule[c.retention_class] if {
	some c in input.cubes
	c.state != "erased"
}

# METADATA
# title: Base
# description: From when the cube's time is counted; nothing before an event that is waited for.
base[c.id] := c.created_at if {
	some c in input.cubes
	class[c.id].trigger == "creation"
}

base[c.id] := c.changed_at if {
	some c in input.cubes
	class[c.id].trigger == "change"
}

base[c.id] := c.triggered_at if {
	some c in input.cubes
	class[c.id].trigger == "event"
	c.triggered_at != null
}

base[c.id] := c.created_at if {
	some c in input.cubes
	class[c.id].trigger == "last_use"
	is_null(c.last_used_at)
}

base[c.id] := max({c.created_at, c.last_used_at}) if {
	some c in input.cubes
	class[c.id].trigger == "last_use"
	c.last_used_at != null
}

# METADATA
# title: Counted
# description: The step that says from when.
counted[c.id] := [{"code": counted_from[class[c.id].trigger], "at": base[c.id]}] if {
	some c in input.cubes
	base[c.id]
}

counted[c.id] := [{"code": "awaits_event"}] if {
	some c in input.cubes
	class[c.id]
	not base[c.id]
}

counted_from := {
	"change": "counted_from_change",
	"creation": "counted_from_creation",
	"event": "counted_from_event",
	"last_use": "counted_from_last_use",
}

# METADATA
# title: Minima
# description: Until when the cube must be kept, by law and by its class, where either says so.
minima[c.id] contains [0, "statutory_until", base[c.id] + class[c.id].statutory_s] if {
	some c in input.cubes
	class[c.id].statutory_s > 0
}

minima[c.id] contains [1, "minimum_until", base[c.id] + class[c.id].min_s] if {
	some c in input.cubes
	class[c.id].min_s > 0
}

# METADATA
# title: Floor
# description: The moment before which nothing ends; the longest retention counts.
floor[c.id] := max({minimum[2] | some minimum in minima[c.id]}) if {
	some c in input.cubes
	minima[c.id]
}

floor[c.id] := 0 if {
	some c in input.cubes
	not minima[c.id]
}

# METADATA
# title: Longest retention
# description: Whose minimum binds longest, the law's where both are the same.
longest[c.id] := "retention/statutory" if {
	some c in input.cubes
	class[c.id].statutory_s >= class[c.id].min_s
}

longest[c.id] := "retention/minimum" if {
	some c in input.cubes
	class[c.id].statutory_s < class[c.id].min_s
}

# METADATA
# title: Endless
# description: Cubes with a minimum that has not begun to run.
endless contains c.id if {
	some c in input.cubes
	not base[c.id]
	class[c.id].statutory_s + class[c.id].min_s > 0
}

# METADATA
# title: Ends
# description: >-
#   Everything that ends the keeping, each at its own moment: an erasure that was asked
#   for, a cap of the cube itself, the maximum of its class, the grace after it expired.
ends[c.id] contains {
	"rank": 2,
	"code": "erasure_requested",
	"rule": "retention/erasure",
	"at": c.created_at,
	"action": "erase",
} if {
	some c in input.cubes
	class[c.id]
	c.erasure_requested
}

ends[c.id] contains {
	"rank": 3,
	"code": "expires_at",
	"rule": "retention/expiry",
	"at": c.expires_at,
	"action": {"archive": "expire", "erase": "erase", "expire": "expire"}[class[c.id].then],
} if {
	some c in input.cubes
	c.state != "expired"
	c.expires_at != null
}

ends[c.id] contains {
	"rank": 4,
	"code": "maximum_at",
	"rule": "retention/schedule",
	"at": base[c.id] + class[c.id].max_s,
	"action": class[c.id].then,
} if {
	some c in input.cubes
	c.state != "expired"
	not settled[c.id]
}

ends[c.id] contains {
	"rank": 5,
	"code": "grace_until",
	"rule": "retention/grace",
	"at": c.expired_at + data.memos_gov.retention.grace_s,
	"action": "erase",
} if {
	some c in input.cubes
	class[c.id]
	c.state == "expired"
}

# METADATA
# title: Settled
# description: Of a class that ends in the archive only what is in use is archived; the rest stays.
settled contains c.id if {
	some c in input.cubes
	class[c.id].then == "archive"
	c.state != "activated"
}

# METADATA
# title: Moments
# description: Every moment that was weighed, in the order of the resolver.
moments[c.id] := [{"code": moment[1], "at": moment[2]} |
	some moment in sort(object.get(minima, c.id, set()) | object.get(demanded, c.id, set()))
] if {
	some c in input.cubes
	class[c.id]
}

demanded[c.id] contains [candidate.rank, candidate.code, candidate.at] if {
	some c in input.cubes
	some candidate in ends[c.id]
}
