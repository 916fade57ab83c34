# METADATA
# title: The actor
# description: >-
#   What the actor's roles, clearance and purposes give, whatever it is used on.
#   An exemption counts only where a role that has it permits the action.
# scope: package
# schemas:
#   - input: schema.asked
package memos_gov.actor

# METADATA
# title: Permitting roles
# description: The actor's roles that permit the action.
roles contains role if {
	some role in input.actor.roles
	input.action in data.memos_gov.roles[role].actions
}

# METADATA
# title: Exemptions
# description: What the permitting roles lift.
exempt contains exemption if {
	some role in roles
	some exemption in data.memos_gov.roles[role].exempt
}

# METADATA
# title: Cleared labels
# description: The labels at or below the actor's clearance; an unknown label is never among them.
cleared contains label if {
	some label, rank in data.memos_gov.vocabulary.labels
	rank <= data.memos_gov.vocabulary.labels[input.actor.clearance]
}

cleared contains label if {
	"label" in exempt
	some label, _ in data.memos_gov.vocabulary.labels
}

# METADATA
# title: Masked findings
# description: The kinds of personal numbers that every permitting role masks.
masked contains kind if {
	some role in roles
	some kind in data.memos_gov.roles[role].masks
	every other in roles {
		kind in data.memos_gov.roles[other].masks
	}
}

# METADATA
# title: Supervised
# description: Whether no person stands behind any permitting role.
default supervised := false

supervised if {
	count(roles) > 0
	every role in roles {
		data.memos_gov.roles[role].supervised
	}
}

# METADATA
# title: Role rules
# description: The ids of the role rules that permit the action.
rules contains concat("/", ["role", role]) if some role in roles
