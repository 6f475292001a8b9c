// Keeps the last seconds of canvas and stream, finds the constant between their times, and hands on the
// canvas frames that certainly belong to a frame of the stream. The state around pairing.ts.
import {
  calibrate,
  judge,
  locate,
  type CanvasMoment,
  type Shot,
  type StreamFrame,
} from './pairing.ts';
import type { Luma } from './picture.ts';

export interface MatchCounts {
  readonly matched: number;
  /** The stream had no such frame, or another one in its place. */
  readonly missing: number;
  readonly different: number;
  readonly calibrations: number;
}

export interface Matched {
  readonly luma: Luma;
  /** In the stream's time. */
  readonly timeNs: number;
}

interface Waiting extends CanvasMoment {
  readonly luma: Luma;
}

/** A screenshot, at full size. */
interface WaitingShot extends Shot {
  readonly luma: Luma;
}

/** Then the stream has passed it. */
const shotPatienceMs = 2000;
const keptMs = 4000;
const keptMoments = 40;
/** Full frames that wait for the stream; each may have millions of pixels. */
const mostWaiting = 30;
/** So many in a row that fit nowhere: the constant is not what it was. */
const strangersUntilLost = 10;
const smoothing = 0.1;

export class CanvasMatcher {
  readonly #frameIntervalNs: number;
  #frames: StreamFrame[] = [];
  #moments: CanvasMoment[] = [];
  #waiting: Waiting[] = [];
  #shots: WaitingShot[] = [];
  #offsetNs: number | undefined;
  #usualError = 0;
  #strangersInARow = 0;
  #momentsSinceAttempt = 0;
  #counts = { matched: 0, missing: 0, different: 0, calibrations: 0 };

  constructor(frameIntervalNs: number) {
    this.#frameIntervalNs = frameIntervalNs;
  }

  get counts(): MatchCounts {
    return { ...this.#counts };
  }

  /** undefined until it is calibrated. */
  get offsetNs(): number | undefined {
    return this.#offsetNs;
  }

  /** Frames or screenshots of the canvas are seen in the stream. */
  get hasFoundCanvas(): boolean {
    return this.#offsetNs !== undefined || (this.#shots.length > 0 && this.#counts.matched > 0);
  }

  streamFrame(frame: StreamFrame): Matched[] {
    const last = this.#frames.at(-1);
    // A stream that begins again has other times.
    if (last && frame.timeNs <= last.timeNs) this.#lose();
    this.#frames.push(frame);
    const oldest = this.#frames.findIndex(({ atMs }) => frame.atMs - atMs <= keptMs);
    if (oldest > 0) this.#frames.splice(0, oldest);
    return [...this.#match(), ...this.#matchShots(frame.atMs)];
  }

  screenshot(shot: WaitingShot): void {
    this.#shots.push(shot);
    if (this.#shots.length > mostWaiting) this.#shots.shift();
  }

  canvasFrame(frame: Waiting): void {
    const { frameTimeNs, small, atMs } = frame;
    this.#moments.push({ frameTimeNs, small, atMs });
    if (this.#moments.length > keptMoments) this.#moments.shift();
    this.#waiting.push(frame);
    if (this.#waiting.length > mostWaiting) this.#waiting.shift();
    this.#momentsSinceAttempt++;
  }

  #match(): Matched[] {
    const offsetNs = this.#offsetNs ?? this.#calibrate();
    if (offsetNs === undefined) return [];
    const matched: Matched[] = [];
    while (this.#waiting[0]) {
      const [moment] = this.#waiting;
      const verdict = judge(
        moment,
        this.#frames,
        offsetNs,
        this.#frameIntervalNs,
        this.#usualError,
      );
      if (verdict.kind === 'wait') break;
      this.#waiting.shift();
      if (verdict.kind === 'same') {
        this.#counts.matched++;
        this.#strangersInARow = 0;
        this.#usualError =
          this.#usualError === 0
            ? verdict.error
            : this.#usualError + smoothing * (verdict.error - this.#usualError);
        matched.push({ luma: moment.luma, timeNs: verdict.timeNs });
        continue;
      }
      this.#counts[verdict.kind]++;
      if (++this.#strangersInARow >= strangersUntilLost) {
        this.#lose();
        break;
      }
    }
    return matched;
  }

  #matchShots(nowMs: number): Matched[] {
    const matched: Matched[] = [];
    this.#shots = this.#shots.filter((shot) => {
      const frame = locate(shot, this.#frames);
      if (frame) {
        this.#counts.matched++;
        matched.push({ luma: shot.luma, timeNs: frame.timeNs });
        return false;
      }
      if (nowMs - shot.atMs <= shotPatienceMs) return true;
      this.#counts.missing++;
      return false;
    });
    return matched;
  }

  #calibrate(): number | undefined {
    // Each attempt compares everything with everything.
    if (this.#momentsSinceAttempt < 4) return undefined;
    this.#momentsSinceAttempt = 0;
    const latestMs = this.#frames.at(-1)?.atMs ?? 0;
    // The stream must have come past a moment for it to have a frame.
    const ripe = this.#moments.filter(({ atMs }) => atMs < latestMs - 1000).slice(-16);
    this.#offsetNs = calibrate(ripe, this.#frames, this.#frameIntervalNs);
    if (this.#offsetNs !== undefined) this.#counts.calibrations++;
    return this.#offsetNs;
  }

  #lose(): void {
    this.#offsetNs = undefined;
    this.#usualError = 0;
    this.#strangersInARow = 0;
    this.#momentsSinceAttempt = 0;
    this.#frames = [];
    this.#moments = [];
    this.#waiting = [];
    this.#shots = [];
  }
}
