"""Five drivers as people use them, each tried with many logins and asked who it became.

A case is a dictionary: host, port, dbname, user, and, where they are meant, password,
sslmode (disable, require, verify-full), ca, client (a certificate of harness.certs), and
channel_binding (libpq's). An outcome is what came of it: the user's name as the server
has it, or an error with its SQLSTATE where the driver tells.
"""

import asyncio
import concurrent.futures
import os
import ssl
import subprocess
import urllib.parse
from typing import NamedTuple

import asyncpg
import psycopg

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drivers")
QUESTION = "select current_user"
LIMIT_S = 15


class Outcome(NamedTuple):
    user: str | None
    sqlstate: str | None  # None when the driver does not tell, "" when there was none
    text: str

    @property
    def is_ok(self):
        return self.user is not None


def ok(user):
    return Outcome(user, None, "")


def libpq_params(case):
    params = {"host": case["host"], "port": case["port"], "dbname": case["dbname"],
              "user": case["user"], "sslmode": case.get("sslmode", "disable"),
              "connect_timeout": LIMIT_S, "gssencmode": "disable",
              "password": case.get("password"), "sslrootcert": case.get("ca"),
              "channel_binding": case.get("channel_binding")}
    issued = case.get("client")
    # Without these libpq would look into the home directory.
    params["sslcert"] = issued.cert_file if issued else "/nonexistent"
    params["sslkey"] = issued.key_file if issued else "/nonexistent"
    return {k: str(v) for k, v in params.items() if v is not None}


class Psql:
    name = "psql"

    def try_one(self, case):
        conninfo = " ".join(f"{k}='{v}'" for k, v in libpq_params(case).items())
        done = subprocess.run(["psql", "-XAtw", conninfo, "-c", QUESTION], cwd="/",
                              capture_output=True, text=True, timeout=2 * LIMIT_S,
                              stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return ok(done.stdout.strip())
        return Outcome(None, None, done.stderr.strip())

    def try_all(self, cases):
        return [self.try_one(case) for case in cases]

    def close(self):
        pass


class Psycopg(Psql):
    name = "psycopg"

    def try_one(self, case):
        try:
            with psycopg.connect(**libpq_params(case)) as conn:
                return ok(conn.execute(QUESTION).fetchone()[0])
        except psycopg.Error as failure:
            return Outcome(None, failure.sqlstate, str(failure))


class Asyncpg:
    name = "asyncpg"

    @staticmethod
    def context(case):
        if case.get("sslmode", "disable") == "disable":
            return False
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=case.get("ca"))
        context.check_hostname = case["sslmode"] == "verify-full"
        if case["sslmode"] == "require":
            context.verify_mode = ssl.CERT_NONE
        if case.get("client"):
            context.load_cert_chain(case["client"].cert_file, case["client"].key_file)
        return context

    async def try_one(self, case):
        try:
            conn = await asyncpg.connect(
                host=case["host"], port=case["port"], database=case["dbname"],
                user=case["user"], password=case.get("password"), timeout=LIMIT_S,
                ssl=self.context(case), statement_cache_size=0, passfile="/nonexistent")
            try:
                return ok(await conn.fetchval(QUESTION))
            finally:
                await conn.close(timeout=LIMIT_S)
        except asyncpg.PostgresError as failure:
            return Outcome(None, failure.sqlstate, str(failure))
        except (asyncpg.InterfaceError, OSError, ssl.SSLError, asyncio.TimeoutError) as failure:
            return Outcome(None, "", f"{type(failure).__name__}: {failure}")

    def try_all(self, cases):
        async def one_after_the_other():
            return [await self.try_one(case) for case in cases]
        return asyncio.run(one_after_the_other())

    def close(self):
        pass


class Child:
    """A program that takes a case a line and answers with a line. The words of a line are
    name=value, URL-encoded and parted by &."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, cwd="/",
                                        env={**os.environ, **(env or {})})

    @staticmethod
    def line(case):
        words = {k: v for k, v in case.items() if k != "client" and v is not None}
        issued = case.get("client")
        if issued:
            words.update(cert=issued.cert_file, key=issued.key_file, pk8=issued.der_key_file)
        return urllib.parse.urlencode(words, quote_via=urllib.parse.quote) + "\n"

    def try_one(self, case):
        self.process.stdin.write(self.line(case))
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{self.name} has ended"
        words = dict(urllib.parse.parse_qsl(answer.strip(), keep_blank_values=True))
        if "ok" in words:
            return ok(words["ok"])
        return Outcome(None, words["sqlstate"], words["text"])

    def try_all(self, cases):
        return [self.try_one(case) for case in cases]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


NODE_PATH = ":".join(filter(None, (os.environ.get("NODE_PATH"), "/usr/share/nodejs",
                                   "/usr/lib/nodejs")))


class Node(Child):
    name = "node-pg"

    @staticmethod
    def missing():
        try:
            done = subprocess.run(["node", "-e", "require('pg')"], capture_output=True,
                                  env={**os.environ, "NODE_PATH": NODE_PATH}, text=True)
        except FileNotFoundError:
            return "there is no node"
        return None if done.returncode == 0 else "node has no module pg (Debian: node-pg)"

    def __init__(self, _directory):
        super().__init__(["node", os.path.join(HERE, "login.js")], {"NODE_PATH": NODE_PATH})


JAR = os.environ.get("JDBC_JAR", "/usr/share/java/postgresql.jar")


class Jdbc(Child):
    name = "jdbc"

    @staticmethod
    def missing():
        if not os.path.exists(JAR):
            return f"there is no {JAR} (Debian: libpostgresql-jdbc-java)"
        try:
            subprocess.run(["javac", "-version"], capture_output=True)
        except FileNotFoundError:
            return "there is no javac (Debian: default-jdk-headless)"
        return None

    def __init__(self, directory):
        subprocess.run(["javac", "-d", directory, os.path.join(HERE, "Login.java")], check=True,
                       capture_output=True)
        super().__init__(["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m",
                          f"-Duser.home={directory}", "-cp", f"{directory}:{JAR}", "Login"])


class Drivers:
    """All of them, started once. missing says, by name, which could not be, and why."""

    def __init__(self, directory):
        self.all = {d.name: d for d in (Psql(), Psycopg(), Asyncpg())}
        self.missing = {}
        for kind in (Node, Jdbc):
            why = kind.missing()
            if why:
                self.missing[kind.name] = why
            else:
                self.all[kind.name] = kind(directory)

    def try_all(self, cases_by_driver):
        """Outcomes by driver; the drivers work at the same time."""
        with concurrent.futures.ThreadPoolExecutor(len(self.all)) as pool:
            jobs = {name: pool.submit(self.all[name].try_all, cases)
                    for name, cases in cases_by_driver.items()}
            return {name: job.result() for name, job in jobs.items()}

    def close(self):
        for driver in self.all.values():
            driver.close()
