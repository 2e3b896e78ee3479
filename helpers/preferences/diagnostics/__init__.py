"""What a preference set is like before anybody trains on it: counts, repeats, contradictions, leaks, shortcuts.

One pass over the rows. What can be had from a few numbers a row (about 110 bytes) is computed on all of them: texts
are compared by 64-bit hashes, of which a million rows confuse two with a probability below one in a million. What
needs the texts themselves is computed on a sample: of each split, the SAMPLE pairs whose hashes are lowest, so that
their order in the file does not matter. A set that is no larger is its own sample.

Three degrees of "the same" are told apart:
    exact       the same characters
    words       the same words in the same order; case, punctuation and spacing may differ
    near        in the sample: at least four fifths of all three-word runs in common (see `near_duplicates`)

`columns` passes over the rows; `repeats`, `agreement` and `shortcuts` measure; `measures` puts it all together, and
`text` says it in words.
"""

from .agreement import Agreement
from .measures import Diagnostics, diagnose
from .text import file_name, findings, many, printable, summary

__all__ = ["Agreement", "Diagnostics", "diagnose", "file_name", "findings", "many", "printable", "summary"]
