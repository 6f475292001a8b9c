// What the dock shows, out of what the controller knows. No secrets: the page is seen in screen shares.
import { streamClasses } from '../../elements/patch-sender/curves.ts';
import type { Finding } from './checks.ts';
import type { ControllerState } from './state.ts';
import type { StreamFormat } from './stream-format.ts';
import { worthOfGain } from './worth.ts';

/** One second. */
export interface DockPoint {
  readonly atSeconds: number;
  readonly capacityKbps: number | null;
  readonly videoKbps: number | null;
  readonly patchKbps: number | null;
  readonly gainDb: number | null;
}

export interface DockState {
  readonly obs: { readonly connected: boolean };
  readonly carrying: boolean;
  readonly calibrated: boolean;
  readonly on: boolean;
  readonly scriptEnabled: boolean;
  readonly capacityBps: number;
  /** What the encoder is set to. */
  readonly videoBps: number;
  readonly patchBps: number;
  readonly patches: number;
  readonly rttMs: number;
  readonly bitrateChanges: number;
  readonly originalKbps: number;
  readonly training: ControllerState['training'] | null;
  readonly sessionGainDb: number | null;
  readonly worthPercent: number | null;
  readonly warnings: readonly Finding[];
  readonly capBoundKbps: number;
  readonly capKbps: number;
  readonly minKbps: number;
  readonly patchShare: number | 'auto';
  readonly streamClass: string;
  readonly streamClasses: readonly string[];
  readonly point: DockPoint;
}

const keptPoints = 600;

/** The session: what was, second by second. */
export class DockHistory {
  #points: DockPoint[] = [];
  #gainSum = 0;
  #gainSeconds = 0;

  get points(): readonly DockPoint[] {
    return this.#points;
  }

  /** Mean over the seconds that had a gain. */
  get sessionGainDb(): number | null {
    return this.#gainSeconds === 0 ? null : this.#gainSum / this.#gainSeconds;
  }

  add(point: DockPoint): void {
    this.#points.push(point);
    if (this.#points.length > keptPoints) this.#points.shift();
    if (point.gainDb === null) return;
    this.#gainSum += point.gainDb;
    this.#gainSeconds++;
  }
}

export function dockState(
  state: ControllerState,
  history: DockHistory,
  warnings: readonly Finding[],
  format: StreamFormat | undefined,
  atSeconds: number,
): DockState {
  const { obs, script, relay, wishes } = state;
  const { status } = script;
  const isLive = relay.isCarrying;
  const gainDb = isLive ? (state.training?.gainDb ?? null) : null;
  const videoBps = (status?.bitrateKbps ?? 0) * 1000;
  const streamClass = wishes.streamClass ?? status?.streamClass ?? 'default';
  const pixelsPerSecond = format
    ? format.stream.width * format.stream.height * format.framesPerSecond
    : 0;
  const worth =
    gainDb === null ? null : worthOfGain(gainDb, videoBps, pixelsPerSecond, streamClass);
  const point = {
    atSeconds,
    capacityKbps: isLive ? relay.capacityBps / 1000 : null,
    videoKbps: isLive ? videoBps / 1000 : null,
    patchKbps: isLive ? relay.patchBps / 1000 : null,
    gainDb,
  };
  history.add(point);
  const capBoundKbps = status?.capKbps ?? 0;
  const capKbps = Math.min(capBoundKbps, wishes.capKbps ?? Infinity);
  return {
    obs: { connected: obs.connected },
    carrying: isLive,
    calibrated: relay.isCalibrated,
    on: status?.enabled === true && wishes.on !== false,
    scriptEnabled: status?.enabled === true,
    capacityBps: relay.capacityBps,
    videoBps,
    patchBps: relay.patchBps,
    patches: relay.patches,
    rttMs: relay.rttMs,
    bitrateChanges: status?.changes ?? 0,
    originalKbps: status?.originalKbps ?? 0,
    training: isLive ? (state.training ?? null) : null,
    sessionGainDb: history.sessionGainDb,
    worthPercent: worth === null ? null : Math.round(worth * 100),
    warnings,
    capBoundKbps,
    capKbps,
    minKbps: Math.min(capKbps, Math.max(status?.minKbps ?? 0, wishes.minKbps ?? 0)),
    patchShare: wishes.patchShare ?? 'auto',
    streamClass,
    streamClasses,
    point,
  };
}
