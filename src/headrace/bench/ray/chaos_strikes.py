"""Sessions of a job on a cluster that is struck while they run."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from headrace.bench.chaos_kills import Command, Kill, Session
from headrace.bench.chaos_output import Folder
from headrace.bench.ray.chaos_cluster import StruckCluster

KINDS = ("actor", "reader", "writer", "settler", "raylet", "driver")
_HANGS_S = 150.0
_POLL_S = 0.005  # looking for victims takes about as long: it reads what all processes are called
_AT_START_S = 6.0
_DELAY_S = 0.4


@dataclass(frozen=True)
class Strike:
    """What to kill: one of `KINDS`, `delay_s` after so many `parts` are there; None: after the session's start.

    joins: another node joins where one dies.
    """

    kind: str
    parts: int | None
    delay_s: float
    joins: bool


@dataclass(frozen=True)
class Hit:
    """A strike that was carried out. victim: what the process called itself. at_s: after the session's start."""

    kind: str
    victim: str
    session: int
    at_s: float
    parts: int


@dataclass(frozen=True)
class Driven:
    """A session, and what was struck in it. hung: it did not end by itself."""

    session: Session
    hits: tuple[Hit, ...]
    hung: bool


def drawn(rng: random.Random, kinds: Sequence[str], parts: int) -> list[Strike]:
    """A strike of each of these kinds, in the order in which they fall due."""
    strikes = []
    for kind in kinds:
        early = kind == "settler" or (kind in ("driver", "raylet") and rng.random() < 1 / 4)
        due = None if early else rng.randrange(parts - 2)
        delay_s = rng.uniform(0, _AT_START_S if early and kind != "settler" else _DELAY_S)
        strikes.append(Strike(kind, due, delay_s, rng.random() < 1 / 2))
    return sorted(strikes, key=lambda strike: -1 if strike.parts is None else strike.parts)


def driven(command: Command, cluster: StruckCluster, strikes: list[Strike], number: int, rng: random.Random) -> Driven:
    """Runs the command once, until it ends or its driver is struck; takes from `strikes` what was carried out."""
    before, log = command.folder.parts(), command.logs / f"log-{number}"
    began = datetime.now(UTC)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(command.environment),
            cwd=command.logs,
            start_new_session=True,
        )
    hits, hung = _hits(process, command.folder, cluster, strikes, number, rng)
    code = process.wait()
    killed = any(hit.kind == "driver" for hit in hits)
    session = Session(
        began=began,
        ended=datetime.now(UTC),
        exit_code=code,
        kill=Kill("strike", hits[-1].parts, hits[-1].at_s, "driver") if killed else None,
        before=before,
        after=command.folder.parts(),
        reads=(),
        errors=log.read_text(errors="replace")[-2000:],
        process=process.pid,
    )
    return Driven(session, tuple(hits), hung)


def _hits(
    driver: subprocess.Popen[bytes],
    folder: Folder,
    cluster: StruckCluster,
    strikes: list[Strike],
    number: int,
    rng: random.Random,
) -> tuple[list[Hit], bool]:
    """Carries out strikes until the driver ends; whether it hung, and was killed for it."""
    hits: list[Hit] = []
    due: dict[Strike, float] = {}
    start = time.monotonic()
    while driver.poll() is None:
        now, there = time.monotonic(), len(folder.parts())
        if now - start > _HANGS_S:
            driver.kill()
            return hits, True
        due |= {s: now + s.delay_s for s in strikes if s not in due and (s.parts is None or there >= s.parts)}
        for strike in [s for s in strikes if due.get(s, math.inf) <= now]:
            victim = _struck(strike, driver, cluster, rng)
            if victim is not None:
                hits.append(Hit(strike.kind, victim, number, round(now - start, 3), there))
                strikes.remove(strike)
        time.sleep(_POLL_S)
    return hits, False


def _struck(strike: Strike, driver: subprocess.Popen[bytes], cluster: StruckCluster, rng: random.Random) -> str | None:
    if strike.kind != "driver":
        return cluster.strike(strike.kind, rng, joins=strike.joins)
    if driver.poll() is not None:
        return None
    driver.kill()
    return "the driver" if driver.wait() == -signal.SIGKILL else None
