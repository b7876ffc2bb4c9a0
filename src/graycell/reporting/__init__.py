"""Fits and trajectories as tables, figures and one page of HTML.

    trajectory_frame, scores_frame, estimates_frame, ...   DataFrames, units in their heads   (tables)
    write_table                                            CSV, XLSX, Parquet                 (tables)
    measured_and_simulated, key_fluxes, ...                plotly figures of trajectories     (figures)
    parameters, convergence                                plotly figures of fits             (fit_figures)
    recovered, correlations                                plotly figures of learned laws     (law_figures)
    laws_frame, combinations_frame, ...                    DataFrames of the same             (law_tables)
    report(fits, folder)                                   report.html and its CSV tables     (html)
    diagnosis_report(inspection, folder)                  inspection.html and its tables     (inspection_page)
    comparison_report(comparison, folder)                  comparison.html and its tables     (comparison_page)

`figures` draws trajectories, `fit_figures` fits and `inspection_figures` inspections, in the look of `style`; `summary`
says in words what a report shows, and `page` holds the pieces of a page. Nothing here computes what is not in a
`Trajectory`, a `Fit`, a `RecoveredLaw`, a `Comparison`, a `GradientCheck` or an `ModelDiagnosis`.
"""

from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.reporting.comparison.page import comparison_report
from graycell.reporting.comparison.tables import comparison_frames
from graycell.reporting.equations.page import diagnosis_report, headline
from graycell.reporting.equations.tables import diagnosis_frames
from graycell.reporting.figures import (
    conflict_heatmap,
    key_fluxes,
    measured_and_simulated,
    redox,
    residuals,
)
from graycell.reporting.fits.figures import convergence, parameters
from graycell.reporting.fits.law_figures import correlations, recovered
from graycell.reporting.fits.law_tables import combinations_frame, correlations_frame, law_errors_frame, laws_frame
from graycell.reporting.fits.page import report
from graycell.reporting.tables import (
    audit_frame,
    estimates_frame,
    file_word,
    history_frame,
    residuals_frame,
    scores_frame,
    trajectory_frame,
    write_table,
)

__all__ = [
    "UNDETERMINED",
    "audit_frame",
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
    "headline",
    "history_frame",
    "key_fluxes",
    "law_errors_frame",
    "laws_frame",
    "measured_and_simulated",
    "parameters",
    "recovered",
    "redox",
    "report",
    "residuals",
    "residuals_frame",
    "scores_frame",
    "trajectory_frame",
    "write_table",
]
