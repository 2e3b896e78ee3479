"""Records of made-up runs, for the tests of what shows them."""

from __future__ import annotations

from collections.abc import Generator

PANELS = {"reward": "proxy reward, sd", "kl": "KL to the reference, nats"}
EVIL = "<img src=x onerror=alert(1)> & <b>bold</b>"


def record(step: int, **more) -> dict:
    return {"step": step, "reward": 0.1 * step, "kl": 0.05 * step, "seconds": 2.0} | more


def run_of(n: int, **more) -> Generator[dict, None, str]:
    for step in range(1, n + 1):
        yield record(step, **more)
    return "the policy"
