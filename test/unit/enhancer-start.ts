// The start message of an enhancer of a small picture, in lockstep, for tests of the engine.
import type { EnhancerStart } from '../../elements/channel/messages.ts';

/** Without a live set of its own; the caller adds the network and how many parameters it has. */
export const smallEnhancer = {
  type: 'enhancer.start',
  streamKey: 'test',
  rung: 2,
  width: 320,
  height: 180,
  training: 'continuous',
  modelStore: '',
  feedbackListen: '',
  feedbackCertificate: '',
  token: '',
  tokensFile: '',
  trainingThreads: 1,
  lockstep: true,
  stepsPerSecond: 100,
  seed: 1,
  liveParameters: 0,
  liveSource: 'generic',
} as const satisfies Partial<EnhancerStart>;
