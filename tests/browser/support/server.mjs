// The real server, started as a person would, on a port and data directory of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { setTimeout as wait } from "node:timers/promises";

const PATIENCE = 30_000;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class Server {
  #directory;
  #process;
  #said = "";

  /** With a key that callers must show, `server.key`, where that is asked for. */
  static async start({ keyed = false } = {}) {
    const server = new Server();
    server.#directory = await mkdtemp(path.join(tmpdir(), "image2model-page-"));
    server.address = `127.0.0.1:${await freePort()}`;
    server.url = `http://${server.address}/`;
    if (keyed) server.key = await server.#createKey();
    await server.resume();
    return server;
  }

  async #createKey() {
    const environment = { ...process.env, IMAGE2MODEL_DATA_DIR: path.join(this.#directory, "data") };
    const words = ["keys", "create", "--label", "Anna"];
    const { stdout } = await promisify(execFile)(process.env.PAGE_TEST_BINARY, words, {
      cwd: this.#directory,
      env: environment,
    });
    return stdout.trim();
  }

  /** Starts the process, again after a kill: on the same address and data. */
  async resume() {
    const binary = process.env.PAGE_TEST_BINARY;
    const words = ["serve", "--listen", this.address, "--data-dir", path.join(this.#directory, "data")];
    // One thread, so that a job of many pictures lasts long enough to be looked at.
    const environment = { ...process.env, IMAGE2MODEL_WORKER__THREADS: "1" };
    this.#process = spawn(binary, words, { cwd: this.#directory, env: environment });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on("data", (data) => (this.#said += data));
    }
    const until = Date.now() + PATIENCE;
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null || Date.now() > until) {
        throw new Error(`the server does not answer on ${this.address}; it said:\n${this.#said}`);
      }
      await wait(50);
    }
  }

  /** As power loss ends it. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  async stop() {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** JSON of the API. */
  async get(route) {
    const response = await fetch(`${this.url}api/v1${route}`);
    if (!response.ok) throw new Error(`${route} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  async #answers() {
    try {
      return (await fetch(`${this.url}api/v1/health/liveness`)).ok;
    } catch {
      return false;
    }
  }
}
