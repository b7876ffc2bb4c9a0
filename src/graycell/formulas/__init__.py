"""Formulas as text: read into trees, checked for units, and turned into laws. Nothing in a formula is executed.

    tree         numbers, names and calls; text of a tree
    functions    the functions of formulas
    parsing      text -> tree, within bounds
    values       tree -> number, or JAX
    units        tree -> unit, and where units do not fit
    law          Formula, a rate law

A tree is plain data: it is written as text again, compared, and evaluated in numpy or JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # a law needs JAX, a tree does not
