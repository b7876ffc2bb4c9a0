"""Models as text files in TOML: read, checked like data, and built. Nothing in a file is executed.

    content      ModelFile: what a file says, as data
    positions    the line and column of every value
    reading      text -> ModelFile, with every fault at once
    checked      a file while it is checked, and in which order its formulas need each other
    checks       names, equations, balances
    units        units through every formula
    remarks      what nothing uses or makes, and rates that outlast their substrate
    building     ModelFile -> CultureModel
    writing      ModelFile -> text
    adapting     a product in moles or in mass, as runs measured it
    needs        what a run must measure

Faults come with their line and column, all at once.
"""

from graycell.modelfiles.building import build, definition_of
from graycell.modelfiles.content import ModelFile
from graycell.modelfiles.reading import parse_model_file, read_model_file
from graycell.modelfiles.writing import model_file_text

__all__ = ["ModelFile", "build", "definition_of", "model_file_text", "parse_model_file", "read_model_file"]
