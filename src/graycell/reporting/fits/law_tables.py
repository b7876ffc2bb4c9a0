"""Learned laws, and what the data do not determine, as DataFrames with the unit in the head of every column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.diagnosis.identifiability import undetermined_combinations
from graycell.diagnosis.laws import RecoveredLaw
from graycell.inference.fitting import Fit
from graycell.units import DIMENSIONLESS, SPECIFIC_RATE


def laws_frame(laws: Sequence[RecoveredLaw]) -> pd.DataFrame:
    """Return the curves of laws of one model in long form: one row a reaction, input and value of the input.

    The value is in the unit of the column `unit`; rates and the ends of the interval of 95 % are in the unit of their
    heads; samples near [1] are those within a tenth of the visited range.
    """
    unit = laws[0].unit if laws else SPECIFIC_RATE
    heads = (
        "reaction", "input", "value [unit]", "unit", f"learned [{unit}]", f"low [{unit}]", f"high [{unit}]",
        f"true [{unit}]", f"known [{unit}]", f"samples near [{DIMENSIONLESS}]", "supported",
    )  # fmt: skip
    parts = [
        pd.DataFrame(dict(zip(heads, (
            law.reaction, one.input, one.grid, one.input_unit, one.learned, one.low, one.high, one.true, one.known,
            one.near, one.supported,
        ), strict=True)))
        for law in laws
        for one in law.curves
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({head: [] for head in heads})


def law_errors_frame(laws: Sequence[RecoveredLaw]) -> pd.DataFrame:
    """Return what each learned law is and how far it is from the truth, one row a reaction.

    The error [1] is the root mean square of learned - true over the range of the true rate in the visited states;
    supported [1] is the part of the drawn range of the inputs with samples near, its mean over the inputs.
    """
    return pd.DataFrame(
        {
            "reaction": [law.reaction for law in laws],
            "the network is": [f"the {law.role}" if law.role == "law" else f"a {law.role} of the law" for law in laws],
            "inputs": [", ".join(one.input for one in law.curves) for law in laws],
            f"error [{DIMENSIONLESS}]": [law.error for law in laws],
            f"supported [{DIMENSIONLESS}]": [
                float(np.mean([np.mean(one.supported) for one in law.curves])) for law in laws
            ],
        }
    )


def combinations_frame(fit: Fit) -> pd.DataFrame:
    """Return the combinations of parameters that the data do not determine, one row each, the least determined first.

    The ratio [1] is posterior over prior standard deviation; the parts [1] are in prior standard deviations.
    """
    rows = undetermined_combinations(fit).combinations
    return pd.DataFrame(
        {
            "combination": [str(row) for row in rows],
            f"prior ratio [{DIMENSIONLESS}]": [row.ratio for row in rows],
        }
    )


def correlations_frame(fit: Fit) -> pd.DataFrame:
    """Return the pairs of parameters that go together, with their correlation [1], the strongest first."""
    rows = undetermined_combinations(fit).correlations
    return pd.DataFrame(
        {
            "first": [row.first for row in rows],
            "second": [row.second for row in rows],
            f"correlation [{DIMENSIONLESS}]": [row.value for row in rows],
        }
    )
