"""A PostgreSQL that trusts nobody: every role logs in by the method of its name."""

import os

import psycopg

from . import scram
from .account import give_to
from .cluster import Cluster

PASSWORD = "p4ss word"  # of every role; the blank is there to be quoted

RULES = """
local   all all                         trust
host    all postgres    127.0.0.1/32    trust
host    all trusty      127.0.0.1/32    trust
host    all passwordy   127.0.0.1/32    password
host    all md5y        127.0.0.1/32    md5
host    all scramy      127.0.0.1/32    scram-sha-256
hostssl all tlsy        127.0.0.1/32    scram-sha-256
hostnossl all cleary    127.0.0.1/32    scram-sha-256
hostssl all certy       127.0.0.1/32    cert
hostssl all bothy       127.0.0.1/32    scram-sha-256 clientcert=verify-ca
host    all rejecty,tlsy,cleary,certy,bothy 127.0.0.1/32 reject
host    all all         127.0.0.1/32    scram-sha-256
"""

ROLES = ("trusty", "passwordy", "scramy", "tlsy", "cleary", "certy", "bothy", "rejecty", "alice",
         "bob", "carol", "looker")

LOOKUP = """
create function public.lookup(name text, out usename name, out passwd text) language sql
    security definer as $$
    select rolname, case when rolvaliduntil < now() then null else rolpassword end
    from pg_authid where rolname = $1 and rolcanlogin $$;
revoke all on function public.lookup(text) from public;
grant execute on function public.lookup(text) to looker, certy, trusty;
create table note(id int primary key, body text);
grant all on note to public;
"""

TLS = """
ssl = on
ssl_cert_file = '{certs.server.cert_file}'
ssl_key_file = '{certs.server.key_file}'
ssl_ca_file = '{certs.ca_file}'
ssl_crl_file = '{certs.crl_file}'
log_connections = on
"""


class SecureCluster(Cluster):
    def __init__(self, directory, account, certs):
        super().__init__(directory, account)
        self.certs = certs

    def create(self):
        super().create()
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(TLS.format(certs=self.certs))
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as hba:
            hba.write(RULES)
        for role in ROLES:
            if role not in ("alice", "bob", "carol"):
                self.sql(f"create role {role} login")
            self.sql(f"alter role {role} password '{PASSWORD}'")
        self.sql(f"create role md5y login password '{scram.md5_secret('md5y', PASSWORD)}'")
        for dbname in ("app", "other"):
            with psycopg.connect(self.conninfo(dbname), autocommit=True) as conn:
                conn.execute("drop table if exists note")
                conn.execute(LOOKUP)
        self.restart()

    def restart(self):
        self.stop()
        self.start()

    def use_certificate(self, issued):
        """The server's certificate from now on; sessions that exist go on."""
        self.sql(f"alter system set ssl_cert_file = '{issued.cert_file}'")
        self.sql(f"alter system set ssl_key_file = '{issued.key_file}'")
        self.sql("select pg_reload_conf()")

    def secret(self, role):
        return self.sql("select rolpassword from pg_authid where rolname = %s", (role,))[0][0]

    def tls_of(self, pid):
        """(is on, version, cipher, the client's DN) of a session."""
        return self.sql("select ssl, version, cipher, client_dn from pg_stat_ssl where pid = %s",
                        (pid,))[0]

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def target(self, dbname="app", **more):
        """The value of an entry of [databases]."""
        more = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, **more}
        return " ".join(f"{k}={quoted(v)}" for k, v in more.items() if v is not None)


def quoted(value):
    return "'" + str(value).replace("'", "''") + "'"


def write_owned(account, path, text, mode=0o600):
    """A file that only this account may read."""
    temporary = path + ".new"
    with open(temporary, "w") as out:
        out.write(text)
    os.chmod(temporary, mode)
    give_to(account, temporary)
    os.rename(temporary, path)
    return path
