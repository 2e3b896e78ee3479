"""Pictures of training: the three stages, one base in four roles, one update of PPO, DPO beside PPO."""

from .drawing import Box, Drawing, Picture


def stages() -> Picture:
    """The three stages of RLHF: what people give to each, what it trains, and what comes out of it.

    After figure 2 of InstructGPT (Ouyang et al. 2022), with what that leaves out: the base model that all begins
    from, and the KL penalty that holds the policy near the SFT model.
    """
    d = Drawing(428)
    d.heading(236, 32, 1, "Imitate")
    d.heading(516, 32, 3, "Practice")
    d.heading(34, 312, 2, "Compare")

    demonstrations = d.sheet(226, 48, 156, 56, "demonstrations\nprompt + answer")
    prompts = d.sheet(506, 48, 156, 56, "prompts\nno answers")
    comparisons = d.sheet(24, 338, 156, 56, "comparisons\nbetter + worse")
    base = d.box(24, 170, 104, 64, "base model\npretrained", "base")
    sft = d.box(226, 170, 156, 64, "SFT model\nlater: reference", "sft")
    reward = d.box(296, 334, 156, 64, "reward model\nscores an answer", "reward")
    policy = d.box(506, 170, 156, 64, "policy\nwrites better", "policy")

    d.arrow(demonstrations.bottom(), sft.top())
    d.words(312, 132, "fine-tune", anchor="start")
    d.words(312, 149, "on them", anchor="start")
    d.arrow(prompts.bottom(), policy.top())
    d.words(592, 132, "PPO: write,", anchor="start")
    d.words(592, 149, "be scored", anchor="start")
    d.arrow(comparisons.right(), reward.left())
    d.words(238, 352, "better must", size=12.5)
    d.words(238, 386, "score higher", size=12.5)
    d.arrow(base.right(), sft.left())
    d.words(177, 192, "copy", size=12.5)
    d.arrow(base.bottom(), (76, 276), (374, 276), reward.top())
    d.words(225, 268, "copy, with a score for its output", size=12.5)
    d.arrow(sft.right(0.27), policy.left(0.27))
    d.words(444, 180, "copy", size=12.5)
    d.arrow(sft.right(0.73), policy.left(0.73), kind="sft", dashed=True, both=True)
    d.words(444, 209, "KL: stay near", "sft", size=12.5)
    d.arrow(reward.right(), (584, 366), policy.bottom(), kind="reward")
    d.words(594, 300, "scores", "reward", "start")
    return d.picture(
        "stages",
        "The three stages of RLHF",
        "Stage 1, imitate: a copy of the base model is fine-tuned on demonstrations; this is the SFT model. Stage 2, "
        "compare: a second copy of the base model learns from comparisons to score the better answer higher; this is "
        "the reward model. Stage 3, practice: the policy starts as a copy of the SFT model, writes answers to prompts "
        "and is scored by the reward model; PPO makes answers with high scores more likely, and a KL penalty holds the "
        "policy near the SFT model.",
    )


def four_roles() -> Picture:
    """One base model in 4 bits in the four roles of PPO, as `SharedBase` has them: what each adds to it."""
    d = Drawing(356)
    base = d.box(24, 272, 652, 62, "one base model, 4 bits\nall roles compute with these weights; they never change")
    columns = (
        (24, "reference", "sft", "log-probabilities\nto stay near"),
        (192, "policy", "policy", "writes, and\nlog-probabilities"),
        (360, "value", "value", "how much reward\nis still to come"),
        (528, "reward", "reward", "score of the\nwhole answer"),
    )
    for x, role, kind, gives in columns:
        d.words(x + 74, 36, role, kind, size=15, bold=True)
        d.words(x + 74, 58, gives, size=12.5)
    adapters = (
        d.box(24, 196, 148, 46, "SFT adapter\nfrozen", "sft"),
        d.box(192, 196, 148, 46, "its copy\ntrained", "policy"),
        d.box(528, 196, 148, 46, "adapter\nfrozen", "reward"),
    )
    value = d.box(360, 118, 148, 46, "value head\ntrained", "value")
    score = d.box(528, 118, 148, 46, "score head\nfrozen", "reward")
    for adapter, kind in zip(adapters, ("sft", "policy", "reward"), strict=True):
        d.arrow((adapter.x + 74, base.y), adapter.bottom(), kind=kind)
    d.arrow(adapters[0].top(), (98, 82), kind="sft")
    d.arrow(adapters[1].top(), (266, 82), kind="policy")
    d.arrow(adapters[1].right(), (434, 219), value.bottom(), kind="value")
    d.arrow(value.top(), (434, 82), kind="value")
    d.arrow(adapters[2].top(), score.bottom(), kind="reward")
    d.arrow(score.top(), (602, 82), kind="reward")
    d.words(444, 238, "reads the policy", "value", "middle", 12)
    return d.picture(
        "four_roles",
        "One base model in the four roles of PPO",
        "One frozen base model in 4 bits serves four roles. The reference adds the frozen SFT adapter. The policy adds "
        "a copy of that adapter, which is trained. The value function is a trained linear head on what the policy "
        "computes. The reward model adds a frozen adapter of its own and a score head.",
    )


def ppo_update() -> Picture:
    """One update of PPO as a loop of six steps."""
    d = Drawing(316)
    left, middle, right, top, below, width, height = 34, 262, 490, 38, 202, 176, 76
    prompts = d.sheet(left, top, width, height, "prompts\na batch of them")
    write = d.box(middle, top, width, height, "write\nthe policy samples\nan answer to each", "policy")
    score = d.box(right, top, width, height, "score\nthe reward model gives\neach answer a number", "reward")
    pay = d.box(right, below, width, height, "pay for distance\neach token: β × KL\nfrom the reference", "sft")
    compare = d.box(middle, below, width, height, "advantages\nreward to come against\nthe value expected", "value")
    change = d.box(left, below, width, height, "change the policy\nseveral passes,\nsteps clipped", "policy")
    for n, box in enumerate((prompts, write, score, pay, compare, change), start=1):
        d.number(box.x, box.y, n)
    d.arrow(prompts.right(), write.left())
    d.arrow(write.right(), score.left())
    d.arrow(score.bottom(), pay.top())
    d.arrow(pay.left(), compare.right())
    d.arrow(compare.left(), change.right())
    d.arrow(change.top(), (left + width / 2, 158), (middle + width / 2, 158), write.bottom(), kind="policy")
    d.words(left + width / 2 + 14, 150, "the new policy writes next", "policy", "start", 12.5)
    return d.picture(
        "ppo_update",
        "One update of PPO",
        "A loop of six steps. 1: a batch of prompts. 2: the policy writes an answer to each. 3: the reward model gives "
        "each answer one score. 4: every token costs beta times its KL from the reference. 5: advantages set the "
        "reward to come against what the value function expected. 6: several passes over the batch change the policy, "
        "each step clipped. The new policy writes the next batch.",
    )


def dpo_beside_ppo() -> Picture:
    """DPO beside PPO: both begin with comparisons and the SFT model; what each needs in between."""
    d = Drawing(432)
    d.words(34, 40, "PPO", "ink", "start", 16, bold=True)
    d.words(84, 40, "learns a reward, then writes and is scored", anchor="start")
    pairs = d.sheet(34, 64, 132, 60, "comparisons\nbetter + worse")
    reward = d.box(214, 64, 132, 60, "reward model\nlearned first", "reward")
    scored = d.sheet(394, 64, 118, 60, "new answers\nwith scores")
    policy = _policy_with_reference(d, 64, "KL")
    d.arrow(pairs.right(), reward.left())
    d.arrow(reward.right(), scored.left(), kind="reward")
    d.words(370, 85, "scores", "reward", size=12)
    d.arrow(policy.left(0.28), scored.right(0.28), kind="policy")
    d.arrow(scored.right(0.72), policy.left(0.72))
    d.words(214, 150, "new answers in every update", anchor="start", size=12.5)
    d.add('<path class="soft line" d="M34 220H666" stroke-dasharray="1 5"/>')

    d.words(34, 258, "DPO", "ink", "start", 16, bold=True)
    d.words(84, 258, "learns from the comparisons themselves", anchor="start")
    pairs = d.sheet(34, 282, 132, 60, "comparisons\nbetter + worse")
    loss = d.box(214, 282, 298, 60, "one loss\nraise the better against the worse", "base")
    policy = _policy_with_reference(d, 282, "β")
    d.arrow(pairs.right(), loss.left())
    d.arrow(loss.right(), policy.left())
    d.words(214, 368, "no reward model, no new answers", anchor="start", size=12.5)
    return d.picture(
        "dpo_beside_ppo",
        "DPO beside PPO",
        "PPO first learns a reward model from comparisons. In every update the policy then writes new answers, the "
        "reward model scores them, and the policy learns from the scores; a KL penalty holds it near the reference. "
        "DPO trains the policy with one loss on the comparisons: it raises the better answer against the worse one, "
        "both measured against the reference, with the constant beta. It needs no reward model and no new answers.",
    )


def _policy_with_reference(d: Drawing, y: float, link: str) -> Box:
    """The policy at the right, over the frozen reference that it is held near."""
    policy = d.box(566, y, 100, 60, "policy\ntrained", "policy")
    reference = d.box(566, y + 92, 100, 38, "reference", "sft")
    d.arrow(policy.bottom(), reference.top(), kind="sft", dashed=True, both=True)
    d.words(606, y + 81, link, "sft", "end", 12.5)
    return policy
