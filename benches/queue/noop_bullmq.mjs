// No-op jobs through BullMQ: enqueue them all, then work them off.
//
// Usage: NOOP_SOCKET=path noop_bullmq.mjs CONCURRENCY JOBS. Prints one line of JSON: seconds of wall time, CPU seconds of this
// process, which is client and worker, and those of Redis.

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [concurrency, jobs] = process.argv.slice(2).map(Number);
const WARM_UP = 1000;
const connection = { path: process.env.NOOP_SOCKET, maxRetriesPerRequest: null };

const server = new Redis(connection);
await server.flushall();
await run("warm-up", WARM_UP);

const [began, spent, redis] = [performance.now(), process.cpuUsage(), await redisCpu()];
await run("noop", jobs);
const { user, system } = process.cpuUsage(spent);
const wall = (performance.now() - began) / 1e3;
console.log(JSON.stringify({ wall, client: (user + system) / 1e6, redis: (await redisCpu()) - redis }));
await server.quit();

async function run(name, count) {
  const queue = new Queue(name, { connection });
  let next = 0;
  const caller = async () => {
    while (next < count) await queue.add("noop", { upload: `uploads/0/0/${next++}` });
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  await new Promise((resolve, reject) => {
    let done = 0;
    const worker = new Worker(name, async (job) => job.data.upload, { connection, concurrency });
    worker.on("completed", () => ++done === count && resolve(worker.close()));
    worker.on("error", reject);
  });
  await queue.close();
}

async function redisCpu() {
  const info = await server.info("cpu");
  const part = (name) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)[1]);
  return part("used_cpu_user") + part("used_cpu_sys");
}
