"""Trajectories, fits, comparisons and diagnoses as tables, figures and self-contained HTML pages.

    display                 DisplayUnits: the units of all tables and figures, and the only conversions to them
    reading                 what reports ask of a model and read from a trajectory
    tables                  DataFrames with units in their heads; write_table: CSV, XLSX, Parquet
    trajectories            plotly figures of trajectories
    fits/                   report(fits, folder): page, text, figures; learned laws; what the data do not determine
    comparison/             comparison_report(comparison, folder): page, tables, figures
    equations/              diagnosis_report(diagnosis, folder): page, tables, figures
    rates/                  rates_report(rates, folder): specific rates and mass balances of measured runs
    page, style             pieces of an HTML page; the look of the figures

Nothing is computed here that is not in a `Trajectory`, a `Fit`, a `RecoveredLaw`, a `Comparison`, a `GradientCheck` or
a `ModelDiagnosis`.
"""

from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.reporting.comparison.page import comparison_report
from graycell.reporting.comparison.tables import comparison_frames
from graycell.reporting.display import DisplayUnits
from graycell.reporting.equations.page import diagnosis_report, headline
from graycell.reporting.equations.tables import diagnosis_frames
from graycell.reporting.fits.figures import convergence, parameters
from graycell.reporting.fits.identifiability import combinations_frame, correlations, correlations_frame
from graycell.reporting.fits.laws import law_errors_frame, laws_frame, recovered
from graycell.reporting.fits.page import report
from graycell.reporting.tables import (
    estimates_frame,
    file_word,
    gradient_checks_frame,
    history_frame,
    residuals_frame,
    scores_frame,
    table_ending,
    trajectory_frame,
    write_table,
)
from graycell.reporting.trajectories import (
    conflict_heatmap,
    key_fluxes,
    loop_variables,
    measured_and_simulated,
    residuals,
)

__all__ = [
    "UNDETERMINED",
    "DisplayUnits",
    "combinations_frame",
    "comparison_frames",
    "comparison_report",
    "conflict_heatmap",
    "convergence",
    "correlations",
    "correlations_frame",
    "diagnosis_frames",
    "diagnosis_report",
    "estimates_frame",
    "file_word",
    "gradient_checks_frame",
    "headline",
    "history_frame",
    "key_fluxes",
    "law_errors_frame",
    "laws_frame",
    "loop_variables",
    "measured_and_simulated",
    "parameters",
    "recovered",
    "report",
    "residuals",
    "residuals_frame",
    "scores_frame",
    "table_ending",
    "trajectory_frame",
    "write_table",
]
