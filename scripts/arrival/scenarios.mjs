// Orders in which the two ends of a stream start, and what of it arrives.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { counters, freePort, startPipeline, startProgram } from './processes.mjs';
import { sender, server, ways } from './streams.mjs';

/** Seconds after the start of the measurement at which each side starts, and starts again. */
export const scenarios = {
  'server first': { server: 0, sender: 1 },
  'sender first': { server: 3, sender: 0 },
  'server after 10 s': { server: 10, sender: 0 },
  together: { server: 0, sender: 0 },
  'sender after 2 s': { server: 0, sender: 2 },
  'sender after 5 s': { server: 0, sender: 5 },
  'sender restarted': { server: 0, sender: 1, again: 4 },
};

const pollMs = 250;

/** How many of the patches that were sent arrived, and what became of them. */
export async function measure(name, { transport, carriage, way, clip, seconds, record }) {
  const times = scenarios[name];
  const port = await freePort();
  const { relays: commands } = ways[way];
  const entry = commands === undefined ? port : await freePort();
  const relays = (commands?.(entry, port) ?? []).map((command) => startProgram(command));
  const started = performance.now();
  const until = (second) => delay(Math.max(0, started + second * 1000 - performance.now()));
  const ends = { server: undefined, sender: undefined };
  const start = {
    server: () => (ends.server = startPipeline(server({ transport, carriage, way, port, record }))),
    sender: () => (ends.sender = startPipeline(sender({ transport, carriage, clip, port: entry }))),
  };
  const sent = { patches: 0 };
  const addSent = async () => {
    sent.patches += counters(await ends.sender.get('sender', 'stats'))['patches'] ?? 0;
  };
  const firsts = {};
  const poll = async () => {
    const stats = counters(await ends.server?.get('enhancer', 'stats'));
    const second = (performance.now() - started) / 1000;
    if (stats['patches-received'] > 0) firsts.received ??= second;
    if (stats['patches-aligned'] > 0) firsts.aligned ??= second;
    return stats;
  };
  const pollUntil = async (second) => {
    while (performance.now() < started + second * 1000) {
      await poll();
      await delay(pollMs);
    }
  };
  try {
    const order = ['server', 'sender'].sort((a, b) => times[a] - times[b]);
    for (const side of order) {
      await until(times[side]);
      start[side]();
    }
    await pollUntil(Math.max(times.server, times.sender) + seconds);
    if (times.again !== undefined) {
      await addSent();
      await ends.sender.kill();
      const again = times.sender + seconds + times.again;
      await pollUntil(again);
      start.sender();
      await pollUntil(again + seconds);
    }
    const senderRan = ends.sender.isRunning();
    await addSent();
    // What is on its way arrives.
    await delay(1500);
    const stats = await poll();
    return {
      name,
      way,
      sent: sent.patches,
      stats,
      firsts,
      senderRan,
      ...words(ends, relays),
    };
  } finally {
    await ends.server?.stop();
    await ends.sender?.stop();
    for (const relay of relays) await relay.stop();
  }
}

const words = (ends, relays) => ({
  said: {
    server: ends.server?.said ?? [],
    sender: ends.sender?.said ?? [],
    relay: relays.flatMap(({ said }) => said),
  },
});
