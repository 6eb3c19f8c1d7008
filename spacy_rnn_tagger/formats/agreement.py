"""The agreement of annotators of the same texts: Cohen's kappa over tokens, and F over spans.

Cohen (1960), A coefficient of agreement for nominal scales: kappa is (p_o - p_e) / (1 - p_e). Here
p_o is the observed agreement, and p_e the agreement expected by chance from how often each of the
two annotators gives each label. A token's label is that of its entity, or outside.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from ..errors.wording import counted
from ..types import EntitySpan

# An annotator's label for each token in a doc: "" outside entities, None if nothing is known.
Labels = list[str | None]


@dataclass
class Pair:
    """Counts for two annotators of the same texts.

    Attributes:
        texts: The number of texts.
        labels: The number of tokens for each pair of labels.
        shared: The number of spans that both have.
        spans: The number of spans, those of both annotators added up.
    """

    texts: int = 0
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    shared: int = 0
    spans: int = 0

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None if there are no tokens, or both gave all of them one label."""
        total = self.labels.total()
        if not total:
            return None
        observed = sum(n for (a, b), n in self.labels.items() if a == b) / total
        first: Counter[str] = Counter()
        second: Counter[str] = Counter()
        for (a, b), n in self.labels.items():
            first[a] += n
            second[b] += n
        chance = sum(n * second[label] for label, n in first.items()) / total**2
        return None if chance == 1 else (observed - chance) / (1 - chance)

    @property
    def f(self) -> float | None:
        """F of one annotator's spans with respect to the other's; None if there are no spans."""
        return 2 * self.shared / self.spans if self.spans else None


@dataclass
class Agreement:
    """The agreement of all annotators.

    Attributes:
        texts: The number of texts with several annotators.
        disagreed: The number of texts on which they disagree.
        pairs: The counts for each two annotators who have texts in common, by their names.
    """

    texts: int = 0
    disagreed: int = 0
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)

    def add(self, labels: Mapping[str, Labels], spans: Mapping[str, set[EntitySpan]]) -> None:
        """Count a text.

        Args:
            labels: Each annotator's labels for its tokens.
            spans: Each annotator's entities, in tokens.
        """
        self.texts += 1
        for first, second in combinations(sorted(labels), 2):
            pair = self.pairs.setdefault((first, second), Pair())
            pair.texts += 1
            known = []
            for a, b in zip(labels[first], labels[second], strict=True):
                known.append(a is not None and b is not None)
                if a is not None and b is not None:
                    pair.labels[a, b] += 1
            own, other = (
                {span for span in spans[name] if all(known[span[0] : span[1]])}
                for name in (first, second)
            )
            pair.shared += len(own & other)
            pair.spans += len(own) + len(other)

    @property
    def kappa(self) -> float | None:
        """The mean over the pairs that have a kappa."""
        return _mean(pair.kappa for pair in self.pairs.values())

    @property
    def f(self) -> float | None:
        """The mean over the pairs that have an F."""
        return _mean(pair.f for pair in self.pairs.values())

    def lines(self) -> list[str]:
        """Describe the agreement: a line for all pairs and, if there are several, one for each."""
        have = "has" if self.texts == 1 else "have"
        lines = [
            f"{counted(self.texts, 'text')} {have} several annotators, who disagree on "
            f"{self.disagreed:,}: {_figures(self.kappa, self.f)}"
        ]
        if len(self.pairs) > 1:
            lines[0] += ", the means of all pairs"
            lines += [
                f"{first} and {second}, {counted(pair.texts, 'text')}: "
                f"{_figures(pair.kappa, pair.f)}"
                for (first, second), pair in sorted(self.pairs.items())
            ]
        return lines


def _figures(kappa: float | None, f: float | None) -> str:
    return f"kappa over tokens {_figure(kappa)}, F over spans {_figure(f)}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
