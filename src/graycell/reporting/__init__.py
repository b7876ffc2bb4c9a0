"""Trajectories, fits, comparisons and diagnoses as tables, figures and self-contained HTML pages.

    display                 DisplayUnits: the units of all tables and figures, and the only conversions to them
    reading                 what reports ask of a model and read from a trajectory
    tables                  DataFrames with units in their heads
    writing                 write_table: CSV, XLSX, Parquet
    trajectories            plotly figures of trajectories
    fits/                   report(fits, folder): page, text, figures; learned laws; what the data do not determine
    comparison/             comparison_report(comparison, folder): page, tables, figures
    equations/              diagnosis_report(diagnosis, folder): page, tables, figures
    rates/                  rates_report(rates, folder): specific rates and mass balances of measured runs
    page, style             pieces of an HTML page; the look of the figures

Nothing is computed here that is not in a `Trajectory`, a `Fit`, a `RecoveredLaw`, a `Comparison`, a `GradientCheck` or
a `ModelDiagnosis`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # tables of runs need no JAX
