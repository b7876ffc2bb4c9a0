"""Runs one command of the app; on its own, so that it goes on when the app is closed.

    python -m graycell.app.worker JOB PROJECT        JOB: the folder of the job

It starts graycell in the folder of the project, keeps what it says, and writes how it ended. Where the file `stop`
appears it sends Ctrl-C, and again, and then ends it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock

from graycell.app.work import ENDED, JOB, LOCK, LOG, PROGRESS, STOP
from graycell.storage import write_whole

PROGRESS_VARIABLE = "GRAYCELL_PROGRESS"
"""Variable of the environment: the file in which commands say how far they are."""
_LOOKS = 0.1
"""[s] Between two looks for the file that stops it."""
_PATIENCE = (0.0, 1.2, 10.0)
"""[s] After which it sends Ctrl-C, sends it again, and ends the command."""


def main() -> None:
    """Run the command of a job to its end."""
    job, project = Path(sys.argv[1]), Path(sys.argv[2])
    words = json.loads((job / JOB).read_text(encoding="utf-8"))["words"]
    with filelock.FileLock(job / LOCK), (job / LOG).open("wb") as log:
        env = {**os.environ, PROGRESS_VARIABLE: str(job / PROGRESS), "COLUMNS": "110", "NO_COLOR": "1"}
        process = subprocess.Popen([sys.executable, "-m", "graycell.cli", *words], cwd=project, env=env, stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # fmt: skip
        asked, sent = 0.0, 0
        while process.poll() is None:
            time.sleep(_LOOKS)
            if not asked and (job / STOP).exists():
                asked = time.monotonic()
            if asked and sent < len(_PATIENCE) and time.monotonic() - asked >= _PATIENCE[sent]:
                sent += 1
                process.kill() if sent == len(_PATIENCE) else process.send_signal(signal.SIGINT)
        write_whole(job / ENDED, json.dumps({"code": process.returncode, "at": time.time()}))


if __name__ == "__main__":
    main()
