"""A study: a TOML file that names runs and models, and says how the models are fitted and compared.

    runs = ["runs/"]                      # folders, XLSX or CSV, relative to the file
    test = ["run63", "run64"]             # held-out runs, which no model learns from

    [groups]                              # of runs, such as clones or scales; * for any letters
    wild = ["run60", "run61", "run63"]
    knocked = "run7*"

    [models.white]
    base = "nolan-lee-extended"
    per_run = { vmax17 = 0.2 }            # each run has its own value; the SD of its logarithm between runs
    per_group = { vmax16 = 0.3 }          # the same for each group of runs
    initial_error = { VCD = 0.1 }         # the first count of cells may be wrong by 10 %: inocula are estimated

    [models.gray]
    base = "nolan-lee-extended"
    laws = { v17 = "black" }              # by reaction: white, gray or black, or a table of `hybrid.NeuralRateSpec`

    [models.hybrid]
    base = "neural-rates"                 # mass balances of the vessel, and a network for all specific rates

    [fit]                                 # fields of `FitSettings`
    starts = 4

    [compare]
    splits = "held-out"                   # or "leave-one-run-out", "leave-one-group-out", "forward"
    seeds = [0, 1, 2]

The file is data: nothing in it is executed. `read_study` checks it without building a model, and reports all faults at
once, an unknown word with the nearest known one. A model is built when it is fitted or compared (`ModelPlan.build`).

    plans        ModelPlan, Study
    reading      read_study: TOML -> Study
    library      names and rate laws of a model of the library, for the check
"""

from graycell.study.plans import SPLITS, ModelPlan, Study
from graycell.study.reading import read_study

__all__ = ["SPLITS", "ModelPlan", "Study", "read_study"]
