"""Makes answers of two servers comparable: what differs by nature becomes a symbol. NOT_COMPARED says what and why."""
import datetime
import json
import re

NOT_COMPARED = """
timestamps of the test's own day    they are when it ran; seconds and microseconds are told apart, other days are compared
UIDs, resourceVersions              become uid-1, rv-2 in order of appearance: equal ones stay equal, a changed one is seen
resourceVersion of lists            both servers count all their writes, tests running at once included
continue tokens                     opaque by definition
endings of generated names          random by definition; their length is compared
cluster IPs and node ports          handed out from ranges
ages in kubectl's and Table output  they depend on the machine's speed
the width of columns                follows from ages
order of several complaints         the real server walks maps in random order
causes given twice, their order     the real server checks some fields of metadata two times over; the message says each once, in order
order of managedFields              by time first, so that it depends on whether two writes fell into one second
descriptions of built-in columns    Kubernetes' own words, which are not copied
"""

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_RFC1123 = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} (\d{4}) \d\d:\d\d:\d\d [+-]\d{4}")
_AGE = re.compile(r"(?<![\w.:/-])(\d+[dhm])?\d+(\.\d+)?(s|ms|m)(?![\w.:/-])")
_AGE_CELL = re.compile(r"(\d+[dhm])?\d+(s|m)|<invalid>")
_VERSION = re.compile(r'(resourceVersion: "|"resourceVersion": "|Resource Version: +)(\d+)')
_LOG = re.compile(r"^[EWI]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", re.MULTILINE)
_CLUSTER_IP = re.compile(r"\b10\.(9[6-9]|10\d|11[01])\.\d+\.\d+\b")
_RECORDED = re.compile(r"(resource version: \d+ \(|ResourceVersion in record \()\d+\)")
_CONTINUE = re.compile(r"\bcontinue=[\w%-]{12,}")
_QUERY_VERSION = re.compile(r"\bresourceVersion=\d{2,9}\b")
_COMPLAINTS = re.compile(r"(.* is invalid: )\[(.*)\]", re.DOTALL)
_COMPLAINT = re.compile(r", (?=[\w.<>\[\]/-]+: (?:Invalid value|Required value|Unsupported value|Duplicate value|Forbidden|Too ))")
_FUTURE = re.compile(r"(resource version: )\d+(, current: )\d+")


class Symbols:
    """The symbols of one transcript."""

    def __init__(self, server):
        self._known = {}
        self._count = {}
        self._aliases = [(server.url, "https://SERVER"), (f"{server.host}:{server.port}", "SERVER")]

    def alias(self, text, name):
        """From now on `text` reads `name`."""
        self._aliases.append((text, name))

    def symbol(self, kind, value):
        if (kind, value) not in self._known:
            self._count[kind] = self._count.get(kind, 0) + 1
            self._known[kind, value] = f"{kind}-{self._count[kind]}"
        return self._known[kind, value]

    def text(self, text):
        """A string, wherever it stands."""
        for old, new in self._aliases:
            text = text.replace(old, new)
        text = _UUID.sub(lambda found: self.symbol("uid", found[0]), text)
        text = _FUTURE.sub(r"\1N\2N", text)
        text = _RECORDED.sub(r"\1N)", _CONTINUE.sub("continue=CONTINUE", _QUERY_VERSION.sub("resourceVersion=N", text)))
        return _TIME.sub(_time, text)

    def output(self, text):
        """What kubectl printed."""
        text = _LOG.sub("LOG ", self.text(text))
        text = _VERSION.sub(lambda found: found[1] + self.symbol("rv", found[2]), text)
        text = _RFC1123.sub(lambda found: "TIME" if abs(int(found[2]) - datetime.date.today().year) < 2 else found[0], text)
        text = _AGE.sub("AGE", _CLUSTER_IP.sub("CLUSTER-IP", text))
        return [re.sub(r" {2,}|\t", "  ", line.rstrip()) for line in text.rstrip().splitlines()]

    def value(self, value, key="", inside=""):
        """A JSON value; `key` is its name, `inside` that of the object around it."""
        if isinstance(value, dict):
            if value.get("kind") == "Table" and "rows" in value:
                return self._table(value)
            return {self.text(name): self._member(name, item, value, key) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, key, inside) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _member(self, name, item, around, around_name):
        if name == "resourceVersion" and isinstance(item, str) and item not in ("", "0"):
            return self.symbol("rv", item) if "name" in around or around_name != "metadata" else "RV"
        if name == "message" and isinstance(item, str) and (several := _COMPLAINTS.fullmatch(item)):
            return self.text(f"{several[1]}[{', '.join(sorted(_COMPLAINT.split(several[2])))}]")
        if name == "continue" and item:
            return "CONTINUE"
        if name == "causes" and isinstance(item, list):
            kept = [cause for number, cause in enumerate(item) if cause not in item[:number]]
            return self.value(sorted(kept, key=lambda cause: json.dumps(cause, sort_keys=True)))
        if name == "managedFields" and isinstance(item, list):
            return self.value(sorted(item, key=lambda entry: [str(entry.get(key)) for key in ("operation", "manager", "subresource", "apiVersion")]))
        if name in ("clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort") and item not in ("None", ["None"], "", 0, None):
            return json.loads(re.sub(r'[\w.:]*\d[\w.:]*', "N", json.dumps(item))) if name != "nodePort" else "N"
        if name == "annotations" and isinstance(item, dict):
            return {key: self._applied(text) if key.endswith("last-applied-configuration") else self.text(text)
                    for key, text in item.items()}
        return self.value(item, name, around_name)

    def _applied(self, text):
        try:
            return self.value(json.loads(text))
        except ValueError:
            return text

    def _table(self, table):
        plain = {key: self._member(key, item, table, "") for key, item in table.items() if key != "rows"}
        for column in plain.get("columnDefinitions") or []:
            column["description"] = bool(column["description"])
        rows = []
        for row in table["rows"] or []:
            cells = ["AGE" if isinstance(cell, str) and _AGE_CELL.fullmatch(cell) else
                     "CLUSTER-IP" if isinstance(cell, str) and _CLUSTER_IP.fullmatch(cell) else self.value(cell) for cell in row["cells"]]
            rows.append({**self.value({key: item for key, item in row.items() if key != "cells"}), "cells": cells})
        return {**plain, "rows": rows}


def _time(found):
    when = datetime.datetime.fromisoformat(found[1])
    if abs(when - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)) > datetime.timedelta(days=1):
        return found[0]
    return "TIME" if not found[2] else "TIME" + "." + "n" * (len(found[2]) - 1)


def differences(left, right, path=""):
    """[(path, left, right)] of two values after normalisation; what is absent on one side is ABSENT."""
    if isinstance(left, dict) and isinstance(right, dict):
        found = []
        for key in [*left, *(key for key in right if key not in left)]:
            found += differences(left.get(key, ABSENT), right.get(key, ABSENT), f"{path}.{key}" if path else str(key))
        return found
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right) and not any(isinstance(item, dict) for item in left + right):
            return [(path, left, right)]
        return [found for number in range(max(len(left), len(right)))
                for found in differences(left[number] if number < len(left) else ABSENT,
                                         right[number] if number < len(right) else ABSENT, f"{path}[{number}]")]
    return [] if left == right and type(left) is type(right) else [(path, left, right)]


class _Absent:
    def __repr__(self):
        return "(absent)"


ABSENT = _Absent()
