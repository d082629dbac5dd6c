# The suite: config checked, the plan that the other stages ask.
import shlex
import sys

from snakemake.common import overwrite_function_params

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
# Snakemake works out the signature of a function for every job that asks it, five times. These take
# wildcards and nothing else: told so, a plan of 54,000 runs is a fifth shorter.
for function in (Plan.bench_spec, Plan.init_spec, Plan.image_text, Plan.priority):
    overwrite_function_params(function, {})
# Rules with a job a run or an image call plain programs: for `script:` Snakemake reads the source
# anew while it plans each job, and each job imports Snakemake.
PYTHON = (
    "python"
    if workflow.deployment_settings.deployment_method
    else shlex.quote(sys.executable)
)
SCRIPTS = shlex.quote(f"{workflow.basedir}/workflow/scripts")
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
