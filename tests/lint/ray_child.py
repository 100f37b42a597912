"""Runs snippets on one local Ray: JSON of lists of codes in, JSON of what each raises out."""

import json
import os
import sys

os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

import ray


def raised(code: str) -> str:
    """All that the error and what led to it say; "" where there was none."""
    try:
        exec(compile(code, "snippet.py", "exec"), {"__name__": "snippet"})
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        said, left = [], error
        while left is not None and len(said) < 10:
            said.append(f"{type(left).__name__}: {left}")
            left = left.__cause__ or left.__context__
        return "\n".join(said)
    return ""


ray.init(num_cpus=2, include_dashboard=False, object_store_memory=400 << 20, log_to_driver=False)
found = {rule: [raised(code) for code in codes] for rule, codes in json.load(sys.stdin).items()}
ray.shutdown()
print(json.dumps(found))
