"""How the cost of an update of PPO grows: with rollouts, response length, model size and processes.

    python -m benchmarks.scaling [--json FILE] [--figure FILE.svg]

Nothing else should run meanwhile; about eight minutes on two cores. One setting is varied at a time, from the tiny
model's: 32 rollouts of 48 tokens, 2 passes, all four roles in 4 bits. Weights are random, so no response ends early.
Each point is a process of its own: the median of its updates but the first, and its peak memory beyond what it held
before it loaded a model. A straight line is fitted to each curve. The figure needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from .ppo import memory_held, train_prompts

UPDATES = 4  # of one process; the first is not counted
USUAL = {"rollouts": 32, "tokens": 48, "hidden": 128, "processes": 1}
CURVES = {
    "rollouts": (8, 16, 32, 64, 128),
    "tokens": (8, 16, 32, 64, 96),
    "hidden": (64, 128, 256, 384, 512),
    "processes": (1, 2),
}
AXES = {
    "rollouts": "rollouts an update",
    "tokens": "tokens a response",
    "hidden": "million weights in the base model",
    "processes": "processes of one thread each",
}


# --- One point, in a process (or some) of its own -----------------------------


def point(setting: dict[str, int], folder: Path) -> dict | None:
    """Seconds and MiB of an update; None on all processes of a run but the first."""
    from helpers.models.costs import Shape
    from helpers.models.profiles import get_profile
    from helpers.models.shared_base import SharedBase
    from helpers.training.distributed import Distributed
    from helpers.training.ppo_config import PPOConfig
    from helpers.training.train_ppo import train_ppo

    distributed = Distributed.from_environment(cpu=True)
    profile = replace(get_profile("tiny"), name="random", base=str(folder / "base"))
    start = memory_held()
    shared = SharedBase.load(profile, sft=folder / "sft", reward=folder / "reward")
    settings = {"updates": UPDATES, "batch_size": setting["rollouts"], "max_new_tokens": setting["tokens"]}
    config = PPOConfig.of(profile, minibatch_size=setting["rollouts"], **settings)
    seconds = [
        record["seconds"] for record in train_ppo(shared, train_prompts(), None, config, distributed=distributed)
    ]
    if not distributed.is_main_process:
        return None
    shape = Shape.of(profile)
    assert shape  # the model's folder is there
    weights = shape.linear + shape.other
    return {"seconds": statistics.median(seconds[1:]), "memory": memory_held() - start, "weights": weights}


def write_random_model(hidden: int, folder: Path) -> None:
    """A random model of the tiny one's kind, with random adapters for SFT and reward."""
    import torch
    from peft import get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from helpers.models.loading import Head, checkpoint_folder, load_base, load_tokenizer, lora_config
    from helpers.models.profiles import get_profile
    from helpers.models.reward_scale import RewardScale
    from helpers.training.trl_bridge import save_adapter

    tiny = get_profile("tiny")
    config = LlamaConfig.from_pretrained(checkpoint_folder(tiny))
    config.update({"hidden_size": hidden, "intermediate_size": 3 * hidden, "num_attention_heads": hidden // 32})
    config.update({"num_key_value_heads": hidden // 32})
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder / "base")
    load_tokenizer(tiny).save_pretrained(folder / "base")
    profile = replace(tiny, name="random", base=str(folder / "base"))
    heads: dict[str, Head] = {"sft": "causal", "reward": "score"}
    for name, head in heads.items():
        (folder / name).mkdir()
        save_adapter(get_peft_model(load_base(profile, head=head), lora_config(profile, head)), folder / name)
    RewardScale(mean=0.0, std=1.0).write(folder / "reward")


# --- Curves -------------------------------------------------------------------


def measure() -> dict:
    """The points of each curve, x ascending, and the line fitted to its seconds and to its memory."""
    curves: dict[str, dict] = {}
    known: dict[str, dict] = {}
    for name, values in CURVES.items():
        points = []
        for value in values:
            setting = USUAL | {name: value}
            threads = 1 if name == "processes" else 2
            key = json.dumps([setting, threads])
            known[key] = known.get(key) or _in_processes(setting, threads)
            x = known[key]["weights"] / 1e6 if name == "hidden" else value
            points.append({"x": x, "seconds": known[key]["seconds"], "memory": known[key]["memory"]})
            print(name, {key: round(number, 2) for key, number in points[-1].items()}, flush=True)
        fits = {y: _line(points, y) for y in ("seconds", "memory")} if len(points) > 2 else {}
        curves[name] = {"points": points, "fits": fits}
    return curves


def _line(points: list[dict], y: str) -> dict[str, float]:
    """Least squares: y = at_zero + slope x, and the part of y's variance that this explains."""
    x, values = (np.array([point[name] for point in points]) for name in ("x", y))
    slope, at_zero = np.polyfit(x, values, 1)
    rest, whole = np.var(values - at_zero - slope * x), np.var(values)
    return {"at_zero": float(at_zero), "slope": float(slope), "explained": float(1 - rest / whole) if whole else 1.0}


def table(curves: dict) -> str:
    """The fitted lines, one each."""
    lines = []
    for name, curve in curves.items():
        for y, fit in curve["fits"].items():
            line = f"{fit['at_zero']:.2f} + {fit['slope']:.3f} x"
            lines.append(f"{y:7} = {line:18} x: {AXES[name]} ({fit['explained']:.1%} of the variance)")
    return "\n".join(lines)


def _in_processes(setting: dict[str, int], threads: int) -> dict:
    launch = [sys.executable, "-m"]
    if setting["processes"] > 1:
        launch += ["torch.distributed.run", "--nproc_per_node", str(setting["processes"]), "-m"]
    with tempfile.TemporaryDirectory() as folder:
        write_random_model(setting["hidden"], Path(folder))
        done = subprocess.run(
            [*launch, "benchmarks.scaling", "--part", json.dumps(setting), "--folder", folder],
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "RLHF_RUNS": folder},
            capture_output=True,
            text=True,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"{setting} failed:\n{done.stderr[-3000:]}")
    return json.loads(lines[-1])


# --- The figure ---------------------------------------------------------------


def figure(curves: dict):
    """Seconds above, memory below, a column for each curve, with the fitted lines."""
    from plotly.subplots import make_subplots

    units = {"seconds": "seconds an update", "memory": "peak memory, MiB"}
    result = make_subplots(rows=2, cols=len(curves), vertical_spacing=0.1, horizontal_spacing=0.05)
    for column, (name, curve) in enumerate(curves.items(), start=1):
        x = [point["x"] for point in curve["points"]]
        for row, y in enumerate(units, start=1):
            if fit := curve["fits"].get(y):
                line = [fit["at_zero"] + fit["slope"] * value for value in x]
                result.add_scatter(x=x, y=line, mode="lines", line={"color": "#9aa5b1"}, row=row, col=column)
            values = [point[y] for point in curve["points"]]
            result.add_scatter(
                x=x, y=values, mode="markers", marker={"color": "#1f5fa8", "size": 8}, row=row, col=column
            )
            result.update_yaxes(rangemode="tozero", row=row, col=column)
        result.update_xaxes(title=AXES[name], row=2, col=column)
        if len(x) == 2:
            for row in (1, 2):
                result.update_xaxes(tickvals=x, row=row, col=column)
    for row, unit in enumerate(units.values(), start=1):
        result.update_yaxes(title=unit, row=row, col=1)
    slopes = [curves[name]["fits"]["seconds"]["slope"] for name in ("rollouts", "tokens", "hidden")]
    one, two = (point["seconds"] for point in curves["processes"]["points"])
    title = (
        "An update's seconds grow by {:.3f} a rollout, {:.3f} a token, {:.2f} a million weights; ".format(*slopes)
        + f"two processes take {two / one:.2f} of the time of one"
    )
    return result.update_layout(
        title=title, showlegend=False, template="plotly_white", width=1300, height=620, font={"size": 13}
    )


def draw(curves: dict, path: Path) -> None:
    """Write the figure as SVG, drawn by Chromium."""
    from urllib.parse import unquote

    from playwright.sync_api import sync_playwright

    from tests.browser.jupyterlab import CHROMIUM_AS_ROOT, CHROMIUM_OPTIONS, find_chromium

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder, "figure.html")
        page_file.write_text(figure(curves).to_html(div_id="figure"), "utf-8")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_OPTIONS + CHROMIUM_AS_ROOT)
        page = browser.new_page()
        page.goto(page_file.as_uri())
        page.wait_for_selector("#figure .main-svg")
        image = page.evaluate("() => Plotly.toImage('figure', {format: 'svg', width: 1300, height: 620})")
        browser.close()
    path.write_text(unquote(image.split(",", 1)[1]) + "\n", "utf-8")


def main() -> None:
    """Measure, print the lines, and write and draw where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the points and lines here")
    parser.add_argument("--figure", type=Path, help="draw the curves into this SVG file")
    parser.add_argument("--draw-only", action="store_true", help="draw what --json holds, and measure nothing")
    parser.add_argument("--part", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        if found := point(args.part, args.folder):
            print(json.dumps(found))
        return
    curves = json.loads(args.json.read_text("utf-8")) if args.draw_only else measure()
    print(table(curves))
    if args.json and not args.draw_only:
        args.json.write_text(json.dumps(curves, indent=1) + "\n", "utf-8")
    if args.figure:
        draw(curves, args.figure)


if __name__ == "__main__":
    main()
