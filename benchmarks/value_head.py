"""How much a linear value head could know: fitted in closed form to the scores of responses, judged on new ones.

    python -m benchmarks.value_head [--batches 30]

About three minutes on two cores. The SFT policy answers training prompts, 64 a batch; the score of each response is
what the value function is to predict before each of its tokens. Ridge regression on three quarters of the batches, from
the last hidden states of the policy and of the reward adapter; explained variance on the rest, in all and by quarter of
the response.
"""

import argparse

import torch
from torch import Tensor

from helpers.models.profiles import get_profile
from helpers.models.shared_base import POLICY, REWARD, SharedBase
from helpers.preferences import read_prompts
from helpers.runs import stages
from helpers.training.ppo_config import PPOConfig
from helpers.training.rollouts import roll_out

ROWS, RIDGE = 64, 30.0


@torch.no_grad()
def collect(shared: SharedBase, batches: int) -> dict[str, Tensor]:
    """Of every token: hidden states in two roles, the response's score, its place in the response, its batch."""
    prompts = [row.prompt for row in read_prompts("train")]
    config = PPOConfig.of(shared.profile)
    columns: dict[str, list[Tensor]] = {name: [] for name in (POLICY, REWARD, "score", "place", "batch")}
    for batch in range(batches):
        start = ROWS * batch % (len(prompts) - ROWS)
        rollout = roll_out(shared, prompts[start : start + ROWS], shared.reward, config)
        ids, mask = torch.cat([rollout.prompt_ids, rollout.response_ids], dim=1), rollout.mask
        for role in (POLICY, REWARD):
            hidden = shared.hidden_states(ids, ids != shared.pad_id, role)
            columns[role].append(hidden[:, rollout.prompt_ids.shape[1] - 1 : -1][mask].float())
        place = torch.arange(mask.shape[1]) / mask.sum(1, keepdim=True)
        columns["score"].append(rollout.scores.unsqueeze(1).expand_as(mask)[mask])
        columns["place"].append(place[mask])
        columns["batch"].append(torch.full((int(mask.sum()),), batch))
    return {name: torch.cat(parts) for name, parts in columns.items()}


def predictions(hidden: Tensor, score: Tensor, train: Tensor) -> Tensor:
    """What a head that was fitted to the tokens of `train` predicts for all: (tokens,)."""
    center, mean = hidden[train].mean(0), score[train].mean()
    x, y = hidden[train] - center, score[train] - mean
    weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ y)
    return (hidden - center) @ weights + mean


def explained(score: Tensor, prediction: Tensor) -> float:
    """Explained variance: 1 at best, 0 for the mean."""
    return (1 - ((score - prediction) ** 2).mean() / score.var()).item()


def main() -> None:
    """Collect, fit, and print explained variances."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.value_head", description=str(__doc__).splitlines()[0])
    parser.add_argument("--batches", type=int, default=30)
    batches = parser.parse_args().batches
    torch.manual_seed(0)
    tokens = collect(stages.load_shared(get_profile("tiny")), batches)
    train = tokens["batch"] < 0.75 * batches
    print(f"{ROWS * batches} responses, {len(train)} tokens; fitted to {int(tokens['batch'][train].max()) + 1} batches")
    for role in (POLICY, REWARD):
        prediction = predictions(tokens[role], tokens["score"], train)
        quarters = [~train & (tokens["place"] >= q / 4) & (tokens["place"] < (q + 1) / 4) for q in range(4)]
        shares = [f"{explained(tokens['score'][part], prediction[part]):.2f}" for part in (~train, *quarters)]
        print(f"{role}: explained variance on new responses {shares[0]}, by quarter {', '.join(shares[1:])}")


if __name__ == "__main__":
    main()
