"""No-op jobs through Celery: enqueue them all, then wait until each has its result.

Usage: NOOP_SOCKET=path noop_celery.py POOL CONCURRENCY JOBS. Prints one line of JSON: seconds of wall time, CPU seconds of
this client with all of the worker's processes, and those of Redis.
"""

import json
import os
import subprocess
import sys
import time

from celery import Celery
from redis import Redis

# The worker imports this file too and has no arguments of ours.
SOCKET = os.environ["NOOP_SOCKET"]
BROKER, RESULTS = 0, 1
WARM_UP = 200
DEADLINE = 120
TICKS = os.sysconf("SC_CLK_TCK")

app = Celery("noop_celery")
app.conf.update(
    broker_url=f"redis+socket://{SOCKET}?virtual_host={BROKER}",
    result_backend=f"redis+socket://{SOCKET}?virtual_host={RESULTS}",
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(upload: str) -> str:
    return upload


def main(pool: str, concurrency: str, jobs: int) -> None:
    results, client = Redis(unix_socket_path=SOCKET, db=RESULTS), Redis(unix_socket_path=SOCKET)
    client.flushall()
    worker = start_worker(pool, concurrency)
    try:
        run(results, WARM_UP, before=0)
        began, spent, redis = time.monotonic(), cpu_of(worker.pid), redis_cpu(client)
        run(results, jobs, before=WARM_UP)
        took = {
            "wall": time.monotonic() - began,
            "client": cpu_of(worker.pid) - spent,
            "redis": redis_cpu(client) - redis,
        }
    finally:
        worker.terminate()
        worker.wait()
    print(json.dumps(took))


def start_worker(pool: str, concurrency: str) -> subprocess.Popen:
    """Chatter between workers, which one worker alone can do without, is switched off."""
    command = [sys.executable, "-m", "celery", "-A", "noop_celery", "worker", "--pool", pool]
    command += ["--concurrency", concurrency, "--loglevel", "ERROR"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.Popen(command, cwd=here, **quiet)


def run(results: Redis, jobs: int, before: int) -> None:
    """Each result is one key of their database; counting them costs one command a look."""
    for number in range(jobs):
        noop.delay(f"uploads/0/0/{number}")
    deadline = time.monotonic() + DEADLINE
    while results.dbsize() < before + jobs:
        if time.monotonic() > deadline:
            sys.exit(f"Celery has done {results.dbsize() - before} of {jobs} jobs in {DEADLINE} s")
        time.sleep(0.02)


def cpu_of(worker: int) -> float:
    """Of this process, the worker and its children; an ended child's is in its parent's."""
    ticks = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if worker in (int(entry), int(fields[1])):
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS + time.process_time()


def redis_cpu(client: Redis) -> float:
    used = client.info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
