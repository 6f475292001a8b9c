// Whether training begins in time after the first patch, and if not, where patches got lost on their way:
// a function of the two elements' figures.
import { numberField, textField, type StructureFields } from '../measure/structure.ts';

/** From the first patch that left the sender. */
export const maxSecondsToTraining = 10;
/** From the first picture to the first patch. */
export const maxSecondsToPatch = 10;

export interface Diagnosis {
  readonly cause: string;
  readonly remedy: string;
}

export class TrainingWatch {
  #firstPictureSeconds: number | undefined;
  #firstPatchSeconds: number | undefined;
  #trainingSeconds: number | undefined;

  /** Whether training has begun. */
  get hasBegun(): boolean {
    return this.#trainingSeconds !== undefined;
  }

  /** Seconds from the first patch to training, as far as they were looked at. */
  get secondsToTraining(): number | null {
    if (this.#trainingSeconds === undefined) return null;
    return this.#trainingSeconds - (this.#firstPatchSeconds ?? this.#trainingSeconds);
  }

  /** What is wrong, once the time for it is over; null while all may be well. */
  look(timeSeconds: number, sender: StructureFields, server: StructureFields): Diagnosis | null {
    if (this.hasBegun) return null;
    this.#firstPictureSeconds ??= timeSeconds;
    if (numberField(sender, 'patches') > 0) this.#firstPatchSeconds ??= timeSeconds;
    if (['training', 'suspended'].includes(textField(server, 'training-state'))) {
      this.#trainingSeconds = timeSeconds;
      return null;
    }
    if (this.#firstPatchSeconds === undefined) {
      const isOver = timeSeconds - this.#firstPictureSeconds >= maxSecondsToPatch;
      return isOver ? diagnose(sender, server) : null;
    }
    const isOver = timeSeconds - this.#firstPatchSeconds >= maxSecondsToTraining;
    return isOver ? diagnose(sender, server) : null;
  }
}

const tooBusy =
  'The machine may be too busy for it: `livesr doctor` starts an engine and says how long it takes.';

/** Along the way of a patch: the first station that it did not reach. */
export function diagnose(sender: StructureFields, server: StructureFields): Diagnosis {
  const state = textField(server, 'training-state');
  const sent = numberField(sender, 'patches');
  const received = numberField(server, 'patches-received');
  const aligned = numberField(server, 'patches-aligned');
  const given = numberField(server, 'pairs-sent');
  if (state.startsWith('stopped')) {
    return {
      cause: `The server's engine is not at work (${state}).`,
      remedy: '`livesr doctor` starts an engine and says what is missing.',
    };
  }
  if (!(sent > 0)) {
    if (sender['engine-ready'] === false) {
      return {
        cause: 'The sender has sent no patch: its engine has said nothing since it was started.',
        remedy: tooBusy,
      };
    }
    return {
      cause: 'The sender has sent no patch: its engine has chosen none.',
      remedy: 'Does the picture change at all, and has the uplink room for patches (--uplink)?',
    };
  }
  if (!(received > 0)) {
    return {
      cause: `The sender has sent ${sent} patches, the server has received none.`,
      remedy:
        'What lies between them must keep the KLV stream, and the server must link it to ' +
        "srenhancer's pad patches (as livesrdemux does).",
    };
  }
  if (!(aligned > 0)) {
    return {
      cause:
        `The server has received ${received} patches and found the frame of none of them ` +
        `(${dropped(server)}).`,
      remedy:
        'Sender and server must be of the same version, and nothing may encode the video again.',
    };
  }
  if (!(given > 0)) {
    return {
      cause: `The server has placed ${aligned} patches, and its engine takes none (${state}).`,
      remedy: '`livesr doctor` starts an engine and says what is missing.',
    };
  }
  const unresponsive = numberField(server, 'engine-unresponsive');
  return {
    cause:
      `The server's engine was given ${given} patches and does not train (${state}` +
      `${unresponsive > 0 ? `; ${unresponsive} engines did not answer and were replaced` : ''}).`,
    remedy: tooBusy,
  };
}

function dropped(server: StructureFields): string {
  const reasons = Object.entries(server)
    .filter(([name, value]) => name.startsWith('patches-dropped-') && Number(value) > 0)
    .map(([name, value]) => `${name.replace('patches-dropped-', '')} ${value.toString()}`);
  return reasons.length > 0 ? `dropped: ${reasons.join(', ')}` : 'they wait for their frames';
}
