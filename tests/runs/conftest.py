"""Files of the tests of runs."""

import pytest


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes lines into a CSV file."""

    def write(*lines, encoding="utf-8", name="file.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write
