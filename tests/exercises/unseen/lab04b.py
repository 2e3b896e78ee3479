"""Lab 04, second part: decoding, diversity and closeness, as students write them."""

from collections import Counter
from itertools import combinations

import torch

from tests.exercises.unseen.record import IN_PLACE, SHAPE, STABLE, Unseen

# temperature_probabilities


def temperature_in_place(logits, temperature):  # divides the caller's logits
    logits /= temperature
    return logits.softmax(dim=-1)


def temperature_no_maximum(logits, temperature):  # exp overflows
    e = torch.exp(logits / temperature)
    return e / e.sum(dim=-1, keepdim=True)


def temperature_whole_sum(logits, temperature):  # the batch sums to 1
    return (logits / temperature).flatten().softmax(0).reshape(logits.shape)


def temperature_right_log(logits, temperature):
    x = logits / temperature
    return torch.exp(x - torch.logsumexp(x, dim=-1, keepdim=True))


# top_p


def nucleus(probabilities, p):
    order = probabilities.argsort(descending=True, stable=True)
    total, keep = 0.0, []
    for i in order.tolist():
        if total >= p - 1e-7:
            break
        keep.append(i)
        total += probabilities[i].item()
    return keep


def top_p_threshold(probabilities, p):  # keeps the tokens of at least that probability
    kept = torch.where(probabilities >= p, probabilities, 0.0)
    return kept / kept.sum()


def top_p_not_scaled(probabilities, p):  # the rest does not sum to 1
    out = torch.zeros_like(probabilities)
    keep = nucleus(probabilities, p)
    out[keep] = probabilities[keep]
    return out


def top_p_one_too_few(probabilities, p):  # drops the token that reaches p
    ordered, index = probabilities.sort(descending=True)
    ordered = torch.where(ordered.cumsum(0) <= p, ordered, 0.0)
    out = torch.zeros_like(probabilities).scatter(0, index, ordered)
    return out / out.sum()


def top_p_one_too_many(probabilities, p):  # one token beyond the one that reaches p
    order = probabilities.argsort(descending=True)
    keep = order[: len(nucleus(probabilities, p)) + 1]
    out = torch.zeros_like(probabilities)
    out[keep] = probabilities[keep]
    return out / out.sum()


def top_p_sorted(probabilities, p):  # in the order of probability
    ordered = probabilities.sort(descending=True).values
    ordered[len(nucleus(probabilities, p)) :] = 0
    return ordered / ordered.sum()


def top_p_shorter(probabilities, p):  # only the kept tokens
    keep = sorted(nucleus(probabilities, p))
    return probabilities[keep] / probabilities[keep].sum()


def top_p_softmax(probabilities, p):  # scaled by a softmax
    keep = nucleus(probabilities, p)
    out = torch.zeros_like(probabilities)
    out[keep] = probabilities[keep].softmax(0)
    return out


def top_p_ascending(probabilities, p):  # from the least probable on
    ordered, index = probabilities.sort()
    ordered = torch.where(ordered.cumsum(0) - ordered < p, ordered, 0.0)
    out = torch.zeros_like(probabilities).scatter(0, index, ordered)
    return out / out.sum()


def top_p_in_place(probabilities, p):  # overwrites the caller's probabilities
    mask = torch.ones_like(probabilities, dtype=torch.bool)
    mask[nucleus(probabilities, p)] = False
    probabilities[mask] = 0
    return probabilities / probabilities.sum()


def top_p_vocabulary_order(probabilities, p):  # accumulates in the order of the vocabulary
    kept = torch.where(probabilities.cumsum(0) - probabilities < p, probabilities, 0.0)
    return kept / kept.sum()


def top_p_right_loop(probabilities, p):
    keep = nucleus(probabilities, p)
    out = torch.zeros_like(probabilities)
    for i in keep:
        out[i] = probabilities[i] / probabilities[keep].sum()
    return out


def top_p_right_scatter(probabilities, p):
    ordered, index = probabilities.sort(descending=True, stable=True)
    before = ordered.double().cumsum(0) - ordered.double()
    ordered = ordered.masked_fill(before >= p - 1e-7, 0)
    return torch.zeros_like(probabilities).scatter_(0, index, ordered / ordered.sum())


# diversity


def pairs_of(text):
    words = text.split()
    return set(zip(words, words[1:], strict=False))


def distance(a, b):
    return 1 - len(a & b) / len(a | b) if a | b else 0.0


def mean_distance(sets, measure=distance):
    found = [measure(a, b) for a, b in combinations(sets, 2)]
    return sum(found) / len(found)


def diversity_words(texts):  # single words
    return mean_distance([set(t.split()) for t in texts])


def diversity_similarity(texts):  # how alike they are
    return 1 - mean_distance([pairs_of(t) for t in texts])


def diversity_zero_division(texts):  # raises if neither has any word pair
    return mean_distance([pairs_of(t) for t in texts], lambda a, b: 1 - len(a & b) / len(a | b))


def diversity_with_itself(texts):  # every text is compared with itself as well
    sets = [pairs_of(t) for t in texts]
    return sum(distance(a, b) for a in sets for b in sets) / len(sets) ** 2


def diversity_letters(texts):  # pairs of letters
    return mean_distance([{t[i : i + 2] for i in range(len(t) - 1)} for t in texts])


def diversity_all_word_pairs(texts):  # any two words of a text, not only neighbors
    return mean_distance([set(combinations(t.split(), 2)) for t in texts])


def diversity_neighbors_only(texts):  # each text with the next one only
    sets = [pairs_of(t) for t in texts]
    found = [distance(a, b) for a, b in zip(sets, sets[1:], strict=False)]
    return sum(found) / len(found)


def diversity_repeats_count(texts):  # lists: a pair that comes twice counts twice
    def bag(a, b):
        return 1 - (a & b).total() / (a | b).total() if a | b else 0.0

    return mean_distance([Counter(zip(t.split(), t.split()[1:], strict=False)) for t in texts], bag)


def diversity_dice(texts):  # over the sizes together: Dice, not Jaccard
    def dice(a, b):
        return 1 - 2 * len(a & b) / (len(a) + len(b)) if a | b else 0.0

    return mean_distance([pairs_of(t) for t in texts], dice)


def diversity_empty_is_one(texts):  # two texts without a word pair differ fully
    return mean_distance([pairs_of(t) for t in texts], lambda a, b: distance(a, b) if a | b else 1.0)


def diversity_no_order(texts):  # (a, dog) and (dog, a) are one
    return mean_distance([{frozenset(p) for p in pairs_of(t)} for t in texts])


def diversity_right_matrix(texts):
    sets = [pairs_of(t) for t in texts]
    names = sorted(set().union(*sets))
    table = torch.tensor([[float(name in s) for name in names] for s in sets], dtype=torch.double).view(len(sets), -1)
    both, size = table @ table.T, table.sum(1)
    either = size[:, None] + size[None, :] - both
    apart = torch.where(either > 0, 1 - both / either.clamp(min=1), torch.zeros_like(both))
    return float(apart.triu(1).sum() / (len(sets) * (len(sets) - 1) / 2))


def diversity_right_symmetric(texts):
    n, total = len(texts), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                a, b = pairs_of(texts[i]), pairs_of(texts[j])
                total += len(a ^ b) / max(len(a | b), 1)
    return total / (n * (n - 1))


# cosine_similarity


def cosine_one_length(a, b):  # divided by one length only
    return (a * b).sum(dim=1) / a.norm(dim=1)


def cosine_whole_norms(a, b):  # the length of the whole batch
    return (a * b).sum(dim=-1) / (torch.norm(a) * torch.norm(b))


def cosine_every_pair(a, b):  # every row with every row
    return (a / a.norm(dim=1, keepdim=True)) @ (b / b.norm(dim=1, keepdim=True)).T


def cosine_columns(a, b):  # over the batch
    return torch.cosine_similarity(a, b, dim=0)


def cosine_squared_lengths(a, b):  # no square root in the lengths
    return (a * b).sum(1) / ((a**2).sum(1) * (b**2).sum(1))


def cosine_sum_of_lengths(a, b):  # the sum of the lengths
    return (a * b).sum(1) / (a.norm(dim=1) + b.norm(dim=1))


def cosine_right_loop(a, b):
    return torch.stack([torch.dot(x, y) / (x.dot(x).sqrt() * y.dot(y).sqrt()) for x, y in zip(a, b, strict=True)])


def cosine_right_einsum(a, b):
    unit_a, unit_b = (torch.nn.functional.normalize(x, dim=1) for x in (a, b))
    return torch.einsum("bs,bs->b", unit_a, unit_b)


UNSEEN = [
    # times the temperature
    Unseen(
        "temperature_probabilities",
        lambda logits, temperature: (logits * temperature).softmax(-1),
        1,
        (r"multipl|divid|times|turned|invers",),
    ),
    # over the batch
    Unseen(
        "temperature_probabilities",
        lambda logits, temperature: torch.softmax(logits / temperature, dim=0),
        2,
        (r"axis|dim|last|row|batch",),
    ),
    # the probabilities divided
    Unseen(
        "temperature_probabilities",
        lambda logits, temperature: logits.softmax(-1) / temperature,
        3,
        (r"sum to 1|before|logits|after|first|inside",),
    ),
    Unseen("temperature_probabilities", temperature_no_maximum, 4, STABLE),
    # temperature is not used
    Unseen(
        "temperature_probabilities", lambda logits, temperature: logits.softmax(-1), 5, (r"temperature",), (r"multipl",)
    ),
    # logarithms
    Unseen(
        "temperature_probabilities",
        lambda logits, temperature: torch.log_softmax(logits / temperature, -1),
        6,
        (r"\blog|probabilit|sum to 1",),
    ),
    Unseen("temperature_probabilities", temperature_in_place, 7, IN_PLACE),
    Unseen("temperature_probabilities", temperature_whole_sum, 8, (r"axis|dim|each|row|batch|last",)),
    # softmax twice
    Unseen(
        "temperature_probabilities",
        lambda logits, temperature: (logits.softmax(-1) / temperature).softmax(-1),
        9,
        (r"twice|logits|softmax of|already|before|again",),
    ),
    Unseen(
        "top_p",
        top_p_one_too_few,
        1,
        (r"reach|cross|at least|one too few|less than|fewer|too few|holds",),
        (r"sum to 1",),
    ),
    Unseen("top_p", top_p_not_scaled, 2, (r"sum|scale|normali[sz]|divid",)),
    Unseen("top_p", top_p_threshold, 3, (r"together|sum|cumul|each token|threshold|share|single",)),
    Unseen("top_p", top_p_sorted, 4, (r"order|place|position|sort|vocabular",)),
    Unseen("top_p", top_p_one_too_many, 5, (r"fewest|too many|one more|extra|beyond|smallest|more than (it )?need",)),
    Unseen("top_p", top_p_shorter, 6, SHAPE + (r"place|others 0|vocabular|length",)),
    Unseen("top_p", top_p_softmax, 7, (r"softmax|scale|divid|proportion|sum|ratio",)),
    Unseen("top_p", top_p_vocabulary_order, 8, (r"sort|most (to|probable)|order|vocabular",)),
    Unseen("top_p", top_p_ascending, 9, (r"least|most probable|descend|order|direction|wrong end|revers",)),
    Unseen("top_p", top_p_in_place, 10, IN_PLACE),
    Unseen("diversity", diversity_words, 1, (r"word pairs|single words|pairs of words|two words|neighbo",)),
    Unseen("diversity", diversity_similarity, 2, (r"1 -|similar|alike|turned|opposite|in common|revers|same",)),
    Unseen("diversity", diversity_zero_division, 3, (r"neither|no word pair|zero|one word|empty|raise|error|short",)),
    Unseen("diversity", diversity_with_itself, 4, (r"itself|with itself|own|different texts|two different",)),
    Unseen("diversity", diversity_repeats_count, 5, (r"twice|\bsets?\b|repeat|once|more than once|Counter",)),
    Unseen(
        "diversity",
        diversity_neighbors_only,
        6,
        (r"all pairs|every pair|neighbo|next|each pair|consecutive|all texts",),
        (r"word pairs are",),
    ),
    Unseen("diversity", diversity_letters, 7, (r"letter|character|words",)),
    Unseen(
        "diversity",
        diversity_all_word_pairs,
        8,
        (r"neighbo|next to|adjacent|follow|consecutive|side by side|one after",),
    ),
    Unseen("diversity", diversity_dice, 9, (r"either|union|Jaccard|Dice|\|",)),
    Unseen("diversity", diversity_empty_is_one, 10, (r"neither|no word pair|one word|empty|short",)),
    Unseen("diversity", diversity_no_order, 11, (r"order|\(dog, a\)|ordered|direction|turned",)),
    # the dot product
    Unseen("cosine_similarity", lambda a, b: (a * b).sum(dim=1), 1, (r"length|norm|divid",)),
    Unseen("cosine_similarity", cosine_every_pair, 2, SHAPE + (r"same row|every row|every pair|each row",)),
    Unseen("cosine_similarity", cosine_columns, 3, SHAPE + (r"row|batch|column",)),
    Unseen(
        "cosine_similarity",
        cosine_whole_norms,
        4,
        (r"each row|own (length|norm)|whole|every row|row by row|per row|all rows|entire",),
    ),
    Unseen(
        "cosine_similarity",
        cosine_one_length,
        5,
        (r"\bboth\b|only one|one (length|norm)|other (length|norm)|length of b|norm of b|product of",),
        (r"square|sum of",),
    ),
    Unseen("cosine_similarity", cosine_squared_lengths, 6, (r"squar|root|\*\* ?2",)),
    Unseen(
        "cosine_similarity",
        cosine_sum_of_lengths,
        7,
        (r"sum of (the|their|both)|product of|added|multipl",),
        (r"square",),
    ),
    # a distance
    Unseen(
        "cosine_similarity",
        lambda a, b: 1 - torch.cosine_similarity(a, b),
        8,
        (r"distance|1 -|similar|turned|opposite|same",),
    ),
    # one number for the batch
    Unseen(
        "cosine_similarity",
        lambda a, b: torch.cosine_similarity(a, b).mean(),
        9,
        SHAPE + (r"each row|every row|mean|average",),
    ),
]
RIGHT = {
    "temperature_probabilities": [
        temperature_right_log,
        lambda logits, temperature: torch.distributions.Categorical(logits=logits / temperature).probs,
    ],
    "top_p": [top_p_right_loop, top_p_right_scatter],
    "diversity": [diversity_right_matrix, diversity_right_symmetric],
    "cosine_similarity": [cosine_right_loop, cosine_right_einsum],
}
