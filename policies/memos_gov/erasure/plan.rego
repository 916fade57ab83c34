# METADATA
# title: Erasure
# description: >-
#   What becomes of each cube whose erasure was asked for. Retention resolves it: a hold
#   wins over the statutory minimum, that over the class's own, all over the erasure. A
#   cube about several persons is kept if anything keeps it for one of them, and else
#   ends for all of them. What is kept is stored and no longer used.
# scope: package
# schemas:
#   - input: schema.erasure_plan
package memos_gov.erasure

# METADATA
# title: Plan
# description: >-
#   The answer for each cube of the page, whether the subject's name ends with them, and
#   who must read back afterwards.
# entrypoint: true
plan := {
	"cubes": {c.id: answer |
		some c in input.cubes
		answer := {
			"action": object.get(actions, c.id, "keep"),
			"reasons": [{"code": code, "public": true} |
				some code in sort(object.get(reasons, c.id, {"class_not_scheduled"}))
			],
			"rules": object.get(rules, c.id, ["erasure/keep"]),
			"steps": object.get(steps, c.id, []),
		}
	},
	"subject": subject,
	"custodians": data.memos_gov.erasure.custodians[ended],
	"valid_until": input.now + 60,
}

# METADATA
# title: Resolved
# description: What retention makes of each cube, given that its erasure was asked for.
resolved := data.memos_gov.retention.verdicts

# METADATA
# title: Actions
# description: Erased is only what retention says is to be erased by now.
actions[c.id] := "erase" if {
	some c in input.cubes
	resolved[c.id].action == "erase"
	resolved[c.id].due <= input.now
}

# METADATA
# title: Reasons
# description: Why a cube is kept, by the rule that won; or that it was asked for, for one or for all.
reasons[c.id] contains "legal_hold" if {
	some c in input.cubes
	not actions[c.id]
	resolved[c.id].rules[0] == "retention/hold"
}

reasons[c.id] contains "statutory_minimum" if {
	some c in input.cubes
	not actions[c.id]
	resolved[c.id].rules[0] == "retention/statutory"
}

reasons[c.id] contains "class_minimum" if {
	some c in input.cubes
	not actions[c.id]
	resolved[c.id].rules[0] == "retention/minimum"
}

reasons[c.id] contains "class_not_scheduled" if {
	some c in input.cubes
	not actions[c.id]
	resolved[c.id].rules[0] == "retention/unscheduled"
}

reasons[c.id] contains "erasure_requested" if {
	some c in input.cubes
	actions[c.id]
}

reasons[c.id] contains "erased_for_all" if {
	some c in input.cubes
	actions[c.id]
	c.others > 0
}

# METADATA
# title: Rules
# description: The rule of the erasure, and those of retention that decided and were weighed.
rules[c.id] := sort({concat("/", ["erasure", object.get(actions, c.id, "keep")])} | weighed) if {
	some c in input.cubes
	weighed := {rule | some rule in resolved[c.id].rules}
}

# METADATA
# title: Steps
# description: The derivation as retention gives it.
steps[c.id] := resolved[c.id].steps if some c in input.cubes

# METADATA
# title: Subject
# description: A person's name ends with the last page, and only if nothing of the person is kept.
default subject := "keep"

subject := "erase" if {
	input.target.kind == "subject"
	input.target.last
	not input.target.held
	input.target.kept == 0
	count(input.cubes) == count(actions)
}

# METADATA
# title: What ends
# description: The directory is asked only where a name ends.
default ended := "cube"

ended := "subject" if subject == "erase"
