"""Secret texts, and hiding them wherever they stand: in a plan, a reason, an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mantle.model.errors import Invalid, Problem
from mantle.model.values import Value

MASKED = "******"
"""What is shown in place of a secret; Heat's own mark for hidden parameters."""

SHORTEST_SOUGHT = 4
"""Shorter secrets are hidden as whole values only: inside other text they would hide everything."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The secret texts of one stack, by length."""

    by_length: Mapping[int, frozenset[str]]

    def text(self, text: str) -> str:
        """The text with every secret in it replaced.

        The work is the lesser of secrets times text and text alone, per length: a stack may hold
        ten thousand generated passwords, or a short text may be tested against one.
        """
        shown = text
        for length, secrets in self.by_length.items():
            if length > len(shown):
                continue
            if length < SHORTEST_SOUGHT:
                if shown in secrets:
                    return MASKED
                continue
            for secret in _found(shown, length, secrets):
                shown = shown.replace(secret, MASKED)
        return shown

    def value(self, value: Value) -> Value:
        """The value with every secret text inside it replaced; other parts are the same objects."""
        if not self.by_length:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASKED if self.text(str(value)) == MASKED else value
        return value


def _found(text: str, length: int, secrets: frozenset[str]) -> Iterable[str]:
    if len(secrets) < len(text):
        return [secret for secret in secrets if secret in text]
    return secrets.intersection(
        text[start : start + length] for start in range(len(text) - length + 1)
    )


def mask_of(texts: Iterable[str]) -> Mask:
    """A mask for these secret texts; longer ones first, for a secret may contain another."""
    by_length: dict[int, set[str]] = {}
    for text in texts:
        if text and text != MASKED:
            by_length.setdefault(len(text), set()).add(text)
    return Mask({length: frozenset(by_length[length]) for length in sorted(by_length)[::-1]})


NOTHING_SECRET = Mask({})


def masked_problem(problem: Problem, mask: Mask) -> Problem:
    """The same problem, told without the secrets; its place and its code hold none."""
    if not mask.by_length:
        return problem
    return replace(problem, message=mask.text(problem.message), remedy=mask.text(problem.remedy))


def masked_error(error: Invalid, mask: Mask) -> Invalid:
    """The same refusal, told without the secrets. Raise it `from None`: its cause would tell."""
    return type(error)([masked_problem(each, mask) for each in error.problems])
