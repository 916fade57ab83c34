# METADATA
# title: Retention
# description: >-
#   What becomes of each cube, when, and how that follows. A hold wins over the
#   statutory minimum, that over the class's own minimum, both over an erasure that
#   was asked for, and of all ends the earliest counts. The order of the resolver is
#   here; what is weighed is in `derivation.rego`.
# scope: package
# schemas:
#   - input: schema.retention_verdicts
package memos_gov.retention

# METADATA
# title: Verdicts
# description: >-
#   A verdict for each cube asked about: the next thing to be done and when it is due,
#   `keep` and null where nothing is. The first of `rules` decided; `review` says that
#   a second person must approve it first.
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
	"review": false,
	"rules": ["retention/unscheduled"],
	"steps": [{"code": "class_not_scheduled"}],
}

# METADATA
# title: Erased
# description: Nothing is left to be done.
outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"review": false,
	"rules": ["retention/erased"],
	"steps": [{"code": "erased"}],
} if {
	some c in input.cubes
	c.state == "erased"
}

# METADATA
# title: Held
# description: A hold keeps, whatever else says; the steps end with what would be without it.
outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"review": false,
	"rules": array.concat(["retention/hold"], rules[c.id]),
	"steps": array.concat([{"code": "held"}], steps[c.id]),
} if {
	some c in input.cubes
	c.held
	rules[c.id]
}

# METADATA
# title: Scheduled
# description: The earliest end of a cube that nothing keeps for good.
outcomes[c.id] := {
	"action": end[c.id].action,
	"due": due[c.id],
	"review": object.get(reviewed, c.id, false),
	"rules": rules[c.id],
	"steps": array.concat([{"code": "not_held"}], steps[c.id]),
} if {
	some c in input.cubes
	not c.held
	end[c.id]
}

# METADATA
# title: Kept
# description: A cube whose keeping nothing ends, or whose minimum cannot be counted yet.
outcomes[c.id] := {
	"action": "keep",
	"due": null,
	"review": false,
	"rules": rules[c.id],
	"steps": array.concat([{"code": "not_held"}], steps[c.id]),
} if {
	some c in input.cubes
	not c.held
	rules[c.id]
	not end[c.id]
}

# METADATA
# title: Rules
# description: What decided and what it was weighed against, the one that decided first.
rules[c.id] := array.concat([rule | some rule in postponed[c.id]], [end[c.id].rule]) if {
	some c in input.cubes
	end[c.id]
}

rules[c.id] := [longest[c.id]] if {
	some c in input.cubes
	endless[c.id]
}

rules[c.id] := ["retention/schedule"] if {
	some c in input.cubes
	class[c.id]
	not end[c.id]
	not endless[c.id]
}

# METADATA
# title: Steps
# description: From when time is counted, every moment weighed in the order of the resolver, the end.
steps[c.id] := array.concat(array.concat(counted[c.id], moments[c.id]), last[c.id]) if {
	some c in input.cubes
	class[c.id]
}

# METADATA
# title: Last steps
# description: Whether a review stands before the end, and the end itself.
last[c.id] := [{"code": end[c.id].action, "at": due[c.id]}] if {
	some c in input.cubes
	end[c.id]
	not reviewable[c.id]
}

last[c.id] := [{"code": review_code[c.approved]}, {"code": end[c.id].action, "at": due[c.id]}] if {
	some c in input.cubes
	end[c.id]
	reviewable[c.id]
}

last[c.id] := [{"code": "keep"}] if {
	some c in input.cubes
	class[c.id]
	not end[c.id]
}

review_code := {true: "review_approved", false: "review_required"}

# METADATA
# title: The end
# description: >-
#   Of everything that ends the keeping the earliest, none of it before the minima are
#   over; of several at one moment the one that is first in the resolver.
end[c.id] := candidate if {
	some c in input.cubes
	some candidate in ends[c.id]
	candidate.rank == first[c.id][1]
}

due[c.id] := first[c.id][0] if some c in input.cubes

first[c.id] := min({[max({candidate.at, floor[c.id]}), candidate.rank] |
	some candidate in ends[c.id]
}) if {
	some c in input.cubes
	ends[c.id]
	not endless[c.id]
}

# METADATA
# title: Postponed
# description: The minimum that moves the end to a later moment than its own.
postponed[c.id] contains longest[c.id] if {
	some c in input.cubes
	end[c.id].at < floor[c.id]
}

# METADATA
# title: Review
# description: >-
#   Records of a class under review leave only after a second person looked: not what
#   a person asked to have erased, and not what was reviewed when it expired.
reviewable contains c.id if {
	some c in input.cubes
	class[c.id].review
	end[c.id].action in ["expire", "erase"]
	end[c.id].rule != "retention/erasure"
	c.state != "expired"
}

reviewed[c.id] := true if {
	some c in input.cubes
	reviewable[c.id]
	not c.approved
}
