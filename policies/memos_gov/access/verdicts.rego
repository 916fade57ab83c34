# METADATA
# title: Access to cubes
# description: >-
#   May the actor do the action for the purpose to these cubes? Rules in any file
#   of this package add reasons to a cube; a cube with a reason is refused.
# scope: package
# schemas:
#   - input: schema.access_verdicts
package memos_gov.access

import data.memos_gov.actor

# METADATA
# title: Verdicts
# description: A verdict for each cube asked about.
# entrypoint: true
verdicts := {c.id: verdict |
	some c in input.cubes
	verdict := verdict_for(
		object.get(reasons, c.id, set()) | refusals,
		object.get(reviews, c.id, set()),
		object.get(masks, c.id, set()),
		object.get(ends, c.id, set()),
	)
}

# METADATA
# title: Verdict of what was found
# description: Refuse wins over review, review over allow; a refusal needs no obligation.
verdict_for(codes, asked, masked, until) := {
	"effect": "refuse",
	"reasons": reasons_of(codes),
	"obligations": [],
	"rules": rules_of(codes),
	"valid_until": min(until | {horizon}),
} if {
	count(codes) > 0
} else := {
	"effect": "review",
	"reasons": reasons_of(asked),
	"obligations": [],
	"rules": rules_of(asked),
	"valid_until": horizon,
} if {
	count(asked) > 0
}

else := object.union(allowed, {
	"obligations": [{"kind": "mask", "what": sort(masked)}],
	"rules": sort(actor.rules | {"access/mask"}),
	"valid_until": min(until | {horizon}),
}) if {
	count(masked) > 0
} else := object.union(allowed, {"valid_until": min(until)}) if {
	count(until) > 0
} else := allowed

# METADATA
# title: Plain permission
# description: What most allowed cubes get.
allowed := {
	"effect": "allow",
	"reasons": [],
	"obligations": [],
	"rules": sort(actor.rules),
	"valid_until": horizon,
}

# METADATA
# title: Horizon
# description: No answer holds longer than a minute.
horizon := input.now + 60

# METADATA
# title: Reasons of codes
# description: >-
#   Codes with their public flag, sorted. Some codes are public only where no
#   hidden one stands beside them, so they tell nothing about a hidden cube.
reasons_of(codes) := [{"code": code, "public": code in shown} |
	shown := shown_of(codes)
	some code in sort(codes)
]

# METADATA
# title: Codes that may be shown
# description: >-
#   Where nothing but the cube's own state refuses, that state may be shown; else
#   only reasons that need no look at a cube, so a hidden cube looks like none.
shown_of(codes) := sometimes if {
	count(codes - sometimes) == 0
} else := always

always := {code | some code in data.memos_gov.access.public_reasons}

sometimes := {code | some code in data.memos_gov.access.public_without_hidden}

# METADATA
# title: Rules of codes
# description: The rule of a reason bears its code.
rules_of(codes) := sort({concat("/", ["access", code]) | some code in codes})

# METADATA
# title: Refusals whatever the cube
# description: Reasons that need no look at a cube; they stand on every cube asked about.
refusals contains "role_lacks_action" if count(actor.roles) == 0

refusals contains "content_not_for_auditors" if {
	input.action in data.memos_gov.access.actions.content
	"auditor" in input.actor.roles
}

refusals contains "purpose_not_granted" if {
	uses_content
	not "purpose" in actor.exempt
	not input.purpose in input.actor.purposes
}

# METADATA
# title: Use of content
# description: >-
#   Whether the action uses what a cube says, so that purpose and consent count;
#   governing a cube (hold, freeze, share, archive) does not.
default uses_content := false

uses_content if input.action in data.memos_gov.access.actions.content

uses_content if input.action in data.memos_gov.access.actions.evidence

uses_content if input.action in data.memos_gov.access.actions.derives

uses_content if input.action in data.memos_gov.access.actions.writes

# METADATA
# title: Change
# description: Whether the action changes a cube or who may see it.
default changes := false

changes if input.action in data.memos_gov.access.actions.changes
