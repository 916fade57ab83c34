package memos_gov.access

# METADATA
# title: Reasons by form
# description: >-
#   Which cubes may be kept as what a base model computes of them: numbers of
#   cards and accounts may not, nor labels above the one that the data names.
reasons[c.id] contains "not_transformable" if {
	input.action == "transform"
	some c in input.cubes
	not transformable[c.id]
}

# METADATA
# title: Transformable cubes
# description: Plaintext of a label that may be, in which nothing sensitive was found.
transformable contains c.id if {
	ranks := data.memos_gov.vocabulary.labels
	some c in input.cubes
	c.form == "plaintext"
	ranks[c.label] <= ranks[data.memos_gov.transformation.activated_up_to]
	not holds_sensitive[c.id]
}

# METADATA
# title: Cubes that hold something sensitive
# description: Those in which a kind was found that transformation keeps out.
holds_sensitive contains c.id if {
	some c in input.cubes
	some kind in c.findings
	kind in data.memos_gov.transformation.sensitive_findings
}
