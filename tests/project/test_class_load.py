"""What a class needs, from measurements made up here so that the answer is known."""

import json

import pytest

from benchmarks import class_load
from benchmarks.class_load import BEGIN, END, MIB, needs, table, write_into
from helpers.files import LabError


def measured(shared: float = 300, each: float = 500, held: float = 200, core_seconds: float = 100) -> dict:
    """MiB: all kernels share `shared`, and each adds `each` while it runs, `held` afterwards; no server."""

    def students(n: int) -> list[dict]:
        pss = shared / n + each
        seconds = max(60, n * core_seconds / 2)
        record = {"seconds": seconds, "core_seconds": core_seconds, "rss": shared + each, "pss": pss, "reason": ""}
        return [record | {"held": shared / n + held}] * n

    levels = [{"lab": "02_reward_model", "kernels": n, "students": students(n)} for n in (1, 2, 4)]
    return {"cores": 2, "cells": None, "server": 0, "levels": levels, "left_out": []}


def test_memory_is_what_is_shared_once_and_the_rest_for_each():
    need = needs(measured(), "02_reward_model", students=80)
    assert need["memory"] == pytest.approx((300 + 80 * 500) * MIB / 1e9)
    need = needs(measured(), "02_reward_model", students=80, share=0.25)
    assert need["memory"] == pytest.approx((300 + 20 * 500 + 60 * 200) * MIB / 1e9)
    assert needs(measured() | {"server": 100}, "02_reward_model")["memory"] == pytest.approx(48300 * MIB / 1e9)


def test_time_is_that_of_all_cores_and_never_less_than_one_kernel_takes_alone():
    assert needs(measured(), "02_reward_model", students=80)["seconds"] == pytest.approx(80 * 100 / 2)
    assert needs(measured(), "02_reward_model", students=80, cores=16)["seconds"] == pytest.approx(80 * 100 / 16)
    assert needs(measured(), "02_reward_model", students=80, cores=1000)["seconds"] == 60


def test_nothing_is_shared_where_the_measurements_say_less_than_nothing():
    found = measured(shared=-100)
    assert 0 < needs(found, "02_reward_model", students=1)["memory"] <= 500 * MIB / 1e9


def test_the_table_goes_between_the_markers_and_failures_count(tmp_path):
    page, found = tmp_path / "class.md", measured()
    found["levels"][1]["students"] = [s | {"reason": "the kernel died"} for s in found["levels"][1]["students"]]
    found["left_out"] = [{"lab": "02_reward_model", "kernels": 8}]
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    (tmp_path / "found.json").write_text(json.dumps(found))
    assert class_load.main(["--from", str(tmp_path / "found.json"), "--docs", str(page)]) == 1
    text = page.read_text("utf-8")
    assert text == f"before\n{BEGIN}\n{table(found)}\n{END}\nafter\n"
    assert "| 02 | 2 | 100 (100) | 100 | 650 (800) | 2 |" in text and "| 02 | 8 | not measured" in text
    page.write_text("no markers", "utf-8")
    with pytest.raises(LabError, match="not in it"):
        write_into(page, "text")
