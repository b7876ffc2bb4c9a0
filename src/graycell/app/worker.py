"""Runs one command of the app; on its own, so that it goes on when the app is closed.

    python -m graycell.app.worker JOB PROJECT        JOB: the folder of the job

It starts graycell in the folder of the project, keeps its output, and writes how it ended. Where the file `stop`
appears it sends Ctrl-C, and again, and then ends the command; on Windows it ends the command at once.
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
from graycell.storage import PROGRESS_VARIABLE, write_whole

_LOOKS = 0.1
"""[s] Between two looks for the file that stops it."""
_PATIENCE = (0.0, 2.0, 10.0)
"""[s] After which it sends Ctrl-C, sends it again, and ends the command. A fit ends its iteration within 1.5 s of the
first, and at once at the second."""


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
                if sent == len(_PATIENCE) or os.name == "nt":
                    process.kill()
                else:
                    process.send_signal(signal.SIGINT)
        write_whole(job / ENDED, json.dumps({"code": process.returncode, "at": time.time()}))


if __name__ == "__main__":
    main()
