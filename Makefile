# For fingers that type make. `python3 dev.py` does the work and runs where there is no make.
# Arguments: make test ARGS="tests/unit -k money"

VERBS := demo test check shots bench proof lock

.PHONY: help $(VERBS)

help:
	@python3 dev.py --help

$(VERBS):
	@python3 dev.py $@ $(ARGS)
