"""What keeps a campaign from being planned, as findings; all at once, before the first batch is paid for."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from graycell.decisions.decision import decided
from graycell.decisions.goals import VOLUME
from graycell.errors import Finding, GraycellError, InputError, nearest
from graycell.formulas.tree import TIME, names_in
from graycell.packing import molar_mass_of, pack

if TYPE_CHECKING:
    from graycell.campaigns.campaign import Campaign

COLUMNS = ("clone", "scale", "goal")
"""Columns of a table of runs beside those of the decisions."""


def faults_of(campaign: "Campaign") -> list[Finding]:
    """Return all that keeps a campaign from being planned.

    Args:
        campaign: any.

    Returns:
        Findings.
    """
    names, model = [one.name for one in campaign.decisions], campaign.model
    found = [finding for one in campaign.decisions for finding in one.faults(campaign.plan)]
    found += _faults_of_names(campaign, names)
    quantities = (*model.quantities, *model.input_names)
    found += [Finding(f"decision '{name}'", "a name that formulas or tables have already", "decisions have names of "
                      "their own", "rename the decision")
              for name in names if name in (*quantities, VOLUME, TIME, *COLUMNS)]  # fmt: skip
    goals = campaign.goals
    found += replace(goals, constraints=()).faults(quantities, names, campaign.plan.end)
    found += [Finding(f"constraint '{one.text}'", f"'{name}'", "a campaign knows constraints of decisions only",
                      nearest(name, names))
              for one in goals.constraints for name in names_in(one.tree) if name not in names]  # fmt: skip
    for scale in campaign.scales:
        found += scale.faults(campaign.decisions, [row.name for row in model.table.rows])
    by_scales = {name for scale in campaign.scales for name in scale.changes}
    learned = [row for row in model.table.estimated if row.name not in by_scales]
    found += [Finding(f"parameter {row.name}", "no prior_sd or no bounds", "clones are compared by a prior of what is "
                      "estimated", "write prior_sd and bounds in the model file, or estimated = false")
              for row in learned if not all(map(math.isfinite, (row.prior_sd, *row.bounds)))]  # fmt: skip
    if not learned:
        found.append(Finding("model", "no estimated parameter but those of the scales", "clones differ in some",
                             "let one be estimated"))  # fmt: skip
    if not 0.0 < campaign.model_error < 1.0:
        found.append(Finding("model_error", f"{campaign.model_error:g}", "a part of the goal, above 0 and below 1, is "
                             "needed", "write it like 0.02"))  # fmt: skip
    return found or _faults_together(campaign)


def _faults_of_names(campaign: "Campaign", decisions: list[str]) -> list[Finding]:
    found, scales = list[Finding](), [one.name for one in campaign.scales]
    for label, given in (("decision", decisions), ("clone", list(campaign.clones)), ("scale", scales)):
        if not given:
            found.append(Finding(f"{label}s", "none", f"a {label} is needed", "name one"))
        found += [Finding(f"{label} '{name}'", "two of this name", "every name is used once", "rename one")
                  for name in dict.fromkeys(name for name in given if given.count(name) > 1)]  # fmt: skip
    if scales and campaign.target not in scales:
        found.append(Finding("target", f"'{campaign.target}'", "it is a scale of the campaign",
                             nearest(campaign.target, scales)))  # fmt: skip
    return found


def _faults_together(campaign: "Campaign") -> list[Finding]:
    """Return what the plan, the model and the units of the formula say of each other."""
    try:
        # traced, as where the runs are simulated: what is unusual of a plan is no fault here
        jax.eval_shape(lambda x: pack(decided(campaign.plan, campaign.decisions, list(x)), campaign.model),
                       jnp.array([one.present(campaign.plan) for one in campaign.decisions]))  # fmt: skip
        campaign.goals.factors(campaign.model.unit, lambda name: molar_mass_of(campaign.model, name, campaign.plan))
    except InputError as error:
        return list(error.findings)
    except GraycellError as error:
        return [Finding("plan", "a plan that does not fit the model", str(error), "correct it")]
    return []
