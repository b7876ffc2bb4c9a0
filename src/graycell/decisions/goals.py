"""Goals: what a plan is to reach, and what it must keep, as formulas over the course of a culture."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graycell.errors import Finding, GraycellError, InputError, nearest
from graycell.formulas.parsing import parse
from graycell.formulas.tree import TIME, Call, Number, Tree, names_in, parts
from graycell.formulas.values import value_of
from graycell.units import UnitError, convert_amount

ALWAYS, AT_END = "always", "end"
_COMPARISONS = {">=": 1.0, ">": 1.0, "<=": -1.0, "<": -1.0}
NOTHING = "0"
"""Formula where nothing is maximised."""
VOLUME = "volume"
"""Name in formulas, beside quantities, inputs, decisions and time [d]: the volume in the vessel [L]."""


@dataclass(frozen=True)
class Constraint:
    """An inequality that a plan must keep.

    Attributes:
        text: such as ``GLC >= 2`` or ``feed_1 + feed_2 <= 0.4``; quantities are in the units of the model.
        when: ``always``, ``end``, or the first and the last day on which it holds.

    Raises:
        InputError: for a text that is no inequality.

    >>> Constraint.of("LAC <= 40").when
    'always'
    """

    text: str
    when: str | tuple[float, float] = ALWAYS

    def __post_init__(self) -> None:
        where, found = f"constraint '{self.text}'", list[Finding]()
        try:
            tree = parse(self.text)
        except GraycellError as error:
            raise InputError([Finding(where, f"no formula: {error}", "an inequality is needed",
                                      "write it like GLC >= 2")]) from None  # fmt: skip
        if not (isinstance(tree, Call) and tree.function in _COMPARISONS):
            found.append(Finding(where, "no inequality", "a constraint compares by >= or <=", "write it like GLC >= 2; "
                                 "several are several constraints"))  # fmt: skip
        if isinstance(self.when, str) and self.when not in (ALWAYS, AT_END):
            found.append(Finding(where, f"when = '{self.when}'", f"it holds '{ALWAYS}', at the '{AT_END}', or between "
                                 "two days", "write one of them, such as [2, 5]"))  # fmt: skip
        if not isinstance(self.when, str) and not 0.0 <= self.when[0] < self.when[1] < math.inf:
            found.append(Finding(where, f"when = [{self.when[0]:g}, {self.when[1]:g}]", "it holds from a first day, 0 "
                                 "or later, to a later one", "write the earlier first, such as [2, 5]"))  # fmt: skip
        if found:
            raise InputError(found)

    @classmethod
    def of(cls, given: "Constraint | str | Mapping[str, Any]") -> "Constraint":
        """Return the constraint that a text or a table describes.

        Args:
            given: a text, or a table with ``holds``, the text, and ``when``.

        Returns:
            The constraint.

        Raises:
            InputError: for what is none.
        """
        if isinstance(given, Constraint):
            return given
        if isinstance(given, str):
            return cls(given)
        unknown = sorted(set(given) - {"holds", "when"})
        if unknown or not isinstance(given.get("holds"), str):
            found = f"'{unknown[0]}'" if unknown else "no text 'holds'"
            raise InputError([Finding("constraints", found, "a constraint is a text, or a table of holds and when",
                                      'write { holds = "GLC >= 2", when = [2, 5] }')])  # fmt: skip
        when = given.get("when", ALWAYS)
        if not isinstance(when, str):
            days = list(when) if isinstance(when, Sequence) else []
            if len(days) != 2 or not all(isinstance(day, int | float) and math.isfinite(day) for day in days):
                raise InputError([Finding(f"constraint '{given['holds']}', when", f"'{when}'", "two days are needed",
                                          "write them like [2, 5]")])  # fmt: skip
            when = (float(days[0]), float(days[1]))
        return cls(given["holds"], when)

    @property
    def tree(self) -> Call:
        """The inequality."""
        tree = parse(self.text)
        assert isinstance(tree, Call)
        return tree

    @property
    def size(self) -> float:
        """Its largest number, by which margins are divided: 2 of ``GLC >= 2``; 1 without any."""
        numbers = [abs(part.value) for part in parts(self.tree) if isinstance(part, Number) and part.value != 0.0]
        return max(numbers, default=1.0)

    def sides(self, look_up: Callable[[str], Any], xp: Any) -> list[tuple[Any, Any]]:
        """Return the sides of the inequality in pairs, the larger first.

        Args:
            look_up: from a name to its value.
            xp: numpy or jax.numpy.

        Returns:
            Pairs; one, or more for ``1 <= GLC <= 30``.
        """
        values = [value_of(part, look_up, xp) for part in self.tree.arguments]
        pairs = list(itertools.pairwise(values))
        return pairs if _COMPARISONS[self.tree.function] > 0.0 else [(high, low) for low, high in pairs]


@dataclass(frozen=True)
class Goals:
    """What is to be as large as possible, and what must hold.

    Attributes:
        maximise: a formula, at the end of the culture; ``-x`` minimises x.
        constraints: inequalities.
        units: pairs of a name and the unit that it has in the formulas, such as ``("ANTI", "g/L")``; of other names it
            is that of the model, or of the measurements that are forecast.
        may_run_out: substrates that a plan may run out of, although no run was ever without them.

    Raises:
        InputError: for a text that is no formula.
    """

    maximise: str
    constraints: tuple[Constraint, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    may_run_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            parse(self.maximise)
        except GraycellError as error:
            raise InputError([Finding(f"maximise '{self.maximise}'", f"no formula: {error}", "a formula is needed",
                                      "write it like ANTI or ANTI * volume")]) from None  # fmt: skip

    @property
    def tree(self) -> Tree:
        """What is maximised."""
        return parse(self.maximise)

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the formulas."""
        trees = [self.tree, *(one.tree for one in self.constraints)]
        return tuple(dict.fromkeys(name for tree in trees for name in names_in(tree) if name != TIME))

    @property
    def windows(self) -> tuple[float, ...]:
        """The first and last days [d] of all constraints that hold between two days, in the order of time."""
        days = [day for one in self.constraints if isinstance(one.when, tuple) for day in one.when]
        return tuple(sorted(set(days)))

    def faults(self, quantities: Iterable[str], decisions: Iterable[str], end: float) -> list[Finding]:
        """Return what keeps the goals from being asked for.

        Args:
            quantities: names of quantities and inputs.
            decisions: names of decisions.
            end: [d] of the plan, at the latest.

        Returns:
            A finding for each name that nobody knows, and for each window after the end.
        """
        quantities = [*quantities]
        known = [*dict.fromkeys([*quantities, *decisions, VOLUME, TIME])]
        found = []
        for label, tree in [("maximise", self.tree), *((f"constraint '{one.text}'", one.tree)
                                                       for one in self.constraints)]:  # fmt: skip
            for name in dict.fromkeys(names_in(tree)):
                if name not in known:
                    found.append(Finding(label, f"'{name}'", "names are those of quantities, inputs and decisions",
                                         nearest(name, known)))  # fmt: skip
        found += [Finding(label, f"'{name}'", "names are those of quantities and inputs", nearest(name, quantities))
                  for label, names in (("units", [name for name, _ in self.units]), ("may_run_out", self.may_run_out))
                  for name in names if name not in quantities]  # fmt: skip
        for one in self.constraints:
            if isinstance(one.when, tuple) and one.when[0] >= end:
                found.append(Finding(f"constraint '{one.text}'", f"a first day of {one.when[0]:g}", f"the plan ends at "
                                     f"{end:g} d at the latest", "lower it, or let the plan end later"))  # fmt: skip
        return found

    def factors(self, unit_of: Callable[[str], str], molar_mass_of: Callable[[str], float | None]) -> dict[str, float]:
        """Return what the values of quantities are multiplied by before they enter the formulas.

        Args:
            unit_of: from a quantity to its own unit.
            molar_mass_of: from a quantity to its molar mass [g/mol], None where it is not known.

        Returns:
            Factors [1] by name, of those that `units` names.

        Raises:
            InputError: for units that do not fit.
        """
        found, findings = {}, []
        for name, unit in self.units:
            if name not in self.names:
                continue
            own = unit_of(name)
            try:
                zero, one = (float(convert_amount(value, own, unit, molar_mass_of(name))) for value in (0.0, 1.0))
            except UnitError as error:
                findings.append(Finding(f"units, {name}", f"'{unit}'", str(error), f"write it like {own}"))
                continue
            if zero != 0.0:
                findings.append(Finding(f"units, {name}", f"'{unit}'", f"its 0 is not that of '{own}', in which {name} "
                                        "is counted", f"write the formulas in {own}"))  # fmt: skip
            found[name] = one
        if findings:
            raise InputError(findings)
        return found
