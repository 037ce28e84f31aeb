#!/usr/bin/env python3
"""Adds what one run of a fuzzer says of itself to a campaign's file.

usage: campaign.py FILE COMMIT SEED NAME SECONDS LOG
"""
import json
import pathlib
import re
import sys


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def main():
    path, commit, seed, name, seconds, log = sys.argv[1:]
    text = pathlib.Path(log).read_text(errors="replace")
    run = {
        "executions": number(r"stat::number_of_executed_units:\s+(\d+)", text),
        "seconds": int(seconds),
        "coverage": number(r"cov: (\d+)", text),
        "findings": len(re.findall(r"Test unit written to (?!\S*slow-unit)", text)),
    }
    file = pathlib.Path(path)
    campaign = json.loads(file.read_text()) if file.exists() else {"version": 1, "campaign": "fuzz", "runs": []}
    runs = campaign["runs"]
    key = {"commit": commit, "seed": int(seed)}
    entry = next((r for r in runs if all(r[k] == v for k, v in key.items())), None)
    if entry is None:
        entry = {**key, "targets": {}}
        runs.append(entry)
    known = entry["targets"].setdefault(name, dict.fromkeys(run, 0))
    for field in ("executions", "seconds", "findings"):
        known[field] += run[field]
    known["coverage"] = max(known["coverage"], run["coverage"])
    campaign["total"] = {
        field: sum(t[field] for r in runs for t in r["targets"].values())
        for field in ("executions", "seconds", "findings")
    }
    file.write_text(json.dumps(campaign, indent=2) + "\n")


main()
