"""The type checker that jaxtyping applies to the package while the tests run: beartype, to which an int is a float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
