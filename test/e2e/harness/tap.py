"""Reports every test as a line of TAP, for make check."""

import os


class Tap:
    """Writes to a descriptor of its own, since pytest captures standard output."""

    def __init__(self, fd):
        self.out = os.fdopen(fd, "w", buffering=1)
        self.count = 0

    def line(self, ok, name, directive=""):
        self.count += 1
        word = "ok" if ok else "not ok"
        name = name.replace("#", " ")
        self.out.write(f"{word} {self.count} - {name}{directive}\n")

    def explain(self, text):
        for line in str(text).splitlines():
            self.out.write(f"# {line}\n")

    def pytest_collection_finish(self, session):
        self.out.write(f"# {len(session.items)} tests\n")

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.replace("::", ": ").replace("_", " ")
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self.line(True, name, f" # SKIP {reason}")
        elif report.failed:
            self.line(False, name if report.when == "call" else f"{name} ({report.when})")
            self.explain(report.longrepr)
        elif report.when == "call":
            self.line(True, name)

    def pytest_collectreport(self, report):
        if report.failed:
            self.line(False, f"collecting {report.nodeid}")
            self.explain(report.longrepr)

    def pytest_sessionfinish(self):
        self.out.write(f"1..{self.count}\n")
