// What the server's texture memory holds of the picture, cell by cell, as far as the sender can know it:
// what the server said last, which ages, and what has been sent since. Pure functions of state and media
// time.
import { mostCover, type Memory } from '../feedback/messages.ts';
import { knownWeight, type Grid } from './sampler.ts';

export interface Coverage {
  /** Undefined: the server says nothing, or that nothing is remembered. */
  readonly told: Told | undefined;
  /** Media time at which each cell became a patch last. */
  readonly chosenNs: ReadonlyMap<number, number>;
  /** Messages that could not be used: of another grid, or of a time that cannot be. */
  readonly ignored: number;
}

interface Told extends Grid {
  readonly mediaTimeNs: number;
  /** Of each cell, 0 to 1. */
  readonly shares: readonly number[];
  /** Of the squared error of what is known, the share that memory takes away; null: not tested yet. */
  readonly benefit: number | null;
}

export const noCoverage: Coverage = { told: undefined, chosenNs: new Map(), ignored: 0 };

/**
 * The picture moves on: what is told counts less the older it is, and nothing from then on. The way there
 * and back takes one to three seconds.
 */
export const staleNs = 6e9;
/** The sender's time is that of its last message, and frames are ahead of it. */
const aheadNs = 1e9;
/** A patch counts as remembered until the server tells of a frame so much later than the patch's. */
const settlesNs = 0.5e9;

export function memoryTold(
  state: Coverage,
  { mediaTimeNs, columns, rows, cell, cover, benefit }: Memory,
  grid: Grid & { readonly cell: number },
  nowNs: number,
): Coverage {
  if (cover === '') return { ...state, told: undefined };
  const isGrid = columns === grid.columns && rows === grid.rows && cell === grid.cell;
  if (!isGrid || mediaTimeNs > nowNs + aheadNs || mediaTimeNs <= nowNs - staleNs) {
    return { ...state, ignored: state.ignored + 1 };
  }
  const shares = Array.from(cover, (digit) => parseInt(digit, 16) / mostCover);
  return {
    ...state,
    told: { mediaTimeNs, columns, rows, shares, benefit },
  };
}

/** The video is of another size from now on: what memory has of the one before says nothing. */
export function forgotten(state: Coverage): Coverage {
  return { ...state, told: undefined };
}

export function cellsChosen(state: Coverage, cells: readonly number[], nowNs: number): Coverage {
  if (cells.length === 0) return state;
  const chosenNs = new Map(state.chosenNs);
  for (const cell of cells) chosenNs.set(cell, nowNs);
  return { ...state, chosenNs };
}

/** Of each cell, from 0 to 1, how much of it needs no patch for memory's sake; undefined: unknown. */
export function coverAt(
  { told, chosenNs }: Coverage,
  grid: Grid,
  nowNs: number,
): readonly number[] | undefined {
  if (told?.columns !== grid.columns || told.rows !== grid.rows) return undefined;
  const { mediaTimeNs, shares } = told;
  const ageNs = Math.max(0, nowNs - mediaTimeNs);
  // A flush may set time back.
  if (ageNs >= staleNs || nowNs < mediaTimeNs - aheadNs) return undefined;
  return shares.map((share, cell) => {
    const isUnderway = (chosenNs.get(cell) ?? -Infinity) + settlesNs > mediaTimeNs;
    return isUnderway ? 1 : share * (1 - ageNs / staleNs);
  });
}

/** What memory is worth, in dB of the whole picture. */
export interface MemoryWorth {
  /** That it adds to the picture as it is. */
  readonly leadDb: number;
  /** That one more patch adds, drawn by chance as patches are. */
  readonly byPatchDb: number;
}

/** `squaredErrors`: of each cell, before memory; `cover`: of the same cells; undefined: not known yet. */
export function memoryWorth(
  { told }: Coverage,
  squaredErrors: Uint32Array,
  cover: readonly number[] | undefined,
): MemoryWorth | undefined {
  if (cover === undefined || told?.benefit == null) return undefined;
  let all = 0;
  let known = 0;
  let drawn = 0;
  let gained = 0;
  squaredErrors.forEach((error, cell) => {
    const lacking = 1 - (cover[cell] ?? 0);
    const weight = error * Math.max(knownWeight, lacking);
    all += error;
    known += error * (1 - lacking);
    drawn += weight;
    gained += weight * error * lacking;
  });
  if (drawn <= 0) return undefined;
  // Where it does harm it shows nothing.
  const benefit = Math.max(0, told.benefit);
  const left = (share: number): number => 10 * Math.log10(1 / Math.max(0.01, 1 - share));
  const leadDb = left((benefit * known) / all);
  return { leadDb, byPatchDb: left((benefit * (known + gained / drawn)) / all) - leadDb };
}
