// What the scheduler is set to at a rung, and what a rung that is only tried would have.
import type { SenderStart } from '../channel/messages.ts';
import { curveOf } from './curves.ts';
import { splitUplink } from './plan.ts';
import { isTrained, type Rung } from './rung.ts';
import { aim, type SchedulerSettings } from './scheduler.ts';
import { fullSizeSchedule, schedules, usualBpsOf } from './schedules.ts';

/** When the caps do not say. */
const usualFramesPerSecond = 25;

/** Of a rung that is not sent, at the share that patches usually have; none in full size. */
export function patchBps(
  rung: Rung,
  uplinkBps: number,
  start: SenderStart,
  settings: SchedulerSettings,
): number {
  if (!isTrained(rung) || start.patches === 'off') return 0;
  const { schedule: constants, patchBitrateBps, minVideoBitrateBps } = settings;
  const wantedBps = patchBitrateBps > 0 ? patchBitrateBps : usualBpsOf(constants, uplinkBps);
  return splitUplink(uplinkBps, {
    patchesOn: true,
    patchBitrateBps: wantedBps,
    minVideoBitrateBps,
  }).patchBitrateBps;
}

export function trialBps(
  rung: Rung,
  uplinkBps: number,
  start: SenderStart,
  settings: SchedulerSettings,
): number {
  return aim * (uplinkBps - patchBps(rung, uplinkBps, start, settings));
}

/** Little is to be gained there: by residuals alone, and only where somebody tells whether. */
const sendsAtFullSize = ({ patches, feedbackUri }: SenderStart): boolean =>
  patches === 'residual' && feedbackUri !== '';

export const framesPerSecondOf = ({ framesPerSecond }: SenderStart): number =>
  framesPerSecond > 0 ? framesPerSecond : usualFramesPerSecond;

export function settingsOf(start: SenderStart, rung: Rung): SchedulerSettings {
  const framePixels = (start.frameWidth * start.frameHeight) / rung ** 2;
  return {
    schedule: rung === 1 ? fullSizeSchedule : schedules[start.schedule],
    curve: curveOf(start.streamClass),
    patchesOn: rung === 1 ? sendsAtFullSize(start) : start.patches !== 'off',
    patchBitrateBps: start.patchBitrateBps,
    minVideoBitrateBps: start.minVideoBitrateBps,
    limitsFrames: start.limitsFrames ?? false,
    expectsFeedback: start.feedbackUri !== '',
    pixelsPerSecond: framePixels * framesPerSecondOf(start),
  };
}
