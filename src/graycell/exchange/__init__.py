"""Models of other tools: SBML and Antimony are read as model files, and model files are written as SBML.

Map:
    documents      bytes -> a document of libsbml, within bounds
    maths          MathML -> trees, functions written out
    names          names for ids
    contents       SbmlModel: what an SBML model says, as data
    declarations   document -> SbmlModel
    initial        values of its symbols at time 0
    meaning        what its symbols are in a model file: formulas and rates
    assembly       SbmlModel -> ModelFile
    reading        read_sbml
    antimony       read_antimony
    functions      the functions of culture kinetics, as function definitions
    units          units of a model file -> unit definitions
    writing        sbml_text
"""

from graycell.exchange.antimony import read_antimony
from graycell.exchange.reading import read_sbml
from graycell.exchange.writing import sbml_text

__all__ = ["read_antimony", "read_sbml", "sbml_text"]
