"""An extension of griffe: examples of docstrings, which begin with >>>, are shown as code."""

import griffe


class Examples(griffe.Extension):
    """Put a heading before the examples of a docstring that has none."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring of an object.

        Args:
            obj: that was found in the code.
        """
        docstring = obj.docstring
        if docstring is None or ">>>" not in docstring.value:
            return
        lines = docstring.value.splitlines()
        first = next(k for k, line in enumerate(lines) if line.lstrip().startswith(">>>"))
        if first and lines[first - 1].strip() == "Examples:":
            return
        last = first
        while last < len(lines) and lines[last].strip():
            last += 1
        examples = ["Examples:", *("    " + line for line in lines[first:last])]
        docstring.value = "\n".join([*lines[:first], *examples, *lines[last:]])
