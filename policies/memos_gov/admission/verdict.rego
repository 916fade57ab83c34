# METADATA
# title: Admission
# description: >-
#   May this content enter, and how? A candidate with a reason is refused; what
#   enters may be labelled higher, masked or quarantined.
# scope: package
# schemas:
#   - input: schema.admission_verdict
package memos_gov.admission

import data.memos_gov.actor

# METADATA
# title: Verdict
# description: Refused where any reason stands, else allowed with its obligations.
# entrypoint: true
verdict := {
	"effect": "refuse",
	"reasons": [{"code": code, "public": code in data.memos_gov.admission.public_reasons} |
		some code in sort(reasons)
	],
	"obligations": [],
	"rules": sort({concat("/", ["admission", code]) | some code in reasons}),
	"valid_until": input.now + 60,
} if {
	count(reasons) > 0
} else := {
	"effect": "allow",
	"reasons": [],
	"obligations": sort(obligations),
	"rules": sort(actor.rules | {concat("/", ["admission", o.kind]) | some o in obligations}),
	"valid_until": input.now + 60,
}

# METADATA
# title: Reasons
# description: Why the content may not enter.
reasons contains "role_lacks_action" if count(actor.roles) == 0

reasons contains "label_above_clearance" if not input.cube.label in actor.cleared

reasons contains "restricted" if input.restricted

reasons contains "purpose_not_granted" if {
	not "purpose_assignment" in actor.exempt
	some purpose in input.cube.purposes
	not purpose in input.actor.purposes
}

reasons contains "consent_missing" if {
	input.cube.basis == "consent"
	some purpose in input.cube.purposes
	not purpose in input.consent.given
}

reasons contains "consent_withdrawn" if {
	input.cube.basis == "consent"
	some purpose in input.cube.purposes
	purpose in input.consent.withdrawn
}

# METADATA
# title: Obligations
# description: What must be done with the content as it enters.
obligations contains {"kind": "label", "label": floor} if {
	ranks := data.memos_gov.vocabulary.labels
	highest := max({ranks[label] | some label in floors})
	highest > ranks[input.cube.label]
	some floor in floors
	ranks[floor] == highest
}

obligations contains {"kind": "mask", "what": sort(hidden)} if {
	actor.supervised
	hidden := {kind | some kind in data.memos_gov.admission.masked_findings; kind in input.findings}
	count(hidden) > 0
}

obligations contains {"kind": "quarantine"} if suspicious

obligations contains {"kind": "unlink", "reason": "imported"} if {
	input.action != "revise" # (whatever the memory once came from, its new words are the actor's)
	input.cube.origin == "import"
	input.cube.session_reads > 0
	not actor.supervised
}

# METADATA
# title: Label floors
# description: The lowest labels that the personal numbers found allow.
floors contains floor if {
	some kind in input.findings
	floor := data.memos_gov.admission.label_floors[kind]
}

# METADATA
# title: Suspicious content
# description: What a program brings that a person should see before anyone reads it.
default suspicious := false

suspicious if {
	actor.supervised
	input.cube.label == "public"
	some kind in data.memos_gov.admission.masked_findings
	kind in input.findings
}

suspicious if {
	actor.supervised
	input.cube.label == "restricted"
}
