"""Balances and specific rates of a run, computed from its samples without a model, and checks of runs against them.

mass_balances     balances_of, MassBalances: what was in the vessel, fed, taken out and produced between samples
specific_rates    specific_rates: growth, death, specific uptake and production, yields
plausibility      implausible: named checks for what no culture does; where own checks are added
checking          check_path: everything that is wrong or implausible in files of runs
"""

from graycell.balances.checking import check_path, check_paths
from graycell.balances.mass_balances import Balance, FlowInterval, MassBalances, balances_of, flow_intervals
from graycell.balances.plausibility import RUN_CHECKS, SET_CHECKS, RunCheck, SetCheck, implausible
from graycell.balances.specific_rates import SpecificRate, SpecificRates, specific_rates

__all__ = [
    "RUN_CHECKS",
    "SET_CHECKS",
    "Balance",
    "FlowInterval",
    "MassBalances",
    "RunCheck",
    "SetCheck",
    "SpecificRate",
    "SpecificRates",
    "balances_of",
    "check_path",
    "check_paths",
    "flow_intervals",
    "implausible",
    "specific_rates",
]
