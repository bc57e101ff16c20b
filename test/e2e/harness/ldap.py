"""A throw-away slapd on loopback: clear with StartTLS, and TLS from the start."""

import os
import shutil
import signal
import socket
import subprocess

from .account import give_to, popen_as
from .waiting import free_port, wait_until

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
ROOT, ROOT_PASSWORD = f"cn=manager,{BASE}", "manager-pw"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/slapd.pid
TLSCACertificateFile {certs.authority.chain_file}
TLSCertificateFile {certs.server_rsa.cert_file}
TLSCertificateKeyFile {certs.server_rsa.key_file}
database mdb
maxsize 16777216
suffix "{base}"
rootdn "{root}"
rootpw {password}
directory {directory}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{root}" read by anonymous auth by * none
"""

ENTRIES = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=old,{BASE}
objectClass: organizationalUnit
ou: old
"""

PERSON = """
dn: {rdn}={name},{where}
objectClass: inetOrgPerson
cn: {name}
sn: {name}
uid: {uid}
mail: {uid}@example.com
userPassword: {password}
"""


def find_slapd():
    return shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/libexec:" +
                        os.environ.get("PATH", ""))


class Ldap:
    def __init__(self, directory, account, certs, passwords):
        self.directory, self.account = str(directory), account
        self.port = free_port()
        self.tls_port = free_port(taken=(self.port,))
        self.process = None
        os.makedirs(os.path.join(self.directory, "data"))
        give_to(account, self.directory)
        give_to(account, os.path.join(self.directory, "data"))
        # A copy: where AppArmor guards slapd, it may not read temporary directories.
        self.program = shutil.copy(find_slapd(), os.path.join(self.directory, "slapd"))
        self.config = self._write("slapd.conf", CONFIG.format(
            directory=self.directory, certs=certs, base=BASE, root=ROOT, password=ROOT_PASSWORD))
        entries = ENTRIES
        for name, password in passwords.items():
            entries += PERSON.format(rdn="cn", name=name, uid=name, where=PEOPLE,
                                     password=password)
        # The same uid twice: a search finds both.
        for where in (PEOPLE, f"ou=old,{BASE}"):
            entries += PERSON.format(rdn="cn", name="twin " + where[3:6], uid="twin", where=where,
                                     password="twin-pw")
        ldif = self._write("entries.ldif", entries)
        subprocess.run([self.program, "-Tadd", "-f", self.config, "-l", ldif], check=True,
                       capture_output=True, cwd="/", **popen_as(account))

    def _write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as out:
            out.write(text)
        give_to(self.account, path)
        return path

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "-f", self.config, "-d", "0", "-h",
                 f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                **popen_as(self.account))
        wait_until(self._is_up, 15, "slapd did not start")
        return self

    def _is_up(self):
        assert self.process.poll() is None, open(os.path.join(self.directory, "log")).read()
        try:
            socket.create_connection(("127.0.0.1", self.tls_port), 1).close()
            return True
        except OSError:
            return False

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process is not None:
            self.thaw()
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    # What auth_ldap_options and rules say

    def simple(self, **more):
        return options(ldapserver="127.0.0.1", ldapport=self.port, ldapprefix="cn=",
                       ldapsuffix="," + PEOPLE, **more)

    def search(self, **more):
        words = {"ldapserver": "127.0.0.1", "ldapport": self.port, "ldapbasedn": BASE,
                 "ldapbinddn": ROOT, "ldapbindpasswd": ROOT_PASSWORD, **more}
        return options(**words)

    def url(self, **more):
        return options(ldapurl=f"ldap://127.0.0.1:{self.port}/{BASE}?uid?sub", ldapbinddn=ROOT,
                       ldapbindpasswd=ROOT_PASSWORD, **more)

    def ldaps(self):
        # Not localhost: libldap takes that for the name of the machine.
        return options(ldapserver="127.0.0.1", ldapport=self.tls_port, ldapscheme="ldaps",
                       ldapprefix="cn=", ldapsuffix="," + PEOPLE)


def options(**words):
    return " ".join(f'{k}="{v}"' for k, v in words.items())
