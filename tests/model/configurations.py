"""What is searched: one provider for each class of evidence, and what may go wrong besides."""

from dataclasses import replace

from tests.model.state import Config

KEYS = Config("A     an idempotency key, honoured for a while", keys=True)
KEYS_THEN_LIST = Config("A+L   a key, later a list", keys=True, listing="reference", crashes=1)
REFERENCE = Config("B     a list that shows our reference", listing="reference")
BODY = Config("B0    a list that does not", listing="body")
PRESENCE = Config("B-    a list that may leave jobs out", listing="presence")
NOTHING = Config("C     nothing")
CALLBACK = Config("C+W   nothing, but callbacks with our reference", callbacks=True)
NOTED = replace(REFERENCE, restores=1, journal=True)

TODAY = (
    REFERENCE,
    BODY,
    PRESENCE,
    NOTHING,
    CALLBACK,
    replace(REFERENCE, name="B     refusals end videos", refusals=True),
    replace(REFERENCE, name="B     clients cancel", cancels=True),
    replace(REFERENCE, name="B     callbacks", callbacks=True),
    replace(REFERENCE, name="B     three workers", workers=3, crashes=1),
    replace(PRESENCE, name="B-    clients cancel, callbacks", cancels=True, callbacks=True),
    replace(NOTHING, name="C     clients cancel, callbacks", cancels=True, callbacks=True),
    replace(NOTHING, name="C     an operator decides, clients cancel", operator=True, cancels=True),
    replace(PRESENCE, name="B-    an operator decides, refusals", operator=True, refusals=True),
    replace(NOTED, name="B     a restore, and a journal", crashes=1),
    replace(NOTHING, name="C     a restore, and a journal", restores=1, journal=True, crashes=1),
    # What the guard does without the journal: it holds whatever waits.
    replace(REFERENCE, name="B     a restore", restores=1, crashes=1),
    replace(NOTHING, name="C     a restore", restores=1, crashes=1),
)
"""What the code relies on: one send an attempt, proof by lists, callbacks, a journal and operators."""

DESIGNED = (
    KEYS,
    KEYS_THEN_LIST,
    replace(KEYS, name="A     clients cancel", cancels=True),
    replace(KEYS, name="A     a restore", restores=1, crashes=0),
    replace(KEYS_THEN_LIST, name="A+L   a restore", restores=1, crashes=0),
    replace(BODY, name="B0    two videos with one body", videos=2, crashes=1),
    replace(REFERENCE, name="B     two videos with one body", videos=2, crashes=0),
)
"""What the protocol could bear besides: resends under a key, twins."""
