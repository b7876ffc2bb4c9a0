"""The local app: from files of a laboratory to a prediction and a plan, in a browser on the same machine.

    project   a folder: its files, runs, fits, plans and answers; all state is in it
    work      commands of graycell as processes of their own, which go on without the app
    worker    such a process: it runs a command, keeps what it says and how it ended
    access    who gets in: requests with the token, to this machine's own address
    server    starts it
    pages     what a browser shows

Every page says which command does the same. Nothing here computes: commands do, and pages show what they wrote.
"""
