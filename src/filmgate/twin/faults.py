"""Decide which request or job meets which fault: by rule, or by magic words in the prompt.

A magic word is `[twin:NAME]` or `[twin:NAME@OPERATION key=value …]` anywhere in the prompt.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from filmgate.twin.chance import Chance
from filmgate.twin.kinds import KINDS, OPERATIONS, Kind, Param, Params, Stage

_MAGIC: Final = re.compile(r"\[twin:([a-z0-9-]+)(?:@([a-z]+))?((?:\s+[a-z_]+=[^\s\]]+)*)\]")
_RULE_WORDS: Final = {"fault", "vendor", "operation", "match", "probability", "times"}
_MATCH_WORDS: Final = {"prompt", "model", "nth"}
_HOME: Final = {Stage.JOB: "poll", Stage.LIST: "list", Stage.FILM: "download", Stage.WEBHOOK: "webhook"}


class FaultUnknown(ValueError):
    """The rule is not one the twin can follow."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Tell what a request or job is about, as far as rules can ask."""

    vendor: str
    operation: str
    prompt: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Hold a fault that was decided on, with its numbers."""

    kind: Kind
    params: Params

    @property
    def name(self) -> str:
        """Return the fault's name."""
        return self.kind.name

    def number(self, name: str) -> float:
        """Return a parameter as a number."""
        return float(self.params[name])

    def text(self, name: str) -> str:
        """Return a parameter as text."""
        return str(self.params[name])


@dataclass(slots=True, kw_only=True)
class Rule:
    """Hold one rule and how often it was asked and followed."""

    id: str
    fault: Fault
    operation: str
    vendor: str | None = None
    prompt: str | None = None
    model: str | None = None
    nth: int | None = None
    probability: float = 1.0
    times: int | None = None
    asked: int = 0
    followed: int = 0

    @property
    def blind(self) -> bool:
        """Tell whether the rule can be followed without the request's body."""
        return self.fault.name == "drop-before-reading" and self.prompt is None and self.model is None

    def bites(self, subject: Subject, chance: Chance) -> bool:
        """Tell whether this subject meets the fault, and count it."""
        if self.vendor not in {None, subject.vendor} or not self._about(subject):
            return False
        self.asked += 1
        if self.nth is not None and self.asked != self.nth:
            return False
        if self.times is not None and self.followed >= self.times:
            return False
        if chance.fraction("rule", self.id, self.asked) >= self.probability:
            return False
        self.followed += 1
        return True

    def _about(self, subject: Subject) -> bool:
        return (self.prompt is None or self.prompt in subject.prompt) and self.model in {None, subject.model}

    def shown(self) -> dict[str, Any]:
        """Return the rule as JSON."""
        match = {"prompt": self.prompt, "model": self.model, "nth": self.nth}
        return {
            "id": self.id,
            "fault": self.fault.name,
            "vendor": self.vendor,
            "operation": self.operation,
            "match": {name: value for name, value in match.items() if value is not None},
            "probability": self.probability,
            "times": self.times,
            "asked": self.asked,
            "followed": self.followed,
            **self.fault.params,
        }


@dataclass(slots=True)
class Faults:
    """Keep the rules and say what each request and job meets."""

    chance: Chance
    vendors: frozenset[str] = frozenset()
    rules: dict[str, Rule] = field(default_factory=dict[str, Rule])
    _made: int = 0
    _magic: Counter[object] = field(default_factory=Counter[object])

    def add(self, stated: Mapping[str, Any]) -> Rule:
        """Understand a rule and follow it from now on."""
        rule = _understood(stated, f"fault_{self._made + 1}")
        if self.vendors and rule.vendor is not None and rule.vendor not in self.vendors:
            known = ", ".join(sorted(self.vendors))
            raise FaultUnknown(f"there is no vendor {rule.vendor!r}; known are: {known}")
        self._made += 1
        self.rules[rule.id] = rule
        return rule

    def start_over(self) -> None:
        """Forget every count, and keep the rules."""
        self._magic.clear()
        for rule in self.rules.values():
            rule.asked = rule.followed = 0

    def of_answer(self, subject: Subject) -> Fault | None:
        """Return the fault that this request's answer meets; rules come before magic words."""
        for rule in self._seeing():
            if rule.operation == subject.operation and rule.bites(subject, self.chance):
                return rule.fault
        for operation, fault, times in magic_words(subject.prompt):
            if fault.kind.stage is Stage.ANSWER and operation == subject.operation:
                key = (subject, fault.name)
                self._magic[key] += 1
                if times is None or self._magic[key] <= times:
                    return fault
        return None

    def of_job(self, subject: Subject) -> dict[str, Fault]:
        """Return all faults that a new job will meet later, by name."""
        own = (Stage.JOB, Stage.LIST, Stage.FILM, Stage.WEBHOOK)
        met = [fault for _, fault, _ in magic_words(subject.prompt) if fault.kind.stage in own]
        for rule in self.rules.values():
            if rule.fault.kind.stage in own and rule.bites(subject, self.chance):
                met.append(rule.fault)
        return {fault.name: fault for fault in met}

    def before_body(self, subject: Subject) -> bool:
        """Tell whether the connection is dropped without looking at the request's body."""
        blind = [rule for rule in self.rules.values() if rule.blind and rule.operation == subject.operation]
        return any(rule.bites(subject, self.chance) for rule in blind)

    def _seeing(self) -> list[Rule]:
        answering = (rule for rule in self.rules.values() if rule.fault.kind.stage is Stage.ANSWER)
        return [rule for rule in answering if not rule.blind]


def magic_words(prompt: str) -> Iterator[tuple[str, Fault, int | None]]:
    """Find the operation, the fault and the number of times of every magic word; others are only words."""
    for found in _MAGIC.finditer(prompt):
        name, operation, given = found.groups()
        kind = KINDS.get(name)
        if kind is None or kind.stage is Stage.LISTENER:
            continue
        stated = dict(pair.split("=", 1) for pair in given.split())
        times = stated.pop("times", None)
        try:
            fault, count = Fault(kind, _params(kind, stated)), None if times is None else int(times)
        except ValueError:
            continue
        yield operation or _HOME.get(kind.stage, "create"), fault, count


def _understood(stated: Mapping[str, Any], rule_id: str) -> Rule:
    kind = KINDS.get(str(stated.get("fault")))
    if kind is None:
        raise FaultUnknown(f"there is no fault {stated.get('fault')!r}; known are: {', '.join(KINDS)}")
    operation = str(stated.get("operation", _HOME.get(kind.stage, "create")))
    if operation not in OPERATIONS:
        raise FaultUnknown(f"there is no operation {operation!r}; known are: {', '.join(OPERATIONS)}")
    given_match: object = stated.get("match") or {}
    if not isinstance(given_match, Mapping):
        raise FaultUnknown(f"match must be a table, not {given_match!r}")
    match = cast("Mapping[str, Any]", given_match)
    if strange := sorted(set(match) - _MATCH_WORDS):
        raise FaultUnknown(f"match takes prompt, model and nth, not {', '.join(strange)}")
    given = {name: value for name, value in stated.items() if name not in _RULE_WORDS}
    return Rule(
        id=rule_id,
        fault=Fault(kind, _params(kind, given)),
        operation=operation,
        vendor=_word(stated, "vendor"),
        prompt=_word(match, "prompt"),
        model=_word(match, "model"),
        nth=_count(match, "nth"),
        probability=_share(stated.get("probability", 1.0)),
        times=_count(stated, "times"),
    )


def _word(stated: Mapping[str, Any], name: str) -> str | None:
    value = stated.get(name)
    if value is not None and not isinstance(value, str):
        raise FaultUnknown(f"{name} must be text, not {value!r}")
    return value


def _count(stated: Mapping[str, Any], name: str) -> int | None:
    value = stated.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise FaultUnknown(f"{name} must be a whole number, not {value!r}")
    return value


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise FaultUnknown(f"probability must be a number from 0 to 1, not {value!r}")
    return float(value)


def _params(kind: Kind, given: Mapping[str, Any]) -> dict[str, Param]:
    if strange := sorted(set(given) - set(kind.params)):
        known = ", ".join(kind.params) or "no parameters"
        raise FaultUnknown(f"{kind.name} takes {known}, not {', '.join(strange)}")
    try:
        return {name: type(default)(given.get(name, default)) for name, default in kind.params.items()}
    except (TypeError, ValueError) as error:
        raise FaultUnknown(f"{kind.name}: {error}") from error


def names(faults: Iterable[Fault]) -> str:
    """Return the faults' names as one text, for people."""
    return ", ".join(sorted(fault.name for fault in faults))
