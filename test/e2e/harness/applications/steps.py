"""What the programs here have in common.

A program does the work of an application with its driver as it comes, at the address
given by its arguments: host, port, database, user. It is a row of steps. Of each it says,
in a line of its own,

    ok NAME PID,PID...       and on which servers it was, where it looked
    not ok NAME MESSAGE

and it ends with status 0 if all were ok.
"""

import sys
import traceback


def arguments():
    host, port, dbname, user = sys.argv[1:5]
    return {"host": host, "port": int(port), "dbname": dbname, "user": user}


def run(steps):
    """Calls each; a step returns the pids it saw, or nothing."""
    failed = 0
    for step in steps:
        try:
            pids = step() or []
            print("ok", step.__name__, ",".join(str(pid) for pid in pids), flush=True)
        except Exception as failure:
            failed += 1
            traceback.print_exc()
            text = " ".join(f"{type(failure).__name__}: {failure}".split())
            print("not ok", step.__name__, text, flush=True)
    sys.exit(failed > 0)
