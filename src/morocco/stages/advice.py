"""What a model's author should do about each way in which a run of it can fail."""

from __future__ import annotations

import re
from collections.abc import Sequence

from morocco.formats.record import Reason, RunRecord

ADVICE = {
    "start_failed": "give the image an ENTRYPOINT that exists in it, as a JSON list: "
    'ENTRYPOINT ["python3", "infer.py"]',
    "exit_code": "end with status 0 once stdin has ended; the end of its stderr is shown above",
    "killed": "something inside ended the process by SIGKILL: look for its own watchdog or limits",
    "oom_killed": "it needs more memory than the limit: a smaller model or batch, or raise "
    "limits.memory in the suite (here: --memory)",
    "timeout": "it must end by itself when stdin ends; if it is only slow, raise --timeout",
    "output_limit": "write predictions to stdout and little to stderr: progress bars fill it",
    "prediction_count": "write exactly one line for each line of stdin, the last batch too, and "
    "nothing else (no banner, no log) to stdout",
    "prediction_idx": "answer each record under its own idx",
    "prediction_format": 'each line of stdout is one JSON object {"idx": …, "label": …} in UTF-8',
    "prediction_label": "use the task's own labels, spelled as in its train split",
}
_STDERR_ADVICE = (
    (
        r"Read-only file system|EROFS",
        "the root is read-only: write to /tmp alone (HOME, TRANSFORMERS_CACHE and the like too)",
    ),
    (
        r"name resolution|Name or service not known|Network is unreachable|Failed to establish a "
        r"new connection|Max retries exceeded|Could not resolve",
        "there is no network: put weights and tokenizers into the image when it is built",
    ),
    (
        r"unrecognized arguments?:? .*batch|no such option.*batch|unknown (option|flag).*batch",
        "it is started with `--batch-size N`: accept that option",
    ),
    (
        r"Permission denied",
        "it runs as user 65534, who owns nothing: make its files readable to all (chmod a+rX)",
    ),
)


def advice_for(reasons: Sequence[Reason], record: RunRecord) -> str:
    """Advice by what its stderr says, else by the reasons of its verdict."""
    told = record.output.stderr_tail if record.output else ""
    for pattern, advice in _STDERR_ADVICE:
        if re.search(pattern, told, re.IGNORECASE):
            return advice
    return "; ".join(dict.fromkeys(ADVICE[reason.code] for reason in reasons))
