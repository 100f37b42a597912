"""Runs scripts on one Ray of its own: JSON of {name: code} in, JSON of {name: {"error", "warnings"}} out.

error: all that the script's error and what led to it say; "" where it ran. warnings: what is said to be deprecated.
Each script gets an empty folder, and the DataContext that Ray starts with. What scripts print goes to stderr.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}

import ray
from ray.util.annotations import RayDeprecationWarning

LOGICAL = {"num_cpus": 2, "num_gpus": 1}  # the GPU is one that Ray only counts


def ran(code: str) -> dict[str, str | list[str]]:
    for left in Path.cwd().iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    with warnings.catch_warnings(record=True) as caught, ray.data.DataContext.current(ray.data.DataContext()):
        warnings.simplefilter("always")
        error = raised(code)
    told = [str(w.message) for w in caught if issubclass(w.category, DeprecationWarning | RayDeprecationWarning)]
    return {"error": error, "warnings": told}


def raised(code: str) -> str:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(code, "snippet.py", "exec"), {"__name__": "snippet"})
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        said, left = [], error
        while left is not None and len(said) < 10:
            said.append(f"{type(left).__name__}: {left}")
            left = left.__cause__ or left.__context__
        return "\n".join(said)
    return ""


def main() -> None:
    asked: dict[str, str] = json.load(sys.stdin)
    # Sockets lie in Ray's folder, and their paths may have 107 bytes: pytest's own folders are too deep for it.
    with tempfile.TemporaryDirectory(prefix="hr", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local", _temp_dir=folder, include_dashboard=False, object_store_memory=400 << 20,
            log_to_driver=False, logging_level="ERROR", **LOGICAL,
        )  # fmt: skip
        found = {}
        for name, code in asked.items():
            print(f"{name} ...", file=sys.stderr, flush=True)  # the last one is where it hung
            found[name] = ran(code)
        ray.shutdown()
    print(json.dumps(found))


main()
