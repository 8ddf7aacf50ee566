"""Named places where a test makes the process die, to prove that the loop can be picked up there.

With the environment variable RECLOOP_FAILPOINT set to one of `NAMES` (of the loop) or `OF_SEARCH`,
the process ends at that place as `kill -9` would end it: no clean-up, no handlers. Unset, a place
costs a dictionary look.
"""

import os

from recsite import env

VARIABLE = "RECLOOP_FAILPOINT"
EXIT_CODE = 137  # what a shell reports for a killed process

NAMES = (
    "claim.done",
    "freeze.before",
    "freeze.done",
    "freeze.noted",
    "load.before",
    "load.opened",
    "load.split",
    "train.before",
    "train.epoch_done",
    "train.epoch_noted",
    "train.done",
    "write.before",
    "write.renamed",
    "hash.before",
    "hash.done",
    "register.before",
    "register.numbered",
    "register.inserted",
    "register.noted",
    "register.committed",
    "measure.before",
    "measure.done",
    "gate.before",
    "gate.evidence",
    "gate.decided",
    "promote.before",
    "promote.retired",
    "promote.switched",
    "promote.logged",
    "promote.committed",
    "finish.before",
    "finish.done",
)

OF_SEARCH = (
    "search.before",
    "search.epoch_done",
    "search.trial_done",
    "search.trial_noted",
    "search.trials_over",
    "search.refitted",
    "search.judged",
    "search.reported",
)


def hit(name: str) -> None:
    """Die here if a test asked for this place."""
    if env.text(VARIABLE) == name:
        os._exit(EXIT_CODE)
