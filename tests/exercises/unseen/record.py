"""What one wrong answer of a student is, and the words in which a message may name its mistake."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Unseen:
    """A wrong answer, written without a look at the catalog of known mistakes."""

    exercise: str
    answer: Callable
    rank: int  # 1 is the commonest, 6 and above are odd ones
    must: tuple[
        str, ...
    ]  # regular expressions, case ignored: at least one is found in a message that names the mistake
    must_not: tuple[str, ...] = ()  # regular expressions of messages that would mislead this student


MASK = (r"\bmask|padding|padded|real token",)
NAN = (r"\bnan\b|finite|times 0|0 times|multipl\w+ (by|with) (the mask|0)|what(ever)? stands at padding",)
GRADIENT = (r"gradient|detach|backward",)
DATA = (r"gradient.*(advantage|old|data|return)|(advantage|old|data|return).*(gradient|detach)|detach",)
SIGN = (r"\bsigns?\b|minus|negat|opposite|revers|flip|swap|exchang|turned (a)?round|wrong way|upside",)
STABLE = (r"overflow|underflow|stable|large|finite|\bnan\b|\binf\b|far apart|far below|badly wrong|exponential",)
MEAN = (r"\bsum\b|\bsums\b|\bmean|average|divid",)
ROWS = (r"each (row|response|text|sequence)|per[- ](row|response|text)|all tokens|same weight|counts? the same|long",)
SHAPE = (r"shape|scalar|one number|dimension|raise|error|axis|broadcast",)
IN_PLACE = (r"in place|in-place|overwrit|copy|copies|modif|chang\w+ (its|the|your|an)? ?(input|argument)|leave|alter",)
SAMPLE = (r"(n|k|members) ?- ?1|population|correction|ddof|bessel|unbiased",)
CONSTANT = (
    r"hard-?coded|fixed|always|whatever|argument|parameter|ignore|not used|unused|not depend|constant|not 0\.2",
)
HALF = (r"half|0\.5|1 ?/ ?2|twice|factor|double",)
EACH = (r"each|every|one number|shape|scalar|mean|average|token",)
WEIGHTED = (r"weigh|multipl|probabilit|sampled|\bexp\(",)
ALREADY_LOGS = (r"already|logarithms?|log-probabilit|subtract|difference|\blog\b",)
