"""The local app: from files of a laboratory to a prediction and a plan, in a browser on the same machine.

    project   a folder: its files, runs, fits, plans and answers; all state is in it
    work      commands of graycell as processes of their own, which go on without the app
    worker    such a process: it runs a command, and keeps its output and how it ended
    access    which requests are answered: those with the token, to this machine's own address
    server    starts it
    pages     what a browser shows

What takes long is done by commands, which the pages show beside their buttons; pages show what commands wrote. What
takes seconds, such as checks and drafts of mappings, is done in threads of the app.
"""
