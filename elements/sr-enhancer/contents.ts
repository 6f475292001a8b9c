// What the blobs of srenhancer's messages must hold, and their parts. ChannelError where they do not.
import { marginOf, unitOf, type Architecture, type TrainingPair } from '../bridge/index.ts';
import { ChannelError } from '../channel/frame.ts';
import type { EnhancerStart, PatchPair } from '../channel/messages.ts';

export function checkCounts(start: EnhancerStart, carried: number, expected: number): void {
  const { genericParameters, liveParameters, liveSource } = start;
  if (genericParameters !== expected || (liveParameters !== 0 && liveParameters !== expected)) {
    throw new ChannelError(
      `enhancer.start: ${genericParameters} generic and ${liveParameters} live parameters, ` +
        `the network has ${expected}`,
    );
  }
  const contradicts =
    (liveSource === 'bicubic' && liveParameters > 0) ||
    ((liveSource === 'online' || liveSource === 'stored') && liveParameters === 0);
  if (contradicts) {
    throw new ChannelError(
      `enhancer.start: liveSource ${liveSource} with ${liveParameters} live parameters`,
    );
  }
  if (carried !== genericParameters + liveParameters) {
    throw new ChannelError(
      `enhancer.start carries ${carried} parameters, says ${genericParameters + liveParameters}`,
    );
  }
}

export function splitPair(
  architecture: Architecture,
  { width, height }: PatchPair,
  blob: Uint8Array,
): TrainingPair {
  const { scale } = architecture;
  const unit = unitOf(architecture);
  if (width % unit !== 0 || height % unit !== 0) {
    throw new ChannelError(`patch.pair of ${width} x ${height}: not multiples of ${unit}`);
  }
  const margins = 2 * marginOf(architecture);
  const lowBytes = (width / scale + margins) * (height / scale + margins);
  if (blob.length !== lowBytes + width * height) {
    throw new ChannelError(
      `patch.pair of ${width} x ${height} carries ${blob.length} bytes, ` +
        `must carry ${lowBytes + width * height}`,
    );
  }
  return { width, height, low: blob.subarray(0, lowBytes), high: blob.subarray(lowBytes) };
}
