"""The ordinary user that PostgreSQL and the pooler run as."""

import os
import pwd


def ordinary_user():
    """None for whoever we are; when we are root, the account to become."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("neither postgres nor nobody exists to run PostgreSQL as")


def popen_as(account):
    """The arguments that make subprocess start a program as this account."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give_to(account, path):
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
