"""Answers to the exercises of lab 04."""

from collections import Counter
from itertools import combinations
from statistics import mode

import numpy as np
import torch
from scipy import special
from scipy.spatial.distance import cosine
from sklearn.metrics.pairwise import cosine_similarity as all_cosines

# --- few_shot_prompt ----------------------------------------------------------


def grown(examples, query, label):
    text = ""
    for sentence, answer in examples:
        text += f"Sentence: {sentence}\n{label}: {answer}\n\n"
    return text + f"Sentence: {query}\n{label}:"


def without_last_answer(query, examples, label):
    blocks = [f"Sentence: {s}\n{label}: {a}" for s, a in [*examples, (query, "")]]
    return "\n\n".join(blocks).rstrip()


def lines(examples, query, label):
    rows = []
    for sentence, answer in examples:
        rows += ["Sentence: " + sentence, label + ": " + answer, ""]
    return "\n".join([*rows, "Sentence: " + query, label + ":"])


def last_answer_empty(examples, query, label):
    return "\n\n".join(f"Sentence: {s}\n{label}: {a}" for s, a in [*examples, (query, "")])


def every_line_ended(examples, query, label):
    return grown(examples, query, label) + "\n"


def stops_at_the_query(examples, query, label):
    text = "".join(f"Sentence: {s}\n{label}: {a}\n\n" for s, a in examples)
    return f"{text}Sentence: {query}"


def single_line_ends(examples, query, label):
    return "\n".join(row for row in lines(examples, query, label).split("\n") if row)


def question_on_top(examples, query, label):
    text = f"Sentence: {query}\n{label}:"
    for sentence, answer in examples:
        text += f"\n\nSentence: {sentence}\n{label}: {answer}"
    return text


def sentences_alone(examples, query, label):
    sentences = [sentence for sentence, _ in examples] + [query]
    return "\n\n".join(f"Sentence: {sentence}\n{label}:" for sentence in sentences)


def one_shot(examples, query, label):
    return lines([example for number, example in enumerate(examples) if number == 0], query, label)


# --- self_consistency_vote ----------------------------------------------------


def most_frequent(answers):
    return mode(answer.strip().lower() for answer in answers)


def counted_by_hand(answers):
    votes = {}
    for answer in answers:
        key = answer.lower().strip()
        votes[key] = votes.get(key, 0) + 1
    best = None
    for key, count in votes.items():
        if best is None or count > votes[best]:
            best = key
    return best


def as_first_written(samples):
    keys = [" ".join(sample.split()).casefold() for sample in samples]
    winner, _ = Counter(keys).most_common(1)[0]
    return samples[keys.index(winner)]


def as_they_stand(answers):
    return mode(answers)


def no_vote(answers):
    return next(iter(answers)).strip().lower()


def by_numpy(answers):
    names, counts = np.unique([answer.strip().lower() for answer in answers], return_counts=True)
    return str(names[counts.argmax()])


def the_latest(answers):
    votes = Counter(answer.strip().lower() for answer in answers)
    seen = {answer.strip().lower(): place for place, answer in enumerate(answers)}
    return max(votes, key=lambda answer: (votes[answer], seen[answer]))


def absolute_majority(answers):
    for answer, count in Counter(answer.strip().lower() for answer in answers).items():
        if 2 * count > len(answers):
            return answer
    return None


def number_of_votes(answers):
    return max(Counter(answer.strip().lower() for answer in answers).values())


def fewest_votes(answers):
    votes = Counter(answer.strip().lower() for answer in answers)
    return min(votes, key=votes.get)


# --- temperature_probabilities ------------------------------------------------


def scaled_then_softmax(logits, temperature):
    return torch.nn.functional.softmax(logits / temperature, dim=-1)


def from_logprobs(temperature, logits):
    return torch.exp(logits / temperature - torch.logsumexp(logits / temperature, dim=-1, keepdim=True))


def in_numpy(logits, temperature):
    return torch.from_numpy(special.softmax(logits.numpy() / temperature, axis=-1))


def hotter_is_sharper(logits, temperature):
    return special.softmax(logits.numpy() * temperature, axis=-1)


def cooled_probabilities(logits, temperature):
    return torch.softmax(logits, dim=-1).div(temperature)


def cooled_and_renormalized(logits, temperature):
    cooled = logits.softmax(-1) / temperature
    return cooled / cooled.sum(-1, keepdim=True)


def power_alone(logits, temperature):
    return torch.exp(logits.log_softmax(-1) / temperature)


def exponentials(logits, temperature):
    weights = torch.exp(logits / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


def over_the_batch(logits, temperature):
    return special.softmax(logits.numpy() / temperature, axis=0)


# --- top_p --------------------------------------------------------------------


def one_by_one(probabilities, p):
    kept, held = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort(descending=True):
        if held >= p:
            break
        kept[token] = probabilities[token]
        held += probabilities[token].item()
    return kept / kept.sum()


def by_search(probabilities, p):
    ordered, order = torch.sort(probabilities, descending=True)
    last = int(torch.searchsorted(ordered.cumsum(0), p))
    keep = order[: last + 1]
    return torch.zeros_like(probabilities).index_copy(0, keep, probabilities[keep] / probabilities[keep].sum())


def shifted_mask(p, probabilities):
    ordered, order = probabilities.sort(descending=True)
    cut = ordered.cumsum(0) >= p
    cut[1:] = cut[:-1].clone()
    cut[0] = False
    kept = probabilities.masked_fill(cut[order.argsort()], 0.0)
    return kept / kept.sum()


def old_probabilities(probabilities, p):
    ordered, order = probabilities.sort(descending=True)
    last = int(torch.searchsorted(ordered.cumsum(0), p))
    return torch.zeros_like(probabilities).scatter(0, order[: last + 1], ordered[: last + 1])


def stops_before(probabilities, p):
    kept, held = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort(descending=True):
        held += probabilities[token].item()
        if held > p:
            break
        kept[token] = probabilities[token]
    return kept / kept.sum()


def stops_before_but_first(probabilities, p):
    ordered, order = probabilities.sort(descending=True)
    count = max(1, int((ordered.cumsum(0) <= p).sum()))
    kept = torch.zeros_like(probabilities)
    kept[order[:count]] = ordered[:count]
    return kept / kept.sum()


def forgot_the_first(probabilities, p):
    ordered, order = probabilities.sort(descending=True)
    cut = ordered.cumsum(0) >= p
    cut[1:] = cut[:-1].clone()
    kept = probabilities.masked_fill(cut[order.argsort()], 0.0)
    return kept / kept.sum()


def stays_sorted(probabilities, p):
    ordered, _ = probabilities.sort(descending=True)
    kept = ordered[: int(torch.searchsorted(ordered.cumsum(0), p)) + 1]
    return torch.nn.functional.pad(kept / kept.sum(), (0, len(probabilities) - len(kept)))


def from_the_tail(probabilities, p):
    kept, held = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort():
        if held >= p:
            break
        kept[token] = probabilities[token]
        held += probabilities[token].item()
    return kept / kept.sum()


def above_p(probabilities, p):
    kept = probabilities.where(probabilities >= p, 0.0)
    return kept / kept.sum()


# --- diversity ----------------------------------------------------------------


def bigrams(text):
    words = text.split()
    return {(words[i], words[i + 1]) for i in range(len(words) - 1)}


def double_loop(texts):
    total, count = 0.0, 0
    for i in range(len(texts)):
        for j in range(i):
            a, b = bigrams(texts[i]), bigrams(texts[j])
            if a or b:
                total += len(a ^ b) / len(a | b)
            count += 1
    return total / count


def both_orders(texts):
    distances = []
    for i, a in enumerate(map(bigrams, texts)):
        for j, b in enumerate(map(bigrams, texts)):
            if i != j:
                distances.append(1 - len(a & b) / max(1, len(a | b)) if a | b else 0)
    return np.mean(distances)


def alike(texts):
    shares = [len(a & b) / len(a | b) if a | b else 1 for a, b in combinations(map(bigrams, texts), 2)]
    return sum(shares) / len(shares)


def bags_of_words(texts):
    words = [set(text.split()) for text in texts]
    return np.mean([len(a ^ b) / len(a | b) for a, b in combinations(words, 2)])


def full_square(texts):
    table = np.zeros((len(texts), len(texts)))
    for i, a in enumerate(map(bigrams, texts)):
        for j, b in enumerate(map(bigrams, texts)):
            table[i, j] = len(a ^ b) / len(a | b) if a | b else 0
    return table.mean()


def one_after_the_other(texts):
    sets = [bigrams(text) for text in texts]
    return np.mean([len(a ^ b) / len(a | b) if a | b else 0 for a, b in zip(sets, sets[1:], strict=False)])


def with_repetitions(texts):
    counts = []
    for text in texts:
        words = text.split()
        counts.append(Counter(zip(words, words[1:], strict=False)))
    distances = []
    for a, b in combinations(counts, 2):
        either = sum((a | b).values())
        distances.append(1 - sum((a & b).values()) / either if either else 0)
    return np.mean(distances)


def distinct_2(texts):
    total = sum(max(0, len(text.split()) - 1) for text in texts)
    return len(set().union(*map(bigrams, texts))) / total


def share_missing(texts):
    distances = []
    for a, b in combinations(map(bigrams, texts), 2):
        distances.append(len(a - b) / len(a) if a else 0)
    return sum(distances) / len(distances)


# --- cosine_similarity --------------------------------------------------------


def torchs(a, b):
    return torch.nn.functional.cosine_similarity(a, b, dim=1)


def written_out(b, a):
    return torch.einsum("ij,ij->i", a, b) / (a.pow(2).sum(1) * b.pow(2).sum(1)).sqrt()


def row_by_row(a, b):
    return torch.tensor([1 - cosine(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])


def unscaled(a, b):
    return torch.einsum("ij,ij->i", a, b)


def forgot_the_root(a, b):
    return torch.stack([x @ y / ((x @ x) * (y @ y)) for x, y in zip(a, b, strict=True)])


def of_the_whole_batch(a, b):
    return (a / torch.linalg.norm(a) * (b / torch.linalg.norm(b))).sum(dim=1)


def table_of_all(a, b):
    return all_cosines(a, b)


def far_apart(a, b):
    return [cosine(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]


def along_columns(a, b):
    return (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0))


RIGHT = {
    "few_shot_prompt": [grown, without_last_answer, lines],
    "self_consistency_vote": [most_frequent, counted_by_hand, as_first_written],
    "temperature_probabilities": [scaled_then_softmax, from_logprobs, in_numpy],
    "top_p": [one_by_one, by_search, shifted_mask],
    "diversity": [double_loop, both_orders],
    "cosine_similarity": [torchs, written_out, row_by_row],
}
WRONG = {
    "few_shot_prompt": {
        "trailing space": [last_answer_empty],
        "trailing newline": [every_line_ended],
        "no label": [stops_at_the_query],
        "no blank line": [single_line_ends],
        "query first": [question_on_top],
        "no answers": [sentences_alone],
        "one example": [one_shot],
    },
    "self_consistency_vote": {
        "first sample": [no_vote],
        "case": [as_they_stand],
        "alphabet": [by_numpy],
        "last seen": [the_latest],
        "more than half": [absolute_majority],
        "count": [number_of_votes],
        "rarest": [fewest_votes],
    },
    "temperature_probabilities": {
        "multiplied": [hotter_is_sharper],
        "after softmax": [cooled_probabilities],
        "no effect": [cooled_and_renormalized],
        "not renormalized": [power_alone],
        "overflow": [exponentials],
        "first axis": [over_the_batch],
    },
    "top_p": {
        "not renormalized": [old_probabilities],
        "crossing": [stops_before],
        "crossing, not first": [stops_before_but_first],
        "nothing left": [forgot_the_first],
        "order": [stays_sorted],
        "least probable": [from_the_tail],
        "threshold": [above_p],
    },
    "diversity": {
        "similarity": [alike],
        "single words": [bags_of_words],
        "with itself": [full_square],
        "neighbors only": [one_after_the_other],
        "counted": [with_repetitions],
        "distinct": [distinct_2],
        "of one text": [share_missing],
    },
    "cosine_similarity": {
        "dot product": [unscaled],
        "squared lengths": [forgot_the_root],
        "one length": [of_the_whole_batch],
        "all pairs": [table_of_all],
        "distance": [far_apart],
        "columns": [along_columns],
    },
}
