#!/usr/bin/env python3
"""Measures a whole system on this machine: usage bench.py DAAS [--quick] [--output bench/results.json]

Brings a system up with `daas up`, measures how long the server takes from its start to ready, its memory when idle and
with 10,000 pods, requests at 1 and 16 clients, and the fan-out to 10,000 watchers of one namespace; writes all of it as
JSON and prints a table. A quiet machine is up to whoever runs it; the load comes from the same machine.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

STARTS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class System:
    """A system that `daas up` runs, and that is gone afterwards."""

    def __init__(self, daas):
        self.daas, self.dir = daas, tempfile.mkdtemp(prefix="daas-bench-")
        self.port = free_port()

    def __enter__(self):
        subprocess.run(
            [
                self.daas, "up", "--detach", "--no-sample", "--data-dir", self.dir,
                "--api-listen", f"127.0.0.1:{self.port}", "--ledger-listen", f"127.0.0.1:{free_port()}",
                "--node-api-port", str(free_port()),
            ],
            check=True,
            stdout=sys.stderr,
        )
        self.kubeconfig = os.path.join(self.dir, "kubeconfig")
        return self

    def __exit__(self, *_):
        subprocess.run([self.daas, "down", "--data-dir", self.dir], stdout=sys.stderr)
        shutil.rmtree(self.dir, ignore_errors=True)

    def server(self):
        """The server's process."""
        status = subprocess.run(
            [self.daas, "status", "--data-dir", self.dir, "--output", "json"], capture_output=True, text=True
        )
        for part in json.loads(status.stdout):
            if part["name"] == "server":
                return part.get("pid")
        return None

    def rss(self):
        """The server's resident memory in MiB."""
        with open(f"/proc/{self.server()}/status") as f:
            kib = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        return kib / 1024

    def ready(self):
        """Whether /readyz says so. It needs no credential."""
        context = ssl._create_unverified_context()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as raw:
                with context.wrap_socket(raw) as s:
                    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in s.recv(64)
        except OSError:
            return False

    def restart(self):
        """Stops the server's process, which the supervisor starts again: milliseconds from that start to ready."""
        old = self.server()
        os.kill(old, signal.SIGTERM)
        while os.path.exists(f"/proc/{old}"):
            time.sleep(0.01)
        # Who listens on the port is the new process: asking for it by `status` would take longer than what is measured.
        while not self.ready():
            time.sleep(0.002)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        pid = self.server()
        with open(f"/proc/{pid}/stat") as f:
            ticks = int(f.read().rsplit(")", 1)[1].split()[19])
        return (now - ticks / os.sysconf("SC_CLK_TCK")) * 1000

    def load(self, *arguments):
        """Runs `daas bench` and returns its outcome, and the server's highest memory meanwhile."""
        command = [self.daas, "bench", "--kubeconfig", self.kubeconfig, "--output", "json", *arguments]
        pid, highest, ended = self.server(), 0, threading.Event()

        def watch():
            nonlocal highest
            while not ended.wait(0.1):
                with open(f"/proc/{pid}/status") as f:
                    kib = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
                highest = max(highest, kib / 1024)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
        finally:
            ended.set()
            watcher.join()
        if not out:
            sys.exit("error: the load generator did not measure anything")
        # Requests that failed are counted in what it measured.
        return json.loads(out), highest


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpus": os.cpu_count(), "cpu": model, "kernel": platform.release(), "load": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("daas")
    parser.add_argument("--quick", action="store_true", help="small numbers: whether it works, not how fast")
    parser.add_argument("--output", default="bench/results.json")
    options = parser.parse_args()
    quick = options.quick
    pods, watchers = (500, 50) if quick else (10_000, 10_000)
    duration = ["--duration", "2" if quick else "10", "--warm-up", "0" if quick else "1"]
    results = {"machine": machine(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "quick": quick}
    with System(os.path.abspath(options.daas)) as system:
        starts = [system.restart() for _ in range(1 if quick else STARTS)]
        results["startToReadyMs"] = {"median": statistics.median(starts), "all": starts}
        time.sleep(2 if quick else 20)
        results["rssIdleMiB"] = system.rss()
        outcome, _ = system.load(
            "--operations", "get,list,create,patch", "--clients", "1,16", "--objects", "100" if quick else "1000", *duration
        )
        results["version"] = outcome["version"]
        results["measurements"] = outcome["measurements"]
        outcome, _ = system.load(
            "--operations", "watch", "--watchers", str(watchers), "--changes", "20", "--objects", "1", "--duration", "300"
        )
        results["measurements"] += outcome["measurements"]
        system.restart()
        outcome, highest = system.load(
            "--operations", "get,list", "--clients", "1,16", "--objects", str(pods), *duration
        )
        results[f"rssWith{pods}PodsMiB"] = highest
        for measurement in outcome["measurements"]:
            measurement["operation"] += f" of {pods}"
            results["measurements"].append(measurement)
    os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
    with open(options.output, "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")

    def row(name, clients, second, p50, p99, failed):
        print(f"{name:<22}{clients:>9}{second:>12}{p50:>10}{p99:>10}{failed:>8}")

    row("operation", "clients", "per s", "p50 ms", "p99 ms", "failed")
    for m in results["measurements"]:
        latency = m["latency"]
        row(m["operation"], m["clients"], f"{m['perSecond']:,.0f}", f"{latency['p50']:.2f}", f"{latency['p99']:.2f}", m["failed"])
    print(f"start to ready         {results['startToReadyMs']['median']:>9,.0f} ms")
    print(f"RSS idle               {results['rssIdleMiB']:>9,.0f} MiB")
    print(f"RSS, {pods:,} pods (peak) {results[f'rssWith{pods}PodsMiB']:>9,.0f} MiB")
    print(f"written to {options.output}")
    return any(m["failed"] for m in results["measurements"])


sys.exit(main())
