"""Make the shipped data, as preference sets are made in practice: prompts -> completions -> pairs -> labels.

    python -m helpers data

People write demonstrations; the model tuned on them and the base model sample completions of each new prompt;
annotators compare two at a time. Everything is drawn from seeds: on the same machine the same bytes come out.
"""

import json
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..evaluation.policies import MODELS
from ..models.shared_base import SharedBase
from ..preferences import Demonstration, Preference, Prompt, Rating, load_preferences, write_rows
from ..runs.artifacts import Artifacts
from ..simulation.annotators import ANNOTATORS, choose, rate
from ..simulation.gold import score
from ..simulation.posts import Post, draw_posts, write_human_summary

# A quarter faster here than with a growing cache.
SAMPLING: dict[str, Any] = {"batch_size": 128, "cache_implementation": "static"}
# Who writes the completions of a prompt, and at which temperature: two models and more than one temperature, as for
# Llama 2 (Touvron et al. 2023, 3.2.1), so that the completions of a prompt are diverse.
WRITERS = (("sft", 0.7), ("sft", 0.5), ("base", 0.7), ("base", 0.5))


@dataclass(frozen=True)
class CollectionConfig:
    """How much is collected."""

    demonstrations: int = 2000
    prompts: int = 2000  # without completions, for PPO
    heldout: int = 512  # the same, to measure on
    pairs: tuple[int, int, int] = (8000, 1000, 1000)  # train, validation, test
    prompts_per_pair: float = 0.78  # a prompt gives two pairs at best; equal texts, ties and skips are lost
    rated: int = 200  # completions that every annotator rates from 1 to 7
    seed: int = 0


def _draw_prompts(config: CollectionConfig) -> dict[str, list[Post]]:
    """Disjoint posts for every purpose: the training split's are dealt out, held-out ones come from the test split."""
    n_train, n_validation, n_test = (round(n * config.prompts_per_pair) for n in config.pairs)
    train = draw_posts(config.demonstrations + config.prompts + n_train, config.seed, "train")
    test = draw_posts(config.heldout + n_test, config.seed, "test")
    return {
        "demonstrations": train[: config.demonstrations],
        "prompts": train[config.demonstrations : config.demonstrations + config.prompts],
        "train": train[config.demonstrations + config.prompts :],
        "validation": draw_posts(n_validation, config.seed, "validation"),
        "heldout": test[: config.heldout],
        "test": test[config.heldout :],
    }


def collect_prompts(config: CollectionConfig = CollectionConfig()) -> None:
    """Write the demonstrations and the prompt sets."""
    posts = _draw_prompts(config)
    rng = random.Random(f"demonstrations/{config.seed}")
    write_rows(
        files.data() / "demonstrations.jsonl",
        [
            Demonstration(id=f"demo-{i:05}", prompt=post.prompt, completion=" " + write_human_summary(post, rng))
            for i, post in enumerate(posts["demonstrations"])
        ],
    )
    for split, name in (("train", "prompts"), ("heldout", "heldout")):
        rows = [Prompt(id=f"{split}-{i:05}", prompt=post.prompt) for i, post in enumerate(posts[name])]
        write_rows(files.data() / "prompts" / f"{split}.jsonl", rows)


def collect_preferences(shared: SharedBase, config: CollectionConfig = CollectionConfig()) -> Iterator[dict[str, Any]]:
    """Let WRITERS write four completions of each prompt, pair them, have them labeled, and write pairs and ratings.

    Yields:
        {"split", "pairs"} as each split is done.

    Raises:
        LabError: fewer pairs were labeled than the config wants.
    """
    posts = _draw_prompts(config)
    for number, (split, wanted) in enumerate(zip(files.SPLITS, config.pairs, strict=True)):
        prompts = [post.prompt for post in posts[split]]
        seed = config.seed + 1000 * number
        completions = [
            shared.complete(prompts, MODELS[name], seed=seed + i, temperature=temperature, **SAMPLING)
            for i, (name, temperature) in enumerate(WRITERS)
        ]
        written = [[text.rstrip() for text in texts] for texts in zip(*completions, strict=True)]
        rng = random.Random(f"labels/{split}/{config.seed}")
        pairs = list(_label(prompts, written, split, rng))[:wanted]
        if len(pairs) < wanted:
            raise files.LabError(f"only {len(pairs)} of {wanted} {split} pairs were labeled: raise prompts_per_pair")
        write_rows(files.data() / "preferences" / f"{split}.jsonl", pairs)
        if split == "train":
            _collect_ratings(pairs[: config.rated], config)
        yield {"split": split, "pairs": len(pairs)}


def _label(
    prompts: Sequence[str], completions: Sequence[Sequence[str]], split: str, rng: random.Random
) -> Iterator[Preference]:
    """Up to two pairs of each prompt, drawn at random from its four completions, each with one annotator.

    No completion is in two pairs. Pairs of equal or empty completions, ties and skips are dropped.
    """
    sources = [name for name, _ in WRITERS]
    for number, (prompt, texts) in enumerate(zip(prompts, completions, strict=True)):
        order = rng.sample(range(len(WRITERS)), len(WRITERS))
        for pair, (i, j) in enumerate((order[:2], order[2:])):
            a, b = (texts[i], sources[i]), (texts[j], sources[j])
            row = compared(prompt, a, b, rng, id=f"{split}-{number:05}-{pair}", split=split)
            if row:
                yield row


def compared(
    prompt: str, a: tuple[str, str], b: tuple[str, str], rng: random.Random, *, id: str, split: str
) -> Preference | None:
    """Two completions (text and writer of each), compared by an annotator drawn at random.

    Returns:
        The pair as it is labeled; None for equal or empty texts, a tie or a skip.
    """
    if a[0].strip() == b[0].strip() or not a[0].strip() or not b[0].strip():
        return None
    annotator = rng.choice(list(ANNOTATORS.values()))
    judgment = choose(annotator, score(prompt, a[0]), score(prompt, b[0]), rng)
    if judgment.choice not in ("a", "b"):
        return None
    (chosen, winner), (rejected, loser) = (a, b) if judgment.choice == "a" else (b, a)
    return Preference(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        id=id,
        source=f"{winner}>{loser}",
        annotator=annotator.name,
        strength=judgment.strength,
        split=split,
    )


def _collect_ratings(pairs: Sequence[Preference], config: CollectionConfig) -> None:
    """Write every annotator's absolute rating of the chosen and the rejected completion of some pairs."""
    rng = random.Random(f"ratings/{config.seed}")
    write_rows(
        files.data() / "ratings.jsonl",
        [
            Rating(
                id=f"{pair.id}-{which}",
                prompt=pair.prompt,
                completion=text,
                annotator=annotator.name,
                rating=rate(annotator, score(pair.prompt, text), rng),
            )
            for pair in pairs
            for which, text in (("chosen", pair.chosen), ("rejected", pair.rejected))
            for annotator in ANNOTATORS.values()
        ],
    )


DEMO_STEPS = (4, 8, 14)  # words saved, with noise, from which strength is 2, 3 and 4


def collect_demo_labels(n: int = 400, temperature: float = 3.0, seed: int = 0) -> None:
    """Write the labels of "demo", an annotator with one clear taste: the shorter TL;DR is better, whatever it says.

    They stand in for the reader's own labels where there are none. The demo annotator judges training pairs, drawn
    at random and without those of equal length, by Bradley-Terry on the number of words: a text that is d words
    shorter is chosen with the probability sigmoid(d / temperature). Most of the shipped annotators choose the
    longer one, so a reward model trained on these labels learns other preferences than theirs.

    Args:
        n: number of labels.
        temperature: in words.
        seed: of the pairs and of the noise.
    """
    rng = random.Random(f"demo/{seed}")
    pairs = load_preferences("train")
    rows: list[Preference] = []
    for pair in rng.sample(pairs, len(pairs)):
        texts = sorted((pair.chosen, pair.rejected), key=lambda text: (len(text.split()), text))
        words_saved = len(texts[1].split()) - len(texts[0].split())
        if not words_saved:
            continue
        u = rng.random()
        advantage = words_saved + temperature * math.log(u / (1 - u))  # logistic noise
        chosen, rejected = texts if advantage > 0 else texts[::-1]
        writers = pair.source.split(">")
        rows.append(
            Preference(
                prompt=pair.prompt,
                chosen=chosen,
                rejected=rejected,
                id=f"{pair.id}/demo",
                source=">".join(writers if chosen == pair.chosen else writers[::-1]),
                annotator="demo",
                strength=1 + sum(abs(advantage) >= step for step in DEMO_STEPS),
                split="train",
            )
        )
        if len(rows) == n:
            break
    rows.sort(key=lambda row: row.id)
    write_rows(files.data() / "labels" / "demo.jsonl", rows)


def ship(name: str) -> Path:
    """Copy the tiny profile's own artifact to `data/adapters/`, without its date, and return the new folder."""
    source = Artifacts("tiny").find(name).path
    target = files.data() / "adapters" / name
    with files.atomic_folder(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        manifest = json.loads((folder / "artifact.json").read_text("utf-8"))
        del manifest["created"]
        (folder / "artifact.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return target


def write_checksums() -> None:
    """Write data/checksums.txt, in the format of sha256sum, over every shipped file but itself and the cards."""
    shipped = sorted(
        path
        for path in files.data().rglob("*")
        if path.is_file() and path.suffix in (".jsonl", ".json", ".safetensors")
    )
    lines = [f"{files.sha256(path)}  {path.relative_to(files.data()).as_posix()}\n" for path in shipped]
    files.atomic_write(files.data() / "checksums.txt", "".join(lines))
