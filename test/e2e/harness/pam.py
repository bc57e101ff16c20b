"""A PAM service of our own, for as long as the tests run.

Its one module runs a script that holds the password against a file. The service's file
stands in /etc/pam.d, so this takes root.
"""

import glob
import os

from .account import give_to

SCRIPT = """#!/bin/sh
# pam_exec gives the password on standard input, with a NUL at its end.
password=$(tr -d '\\000')
echo "$PAM_TYPE $PAM_USER ${{PAM_RHOST:-none}}" >>{directory}/calls
[ "$PAM_USER" != slow ] || {{ while [ -e {directory}/hold ]; do sleep 0.05; done; }}
grep -qxF -- "$PAM_USER:$password" {directory}/passwords
"""

ACCOUNT = """#!/bin/sh
# Whose account has expired is in a file.
! grep -qxF -- "$PAM_USER" {directory}/expired
"""


def missing():
    if os.getuid() != 0:
        return "a PAM service can be made by root only"
    for pattern in ("/lib/*/security/pam_exec.so", "/usr/lib/*/security/pam_exec.so",
                    "/lib/security/pam_exec.so", "/lib64/security/pam_exec.so"):
        if glob.glob(pattern):
            return None
    return "pam_exec is not installed"


class Pam:
    def __init__(self, directory, account, passwords):
        self.directory, self.account = str(directory), account
        os.makedirs(self.directory)
        give_to(account, self.directory)
        self.service = f"pooler-e2e-{os.getpid()}"
        self.path = f"/etc/pam.d/{self.service}"
        self.check = self._write("check", SCRIPT.format(directory=directory), 0o755)
        self.account_check = self._write("account", ACCOUNT.format(directory=directory), 0o755)
        self._write("passwords", "".join(f"{u}:{p}\n" for u, p in passwords.items()))
        self._write("expired", "expired\n")
        self._write("calls", "")
        with open(self.path, "x") as service:
            # pam_exec calls a script that says no a fault of the system; pam_deny does not.
            service.write(f"auth [success=1 default=ignore] pam_exec.so quiet expose_authtok "
                          f"{self.check}\n"
                          "auth requisite pam_deny.so\nauth required pam_permit.so\n"
                          f"account [success=1 default=ignore] pam_exec.so quiet "
                          f"{self.account_check}\n"
                          "account requisite pam_deny.so\naccount required pam_permit.so\n")

    def _write(self, name, text, mode=0o600):
        path = os.path.join(self.directory, name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        give_to(self.account, path)
        return path

    def calls(self):
        """What the script was called with: 'auth alice 127.0.0.1'."""
        with open(os.path.join(self.directory, "calls")) as calls:
            return calls.read().splitlines()

    def hold(self):
        """Logins of the user slow wait from now on."""
        self._write("hold", "")

    def let_go(self):
        try:
            os.unlink(os.path.join(self.directory, "hold"))
        except FileNotFoundError:
            pass

    def close(self):
        self.let_go()
        os.unlink(self.path)
