"""next_step: which batch of a campaign is next, and at which scale, as an answer with all that it depends on."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from graycell.campaigns.campaign import Campaign
from graycell.campaigns.reading import CAMPAIGNS
from graycell.campaigns.records import Batch, Proposed, Tried
from graycell.errors import Finding, InputError, nearest
from graycell.provenance import describe, hash_of_run
from graycell.saved import SavedFormat
from graycell.versions import hash_of_code, where_it_ran

STEPS = SavedFormat("next batch", 1, "make it anew with: graycell campaign", unnumbered=None)
"""The format of `campaign.json`."""
_MISFIT = 3.0
"""[1] Chi-square of the runs of a clone, for each of them, from which on the model contradicts them."""


@dataclass(frozen=True)
class NextStep:
    """The next batch of a campaign.

    Attributes:
        campaign: whose batch it is.
        tried: runs so far.
        scale: name of where it is done.
        batch: the runs, and what they are worth for their cost.
        worth: of the best batch of every scale for its cost, by name; NaN where nothing is known yet.
        best: the best plan of every clone at the target scale; none before all clones were looked at.
        contradicted: clones whose runs the model contradicts.
        spent: cost of all runs so far.
        budget: that is not to be exceeded; None without one.
    """

    campaign: Campaign
    tried: tuple[Tried, ...]
    scale: str
    batch: Batch
    worth: Mapping[str, float]
    best: tuple[Proposed, ...]
    contradicted: tuple[str, ...]
    spent: float
    budget: float | None

    def __repr__(self) -> str:
        return f"NextStep({len(self.batch.runs)} runs at {self.scale}, {self.spent:g} spent)"

    def sentences(self) -> list[str]:
        """Return what a reader should know first.

        Returns:
            Sentences.
        """
        target, cost = self.campaign.target, self.campaign.scale(self.scale)
        price, found = cost.cost * cost.runs, list[str]()
        if self.best:
            first = self.best[0]
            found.append(f"Most is expected of clone {first.clone} at {target}: {first.expected:.3g} ({first.low:.3g} "
                         f"to {first.high:.3g} in nine of ten cases).")  # fmt: skip
        else:
            found.append("Not every clone was looked at three times yet: this batch looks at the next ones.")
        found.append(f"Next: {len(self.batch.runs)} runs at {self.scale} for {price:g}; {self.spent:g} was spent "
                     "before.")  # fmt: skip
        others = [f"{name} {value / self.worth[self.scale]:.2g}" for name, value in self.worth.items()
                  if name != self.scale and self.worth[self.scale] > 0.0]  # fmt: skip
        if others:
            found.append(f"For its cost the best batch of other scales is worth, beside 1 for this one: "
                         f"{', '.join(others)}.")  # fmt: skip
        if self.contradicted:
            found.append(f"The model contradicts the runs of {len(self.contradicted)} clones: "
                         f"{', '.join(self.contradicted[:5])}; do not trust what is expected of them.")  # fmt: skip
        return found

    def plain(self) -> dict[str, Any]:
        """Return what the answer depends on and says, as plain data for JSON.

        Returns:
            Dictionaries, lists, numbers and texts; numbers that are not known are None.
        """
        return _known({
            **STEPS.stamp(),
            "plan": {"name": self.campaign.plan.name, "sha256": hash_of_run(self.campaign.plan)},
            "model": {"name": self.campaign.model.name, **describe(self.campaign.model)},
            "parameters": {row.name: [row.value, *row.bounds, row.prior_sd] for row in
                           self.campaign.model.table.estimated},
            "campaign format": CAMPAIGNS.number, "clones": list(self.campaign.clones),
            "constraints": [one.text for one in self.campaign.goals.constraints], "units": dict(self.campaign.units),
            "model error": self.campaign.model_error,
            "runs": {"count": len(self.tried), "sha256": _hash([asdict(one) for one in self.tried])},
            "maximise": self.campaign.maximise, "target": self.campaign.target,
            "scales": [asdict(one) for one in self.campaign.scales],
            "decisions": [asdict(one) for one in self.campaign.decisions], "scale": self.scale,
            "batch": [asdict(one) for one in self.batch.runs], "worth for its cost": dict(self.worth),
            "best of every clone": [asdict(one) for one in self.best], "contradicted": list(self.contradicted),
            "spent": self.spent, "budget": self.budget, "seed": self.campaign.seed, "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scipy")),
        })  # fmt: skip


def next_step(
    campaign: Campaign, tried: Sequence[Tried] = (), *, scale: str | None = None, budget: float | None = None,
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> NextStep:  # fmt: skip
    """Return the next batch of a campaign.

    Args:
        campaign: what is varied, and where.
        tried: all runs so far.
        scale: name of where the batch is done; that which is worth most for its cost if left out.
        budget: cost of all runs that is not to be exceeded.
        progress: called with the part that is done [1] and words.

    Returns:
        The batch, and the best plan of every clone.

    Raises:
        InputError: for an unknown scale or clone, or where no batch is within the budget.
    """
    campaign.require_known(tried)
    spent = sum(campaign.scale(one.scale).cost for one in tried)
    prices = {one.name: one.cost * one.runs for one in campaign.scales}
    if scale is not None and scale not in prices:
        raise InputError([Finding("scale", f"'{scale}'", "a scale of the campaign is needed", nearest(scale, prices))])
    ready, belief, plans = campaign.is_screened(tried), None, None
    if ready:
        progress(0.05, "what the runs say of the clones")
        belief = campaign.learn(tried)
        progress(0.6, "the best plans of every clone")
        plans = campaign.best_plans(belief)
    progress(0.9, "the next batch")
    offers = campaign.proposals(tried, belief, plans)
    if scale is not None and not ready:
        offers = {scale: Batch(campaign.screening(scale, campaign.batches(tried, scale)), math.nan)}
    offers = {name: one for name, one in offers.items() if one.runs}
    if scale is not None and scale not in offers:
        raise InputError([Finding(f"scale '{scale}'", "no plan that keeps the constraints there", "some plan is needed",
                                  "loosen one, or change what the scale fixes")])  # fmt: skip
    left = {name: one for name, one in offers.items()
            if (scale is None or name == scale) and (budget is None or spent + prices[name] <= budget)}  # fmt: skip
    if not left:
        cheapest = min(prices.values()) if scale is None else prices[scale]
        raise InputError([Finding("budget", f"{budget:g}, of which {spent:g} was spent", f"a batch costs {cheapest:g}",
                                  "raise the budget, or take the best plan of the last answer")])  # fmt: skip
    name, batch = next(iter(left.items()))
    best, contradicted = (), ()
    if belief is not None and plans is not None:
        best = tuple(campaign.best(belief, plans))
        counts = [max(sum(one.clone == clone for one in tried), 1) for clone in campaign.clones]
        contradicted = tuple(clone for clone, misfit, count in zip(campaign.clones, belief.misfit, counts, strict=True)
                             if misfit > _MISFIT * count)  # fmt: skip
    return NextStep(campaign, tuple(tried), name, batch, {name: one.worth for name, one in offers.items()}, best,
                    contradicted, spent, budget)  # fmt: skip


def _hash(plain: Any) -> str:
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _known(plain: Any) -> Any:
    """Return plain data with None where a number is not known."""
    if isinstance(plain, Mapping):
        return {name: _known(value) for name, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_known(value) for value in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
