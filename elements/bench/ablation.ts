// Trains on a recorded stream again, each time another way, and says how the patches that came looked
// under the weights of their moment: each before it was trained on.
import { readFileSync } from 'node:fs';
import { FrameDecoder, type Frame } from '../channel/frame.ts';
import { enhancerStart, parseHead, type TrainingReport } from '../channel/messages.ts';
import { defaultRecipe, type Recipe } from '../sr-enhancer/recipe.ts';
import { EnhancerSession } from '../sr-enhancer/session.ts';
import { Failure, UsageError } from '../cli/failure.ts';

/** What differs from the defaults. */
export interface Variant {
  readonly name: string;
  readonly start: Readonly<Record<string, string | number>>;
  readonly recipe: Recipe;
}

export interface AblationRow {
  readonly name: string;
  /** Mean over the epochs, of the weights in use over the generic ones on the epoch's arrivals. */
  readonly leadDb: number;
  readonly lastLeadDb: number;
  /** The epoch with the least lead. */
  readonly worstLeadDb: number;
  readonly stepsPerSecond: number;
  readonly suspendedShare: number;
  readonly epochs: readonly Pick<
    TrainingReport,
    'mediaTimeNs' | 'state' | 'steps' | 'epochGainDb' | 'leadDb'
  >[];
}

const trainerKeys = ['batch', 'window', 'charbonnier', 'averageDecay'] as const;
const thresholdKeys = [
  'saturatedGainDb',
  'saturatedEpochs',
  'lostLeadDb',
  'lostLeadPeriods',
  'leadKeptOverCut',
  'slowGainDb',
  'fullEpochs',
  'leastPace',
  'shareOfTime',
  'mostSavedEpochs',
] as const;
const recipeKeys = ['rateFactor', 'recentWeight', 'rehearsalWeight'] as const;
const startKeys = ['training', 'stepsPerSecond', 'trainingThreads', 'seed'] as const;
const isOneOf = <T extends string>(keys: readonly T[], key: string): key is T =>
  (keys as readonly string[]).includes(key);

/** On the recipe that the recording's rung has: `batch=8` or `training=continuous,rateFactor=0.5`; `default` for none. */
export function parseVariant(text: string, base = defaultRecipe): Variant {
  let recipe = base;
  const start: Record<string, string | number> = {};
  for (const setting of text === 'default' ? [] : text.split(',')) {
    const [key = '', value = ''] = setting.split('=');
    const number = Number(value);
    if (key === 'training') start[key] = value;
    else if (value === '' || !Number.isFinite(number)) {
      throw new UsageError(`--variant ${text}: "${setting}" is not NAME=NUMBER`);
    } else if (isOneOf(startKeys, key)) start[key] = number;
    else if (isOneOf(recipeKeys, key)) recipe = { ...recipe, [key]: number };
    else if (isOneOf(thresholdKeys, key)) {
      recipe = { ...recipe, thresholds: { ...recipe.thresholds, [key]: number } };
    } else if (isOneOf(trainerKeys, key) || key === 'augment') {
      const trainer = { ...recipe.trainer, [key]: key === 'augment' ? number !== 0 : number };
      recipe = { ...recipe, trainer };
    } else {
      const known = [...startKeys, ...recipeKeys, ...thresholdKeys, ...trainerKeys, 'augment'].join(
        ', ',
      );
      throw new UsageError(`--variant ${text}: ${key} is none of ${known}`);
    }
  }
  return { name: text, start, recipe };
}

/** The frames that an element sent; what was cut off at the end is left out. */
export function readRecording(path: string): Frame[] {
  const frames: Frame[] = [];
  new FrameDecoder().push(readFileSync(path), (frame) => {
    frames.push({ ...frame, blob: Uint8Array.from(frame.blob) });
  });
  if (frames[0]?.head.type !== 'enhancer.start') {
    throw new Failure(`${path} does not begin with enhancer.start: it is no recording`);
  }
  return frames;
}

export async function runVariant(frames: readonly Frame[], variant: Variant): Promise<AblationRow> {
  const [first, ...rest] = frames;
  if (!first) throw new Failure('the recording is empty');
  const head = { ...first.head, modelStore: '', lockstep: true, ...variant.start };
  const reports: TrainingReport[] = [];
  const session = new EnhancerSession(
    parseHead(enhancerStart, head),
    first.blob,
    {
      send: (message) => {
        if (message.type === 'training.report') reports.push(message);
      },
      log: (line) => {
        console.error(line);
      },
      // In lockstep nothing goes by it.
      nowMs: () => 0,
    },
    variant.recipe,
  );
  for (const { head: message, blob } of rest) await session.handle(message, blob);
  const leadsDb = reports.flatMap(({ leadDb }) => leadDb ?? []);
  const lastNs = reports.at(-1)?.mediaTimeNs ?? 0;
  if (leadsDb.length === 0 || lastNs === 0) {
    throw new Failure('the recording has no epoch with patches');
  }
  return {
    name: variant.name,
    leadDb: leadsDb.reduce((sum, lead) => sum + lead, 0) / leadsDb.length,
    lastLeadDb: leadsDb.at(-1) ?? 0,
    worstLeadDb: Math.min(...leadsDb),
    stepsPerSecond: reports.reduce((sum, { steps }) => sum + steps, 0) / (lastNs / 1e9),
    suspendedShare: reports.filter(({ state }) => state === 'suspended').length / reports.length,
    epochs: reports.map(({ mediaTimeNs, state, steps, epochGainDb, leadDb }) => ({
      mediaTimeNs,
      state,
      steps,
      epochGainDb,
      leadDb,
    })),
  };
}
