# The suite: config checked, the plan that the other stages ask.
import sys

from morocco.errors import MoroccoError
from morocco.stages.plan import Plan
from morocco.stages.workflow import (
    AFTER_FAILURE,
    begin,
    end_campaign,
    open_suite,
    start_campaign,
)

try:
    SUITE = open_suite(config, workflow.configfiles)
except MoroccoError as error:
    print(error, file=sys.stderr)
    raise SystemExit(1) from None

PLAN = Plan(SUITE)
R = SUITE.results
# Runs interleave by a shuffle of their priorities, so everything they wait for comes first.
BEFORE_ALL_RUNS = 2**31
begin()


wildcard_constraints:
    model="[a-z0-9][a-z0-9._-]*",
    task="[a-z]+",
    input_size=r"\d+",
    batch_size=r"\d+",
    index=r"\d{2}",
    round=r"\d",


onstart:
    try:
        start_campaign(SUITE, workflow)
    except MoroccoError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


onsuccess:
    end_campaign(SUITE, well=True)


onerror:
    end_campaign(SUITE)
    print(AFTER_FAILURE, file=sys.stderr)
