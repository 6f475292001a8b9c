// Which patches are trained on, how often, and which are held out: pure functions over the ids that
// the trainer gave, which rise.

export interface Pool {
  /** Patches that arrived so far. */
  readonly arrived: number;
  /** Held out for validation, oldest first. */
  readonly held: readonly number[];
  /** Trained on, in the order they came to be, oldest first. */
  readonly training: readonly number[];
  /** As many of them, the oldest, are of scenes that have ended. */
  readonly past: number;
  /** What the patches of both lists take, as the trainer keeps them. */
  readonly bytes: ReadonlyMap<number, number>;
}

export interface PoolChange {
  readonly pool: Pool;
  /** New weights in the trainer's draw; 0 holds a patch out. */
  readonly weights: ReadonlyMap<number, number>;
  readonly removed: readonly number[];
}

export const emptyPool: Pool = { arrived: 0, held: [], training: [], past: 0, bytes: new Map() };

/**
 * LiveNAS 6: the latest 150 patches weigh four times as much as older ones. Here only those of the scene
 * do, and sixteen times: 0.14 to 0.16 dB on patches, in sessions of 150 and 600 s (docs/results.md).
 */
export const recentPatches = 150;
export const recentWeight = 16;
/** Bounds memory (about 20 kB a patch); older scenes still steady the weights until then. */
export const mostTrainingPatches = 600;
/** A patch of the largest size takes 340 kB: of those fewer are kept. */
export const maxPoolBytes = 24 * 2 ** 20;
/** Every fourth patch is held out; it is trained on later, when newer ones have taken its place. */
export const heldEvery = 4;
export const mostHeld = 8;
/** Until then each patch is worth more in training: all are scored before they are trained on anyhow. */
export const firstHeld = 8;

/** Sum of the weights of the patches that are trained on. */
export function trainingWeight(pool: Pool, weightOfRecent = recentWeight): number {
  const recent = Math.min(pool.training.length - pool.past, recentPatches);
  return recent * weightOfRecent + (pool.training.length - recent);
}

/** A patch of `bytes` has arrived. */
export function admit(
  pool: Pool,
  id: number,
  bytes: number,
  weightOfRecent = recentWeight,
): PoolChange {
  const arrived = pool.arrived + 1;
  const weights = new Map<number, number>();
  const held = [...pool.held];
  const training = [...pool.training];
  const train = (patch: number): void => {
    training.push(patch);
    weights.set(patch, weightOfRecent);
  };
  if (arrived >= firstHeld && arrived % heldEvery === 0) {
    held.push(id);
    weights.set(id, 0);
    const released = held.length > mostHeld ? held.shift() : undefined;
    if (released !== undefined) train(released);
  } else {
    train(id);
  }
  // At most one patch a call crosses each border, since at most one comes in.
  const aged = training.at(-1 - recentPatches);
  if (aged !== undefined && weights.size > 0) weights.set(aged, 1);
  const sizes = new Map(pool.bytes).set(id, bytes);
  const removed = training.splice(0, excess(training, sizes));
  for (const patch of removed) {
    weights.delete(patch);
    sizes.delete(patch);
  }
  const past = Math.max(0, pool.past - removed.length);
  return { pool: { arrived, held, training, past, bytes: sizes }, weights, removed };
}

/** How many of the oldest must go, by number and by bytes; the latest stays. */
function excess(training: readonly number[], sizes: ReadonlyMap<number, number>): number {
  let count = Math.max(0, training.length - mostTrainingPatches);
  let bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const sizeOf = (patch: number | undefined): number => sizes.get(patch ?? -1) ?? 0;
  for (const patch of training.slice(0, count)) bytes -= sizeOf(patch);
  while (bytes > maxPoolBytes && count < training.length - 1) bytes -= sizeOf(training[count++]);
  return count;
}

/** What came before the patch `first` is no longer what is shown, however recent. */
export function endScene(pool: Pool, first: number): PoolChange {
  const index = pool.training.findIndex((patch) => patch >= first);
  const past = Math.max(pool.past, index < 0 ? pool.training.length : index);
  const ended = pool.training.slice(pool.past, past);
  return {
    pool: { ...pool, past },
    weights: new Map(ended.map((patch) => [patch, 1])),
    removed: [],
  };
}
