// What no attack may do to a stream, to its server or to its neighbour.
import { framesPerSecond, type Figures, type Outcome } from './run.ts';

export interface Ceilings {
  readonly minFrameShare: number;
  readonly maxDelayP99Ms: number;
  readonly maxResidentMb: number;
  readonly minWelcomed: number;
}

/** One frame time at 30 fps; memory of the server's pipeline and the engine together. */
export const ceilings: Ceilings = {
  minFrameShare: 0.95,
  maxDelayP99Ms: 1000 / framesPerSecond,
  maxResidentMb: 600,
  minWelcomed: 0.9,
};

/** An epoch lasts five seconds; the first one after the attack began tells of the time before too. */
const secondsToEpochs = 12;

function faultsOfStream(name: string, figures: Figures, seconds: number): string[] {
  const faults: string[] = [];
  if (figures.ended !== undefined) faults.push(`${name} ended: ${figures.ended}`);
  if (seconds >= secondsToEpochs && figures.pairs <= 0)
    faults.push(`${name}: no more training pairs`);
  if (seconds >= secondsToEpochs && figures.steps <= 0) faults.push(`${name}: no training steps`);
  return faults;
}

/** Fewer senders that came say nothing. */
const minAttempts = 5;

/** What is under way at either end of the span is not lost. */
const framesUnderWay = 45;

function lostFrames(name: string, figures: Figures, limits: Ceilings): string[] {
  const { framesSent, framesOut } = figures;
  if (framesOut + framesUnderWay >= limits.minFrameShare * framesSent) return [];
  return [`${name} shows ${framesOut} of ${framesSent} frames`];
}

/** Sentences; none: the attack was borne. */
export function faultsOf(outcome: Outcome, limits: Ceilings = ceilings): string[] {
  const { victim, neighbour, seconds, senders, maxResidentMb } = outcome;
  const faults = [
    ...faultsOfStream('the stream', victim, seconds),
    ...faultsOfStream('its neighbour', neighbour, seconds),
  ];
  faults.push(...lostFrames('the stream', victim, limits));
  faults.push(...lostFrames('its neighbour', neighbour, limits));
  if (!(victim.delayP99Ms <= limits.maxDelayP99Ms)) {
    faults.push(`p99 of added latency ${victim.delayP99Ms.toFixed(0)} ms`);
  }
  if (maxResidentMb > limits.maxResidentMb) {
    faults.push(`server and engine hold ${maxResidentMb.toFixed(0)} MB`);
  }
  if (
    senders &&
    senders.attempts >= minAttempts &&
    senders.welcomed < limits.minWelcomed * (senders.attempts - 1)
  ) {
    faults.push(`${senders.welcomed} of ${senders.attempts} senders were welcomed`);
  }
  if (senders && senders.lost > 0) faults.push(`a sender was thrown out ${senders.lost} times`);
  return faults;
}

/** Of attacks on one server, one after the other, that are too short to be judged one by one. */
export function faultsOfAll(outcomes: readonly Outcome[], limits: Ceilings = ceilings): string[] {
  const sum = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const faults = outcomes.flatMap(({ attack, victim }) =>
    victim.ended === undefined ? [] : [`${attack}: the stream ended: ${victim.ended}`],
  );
  for (const name of ['victim', 'neighbour'] as const) {
    const sent = sum((outcome) => outcome[name].framesSent);
    const shown = sum((outcome) => outcome[name].framesOut);
    if (shown < limits.minFrameShare * sent - framesUnderWay) {
      faults.push(`${name}: ${shown} of ${sent} frames were shown`);
    }
    if (sum((outcome) => outcome[name].pairs) === 0) faults.push(`${name}: no training pairs`);
  }
  // The middle one: a machine that stands still for a moment is no attack.
  const delays = outcomes.map(({ victim }) => victim.delayP99Ms).sort((a, b) => a - b);
  const delayMs = delays[Math.floor(delays.length / 2)] ?? NaN;
  if (!(delayMs <= limits.maxDelayP99Ms)) faults.push(`p99 of added latency ${delayMs} ms`);
  const residentMb = Math.max(...outcomes.map(({ maxResidentMb }) => maxResidentMb));
  if (residentMb > limits.maxResidentMb) faults.push(`server and engine hold ${residentMb} MB`);
  const attempts = sum(({ senders }) => senders?.attempts ?? 0);
  const welcomed = sum(({ senders }) => senders?.welcomed ?? 0);
  if (welcomed < limits.minWelcomed * attempts - 2) {
    faults.push(`${welcomed} of ${attempts} senders were welcomed`);
  }
  return faults;
}
