from .law import Formula as Formula
from .parsing import FormulaError as FormulaError
from .parsing import parse as parse
