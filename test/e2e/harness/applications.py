"""Programs in several languages that do the work of an application with one driver each:
see applications/steps.py. What they need is compiled, or fetched from npm, when the first
of them asks for it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "applications")
JAR = os.environ.get("JDBC_JAR", "/usr/share/java/postgresql.jar")
GOPATH = os.environ.get("POOLER_GOPATH", "/usr/share/gocode")
FETCH_LIMIT_S = 240
LIMIT_S = 150


class Missing(Exception):
    """Why a program cannot be run here."""


class Outcome(NamedTuple):
    status: int
    pids: dict    # of each step that was ok: the servers it saw, in order
    failures: dict
    stderr: str


def need(program, package):
    if not shutil.which(program):
        raise Missing(f"there is no {program} (Debian: {package})")


def run_quietly(command, what, limit_s=FETCH_LIMIT_S, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, **more)
    assert done.returncode == 0, f"{what}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


class Kitchen:
    """Where programs are made ready, once for a session."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def make(self, name, function):
        """What the function returned or raised the first time."""
        if name not in self.made:
            try:
                self.made[name] = function()
            except Missing as missing:
                self.made[name] = missing
        if isinstance(self.made[name], Missing):
            raise self.made[name]
        return self.made[name]

    def path(self, name):
        return os.path.join(self.directory, name)

    def java_classes(self):
        need("javac", "default-jdk-headless")
        if not os.path.exists(JAR):
            raise Missing(f"there is no {JAR} (Debian: libpostgresql-jdbc-java)")
        run_quietly(["javac", "-cp", JAR, "-d", self.path("java"),
                     os.path.join(HERE, "Jdbc.java")], "javac")
        return self.path("java")

    def go_program(self, name, package, source):
        need("go", "golang-go")
        if not os.path.isdir(os.path.join(GOPATH, "src", source)):
            raise Missing(f"Go has no {source} (Debian: {package})")
        if not os.path.isdir(self.path("go")):
            shutil.copytree(os.path.join(HERE, "go"), self.path("go/src/work"))
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "",
                       "GOCACHE": self.path("go/cache"),
                       "GOPATH": f"{self.path('go')}:{GOPATH}"}
        run_quietly(["go", "build", "-o", self.path(f"go/{name}"), f"work/{name}"], "go build",
                    env=environment)
        return self.path(f"go/{name}")

    @staticmethod
    def node_modules():
        """Fetched once for each package.json, and kept between runs."""
        need("npm", "npm")
        with open(os.path.join(HERE, "package.json"), "rb") as listed:
            version = hashlib.sha256(listed.read()).hexdigest()[:16]
        cache = os.environ.get("POOLER_TEST_CACHE") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pooler-tests")
        kept = os.path.join(cache, f"npm-{version}")
        if not os.path.isdir(kept):
            os.makedirs(cache, exist_ok=True)
            fetched = tempfile.mkdtemp(prefix="fetching-", dir=cache)
            shutil.copy(os.path.join(HERE, "package.json"), fetched)
            try:
                done = subprocess.run(
                    ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit",
                     "--no-fund", "--fetch-retries=1"], cwd=fetched, capture_output=True,
                    text=True, timeout=FETCH_LIMIT_S)
                if done.returncode != 0:
                    raise Missing("npm cannot fetch what package.json lists: "
                                  + " ".join(done.stderr.split())[-300:])
                os.rename(fetched, kept)
            except subprocess.TimeoutExpired:
                raise Missing("npm is taking too long") from None
            except OSError:
                assert os.path.isdir(kept)  # somebody else was quicker
            finally:
                shutil.rmtree(fetched, ignore_errors=True)
        return os.path.join(kept, "node_modules")


class Program:
    """steps: how many it takes."""

    def __init__(self, name, steps):
        self.name, self.steps = name, steps

    def command(self, kitchen):
        raise NotImplementedError

    def run(self, kitchen, port, dbname, user):
        command, environment = self.command(kitchen)
        done = subprocess.run(
            [*command, "127.0.0.1", str(port), dbname, user], cwd="/", capture_output=True,
            text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})
        return self.outcome(done)

    @staticmethod
    def outcome(done):
        pids, failures = {}, {}
        for line in done.stdout.splitlines():
            if line.startswith("ok "):
                _, name, seen = line.split(" ", 2)
                pids[name] = [int(pid) for pid in seen.split(",") if pid]
            elif line.startswith("not ok "):
                name, _, why = line[len("not ok "):].partition(" ")
                failures[name] = why
        return Outcome(done.returncode, pids, failures, done.stderr)


class Python(Program):
    def __init__(self, name, steps, *modules):
        super().__init__(name, steps)
        self.modules = modules

    def check(self):
        for module in self.modules:
            done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True)
            if done.returncode != 0:
                raise Missing(f"Python has no {module} (Debian: python3-{module})")

    def command(self, kitchen):
        kitchen.make(self.name, self.check)
        return [sys.executable, os.path.join(HERE, f"{self.name}_work.py")], {}


class Node(Program):
    def __init__(self, name, steps, least_version=14):
        super().__init__(name, steps)
        self.least_version = least_version

    def check(self):
        need("node", "nodejs")
        version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
        if int(version.lstrip("v").partition(".")[0]) < self.least_version:
            raise Missing(f"Node.js is {version.strip()}, it must be {self.least_version}")

    def command(self, kitchen):
        kitchen.make(self.name, self.check)
        modules = kitchen.make("modules", kitchen.node_modules)
        return ["node", os.path.join(HERE, f"{self.name}.js")], {"NODE_PATH": modules}


class Java(Program):
    def command(self, kitchen):
        classes = kitchen.make("java", kitchen.java_classes)
        return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m",
                f"-Duser.home={kitchen.directory}", "-cp", f"{classes}:{JAR}", "Jdbc"], {}


class Go(Program):
    def __init__(self, name, steps, package, source):
        super().__init__(name, steps)
        self.needs = name, package, source

    def command(self, kitchen):
        return [kitchen.make(self.name, lambda: kitchen.go_program(*self.needs))], {}


class Php(Program):
    @staticmethod
    def check():
        need("php", "php-cli")
        done = subprocess.run(["php", "-m"], capture_output=True, text=True)
        if "pdo_pgsql" not in done.stdout:
            raise Missing("PHP has no pdo_pgsql (Debian: php-pgsql)")

    def command(self, kitchen):
        kitchen.make(self.name, self.check)
        return ["php", os.path.join(HERE, f"{self.name}.php")], {}


PROGRAMS = {program.name: program for program in (
    Python("psycopg3", 16, "psycopg"),
    Python("psycopg2", 10, "psycopg2"),
    Python("asyncpg", 14, "asyncpg"),
    Python("sqlalchemy", 7, "sqlalchemy", "psycopg2", "asyncpg"),
    Node("pg", 11),
    Node("postgres", 11),
    Java("jdbc", 15),
    Go("pq", 8, "golang-github-lib-pq-dev", "github.com/lib/pq"),
    Go("pgx", 8, "golang-github-jackc-pgx-v4-dev", "github.com/jackc/pgx/v4"),
    Php("pdo", 12),
    Node("boss", 5, 20),
    Node("graphile", 7),
)}
